"""The one thread of the process on which model calls do their I/O."""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

__all__ = ["submit"]

T = TypeVar("T")

_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None


def submit(coroutine: Coroutine[Any, Any, T], context: contextvars.Context | None = None) -> Future[T]:
    """Run the coroutine on the I/O thread, in a copy of ``context`` or in an empty one; cancelling cancels it there.

    Not in the caller's: a connection keeps the context that it was opened in, and with it the cell that asked. The
    thread starts at the first call and is a daemon: it never keeps the process alive.
    """
    within = contextvars.Context() if context is None else context.copy()
    return within.run(asyncio.run_coroutine_threadsafe, coroutine, _running_loop())


def _running_loop() -> asyncio.AbstractEventLoop:
    global _loop
    with _lock:
        if _loop is None:
            _loop = asyncio.new_event_loop()
            threading.Thread(target=_loop.run_forever, name="rlm-jupyter-io", daemon=True).start()
        return _loop


def _forget_after_fork() -> None:
    """A forked child has the loop but not its thread: it starts its own."""
    global _lock, _loop
    _lock, _loop = threading.Lock(), None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)
