"""Where the model's code runs for a question, and what it shares with the notebook."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

from .conversation import Repl
from .options import own_arguments

if TYPE_CHECKING:
    from .rlm_magics import RLMMagics

__all__ = ["chosen_repl"]

_SAID_OTHERWISE = {
    "custom_tools": "define them in the notebook",
    "sync_from_user_ns": "--sync says it",
    "sync_to_user_ns": "--sync says it",
    "sync_vars": "--vars says it",
}
"""What is no matter of ``RLMMagics.environment_kwargs``, and how it is said."""


def chosen_repl(magics: RLMMagics, given: Mapping[str, Any]) -> Repl:
    """Return the REPL that the options, else the defaults, choose; raises ``UsageError`` where they do not fit."""
    environment, sync, names = given.get("env", magics.environment), given.get("sync"), given.get("vars")
    if environment != "jupyter" and (sync is not None or names is not None):
        msg = (
            f"--sync and --vars are about the notebook's variables, which code in the environment {environment!r} "
            "does not see: leave them out, or ask with --env jupyter."
        )
        raise UsageError(msg)
    arguments = own_arguments("environment_kwargs", magics.environment_kwargs, _SAID_OTHERWISE)
    if names is None:
        return Repl(environment, sync or magics.sync, None, arguments)
    if sync in ("none", "out"):
        msg = f"--vars names what the model sees, and --sync {sync} shows it nothing: use --sync in or both."
        raise UsageError(msg)
    visible = tuple(name.strip() for name in names.split(",") if name.strip())
    return Repl(environment, sync or "in", visible, arguments)
