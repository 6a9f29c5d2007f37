"""Which shell ``get_ipython()`` and ``display()`` mean: the process's, and within a private shell's cell that one."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["process_shell", "within"]

_private: ContextVar[InteractiveShell | None] = ContextVar("rlm_jupyter_private_shell", default=None)

_DOORS = ("initialized", "instance")
"""The class methods of ``InteractiveShell`` by which IPython finds the shell, wherever it needs one."""


def process_shell() -> InteractiveShell | None:
    """Return the live shell of this process, the user's, or None; IPython is not imported to tell."""
    shells = sys.modules.get("IPython.core.interactiveshell")
    shell: InteractiveShell | None = getattr(shells.InteractiveShell, "_instance", None) if shells else None
    return shell


@contextmanager
def within(shell: InteractiveShell) -> Iterator[None]:
    """Be within a cell of a private shell: this context, and the threads that it starts, find it as the instance."""
    _routes.lay()
    token = _private.set(shell)
    try:
        yield
    finally:
        _private.reset(token)
        _routes.lift()


class _Routes:
    """Lays the routes with the first cell and lifts them with the last one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0

    def lay(self) -> None:
        from IPython.core.interactiveshell import InteractiveShell

        with self._lock:
            self._users += 1
            if self._users == 1:
                for name in _DOORS:
                    setattr(InteractiveShell, name, classmethod(_route(name)))

    def lift(self) -> None:
        from IPython.core.interactiveshell import InteractiveShell

        with self._lock:
            self._users -= 1
            if self._users == 0:
                for name in _DOORS:
                    delattr(InteractiveShell, name)  # the inherited one is found again


def _route(name: str) -> Any:
    def route(kind: type[InteractiveShell], *arguments: Any, **named: Any) -> Any:
        from IPython.core.interactiveshell import InteractiveShell

        shell = _private.get()
        if shell is not None and isinstance(shell, kind):
            return shell if name == "instance" else True
        return getattr(super(InteractiveShell, kind), name)(*arguments, **named)

    return route


_routes = _Routes()
