"""``%rlm`` and ``%%rlm``: what a notebook's user types, the live display, and the trace notebook beside the notebook.

The magics parse and delegate: what a run is, the library below knows. Nothing here runs in a server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from .rlm_magics import RLMMagics

__all__ = ["load", "unload"]


def load(shell: InteractiveShell) -> None:
    """Register the magics. A second call changes nothing."""
    from rlm_jupyter.observers import observers

    from .question_mark import QuestionMark
    from .rlm_magics import RLMMagics
    from .server_link import ServerLink

    if RLMMagics.of(shell) is None:
        magics = _made(shell)
        shell.register_magics(magics)
        observers.append(magics.record)
        magics.link = ServerLink.of(shell, lambda: magics.journal, magics.own_sessions)
        if magics.link is not None:
            observers.append(magics.link.observe)
        QuestionMark.install(shell)


def _made(shell: InteractiveShell) -> RLMMagics:
    """Return the magics; a default that ``%config`` refused is still in the configuration, and is dropped from it."""
    from traitlets import TraitError

    from .rlm_magics import RLMMagics

    try:
        return RLMMagics(shell)
    except TraitError:
        del shell.config[RLMMagics.__name__]
        return RLMMagics(shell)


def unload(shell: InteractiveShell) -> None:
    """Take the magics out, close their sessions, and leave the shell as it was before ``load``."""
    from rlm_jupyter.observers import observers

    from .question_mark import QuestionMark
    from .rlm_magics import RLMMagics

    magics = RLMMagics.of(shell)
    if magics is None:
        return
    observers.remove(magics.record)
    if magics.link is not None:
        observers.remove(magics.link.observe)
    magics.close()
    QuestionMark.remove(shell)
    shell.configurables.remove(cast(Any, magics))
    shell.magics_manager.registry.pop(RLMMagics.__name__, None)
    for kind in ("line", "cell"):
        shell.magics_manager.magics[kind].pop("rlm", None)
