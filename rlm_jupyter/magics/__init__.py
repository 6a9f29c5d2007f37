"""``%rlm`` and ``%%rlm``: what a notebook's user types, the live display, and the trace notebook beside the notebook.

The magics parse and delegate: what a run is, the library below knows. Nothing here runs in a server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["load", "unload"]


def load(shell: InteractiveShell) -> None:
    """Register the magics. A second call changes nothing."""
    from .question_mark import QuestionMark
    from .rlm_magics import RLMMagics

    if RLMMagics.of(shell) is None:
        shell.register_magics(RLMMagics(shell))
        QuestionMark.install(shell)


def unload(shell: InteractiveShell) -> None:
    """Take the magics out, close their sessions, and leave the shell as it was before ``load``."""
    from .question_mark import QuestionMark
    from .rlm_magics import RLMMagics

    magics = RLMMagics.of(shell)
    if magics is None:
        return
    magics.close()
    QuestionMark.remove(shell)
    shell.configurables.remove(cast(Any, magics))
    shell.magics_manager.registry.pop(RLMMagics.__name__, None)
    for kind in ("line", "cell"):
        shell.magics_manager.magics[kind].pop("rlm", None)
