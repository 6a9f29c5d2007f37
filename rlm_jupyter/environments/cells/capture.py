"""Captures what code prints and displays, told apart by context variable: many runs may print at the same time.

While anything is captured, ``sys.stdout``, ``sys.stderr``, IPython's shell and ``Thread.start`` are routed: code that
runs in a captured context reaches its own sink, everything else passes through untouched. A thread inherits the context
that started it, so that its output goes where its starter's goes.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

from rlm_jupyter.environments.shells.instance import process_shell
from rlm_jupyter.environments.shells.routes import ShellRoutes

from .receiver import receiver
from .sink import Sink
from .streams import lay_routes, lift_routes

__all__ = ["capture"]


@contextmanager
def capture(sink: Sink) -> Iterator[None]:
    """Send what this context prints and displays to the sink."""
    _routes.lay()
    token = receiver.set(sink)
    try:
        yield
    finally:
        receiver.reset(token)
        _routes.lift()


class _Routes:
    """Lays the routes at the first capture and lifts them after the last one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._shell: ShellRoutes | None = None
        self._start: Any = None

    def lay(self) -> None:
        with self._lock:
            self._users += 1
            lay_routes()
            if self._shell is None and (shell := process_shell()) is not None:
                self._shell = ShellRoutes(shell)
            if self._start is None:
                self._start = threading.Thread.start
                threading.Thread.start = _start_in_context(self._start)  # type: ignore[method-assign]

    def lift(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users:
                return
            lift_routes()
            if self._shell is not None:
                self._shell.lift()
                self._shell = None
            threading.Thread.start = self._start  # type: ignore[method-assign]
            self._start = None


def _start_in_context(start: Any) -> Any:
    """Return a ``Thread.start`` that carries a capturing context into the new thread."""

    def start_in_context(thread: threading.Thread) -> None:
        if receiver.get() is not None:
            cast(Any, thread).run = _in_this_context(thread)
        start(thread)

    return start_in_context


def _in_this_context(thread: threading.Thread) -> Callable[[], None]:
    context, run = contextvars.copy_context(), thread.run

    def run_in_context() -> None:
        try:
            context.run(run)
        finally:
            vars(thread).pop("run", None)  # or the thread, which code may keep, keeps all that the context holds

    return run_in_context


_routes = _Routes()
