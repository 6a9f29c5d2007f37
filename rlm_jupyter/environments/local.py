"""``local``: plain Python in a namespace of its own. For scripts, tests, and children that run in parallel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .dialect import PlainPython
from .in_process import InProcessEnvironment

__all__ = ["LocalREPL"]


class LocalREPL(InProcessEnvironment):
    """Runs model code in a private namespace of this process.

    It is not a sandbox: the code can do whatever the process can. Many can run at once, in parallel threads.
    """

    name = "local"

    def __init__(self, context_payload: Any = None, *, custom_tools: Mapping[str, Any] | None = None) -> None:
        super().__init__({"__name__": "__main__"}, PlainPython(), custom_tools=custom_tools)
        if context_payload is not None:
            self.load_context(context_payload)
