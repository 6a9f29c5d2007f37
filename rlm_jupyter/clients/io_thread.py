"""The one thread of the process on which model calls do their I/O."""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

__all__ = ["submit"]

T = TypeVar("T")

_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None


def submit(
    coroutine: Coroutine[Any, Any, T],
    context: contextvars.Context | None = None,
    adopt: Callable[[Future[T]], object] | None = None,
) -> Future[T]:
    """Run the coroutine on the I/O thread, in a copy of ``context`` or in an empty one; cancelling cancels it there.

    Not in the caller's: a connection keeps the context that it was opened in, and with it the cell that asked. The
    thread starts at the first call and is a daemon: it never keeps the process alive. ``adopt`` is given the future
    before anything begins: an interrupt may come between any two steps, and nobody would cancel what nobody holds.
    """
    future: Future[T] = Future()
    if adopt is not None:
        adopt(future)
    loop = _running_loop()

    def begin() -> None:
        task = loop.create_task(_carried(coroutine, future))
        future.add_done_callback(lambda ended: loop.call_soon_threadsafe(task.cancel) if ended.cancelled() else None)

    loop.call_soon_threadsafe(begin, context=contextvars.Context() if context is None else context.copy())
    return future


async def _carried(coroutine: Coroutine[Any, Any, T], future: Future[T]) -> None:
    """Run the coroutine, and hand its end to the future, unless that was cancelled."""
    if future.cancelled():
        coroutine.close()
        return
    try:
        result = await coroutine
    except asyncio.CancelledError:
        future.cancel()
        future.set_running_or_notify_cancel()
    except BaseException as error:  # noqa: BLE001 - it is raised where the result is waited for
        if future.set_running_or_notify_cancel():
            future.set_exception(error)
    else:
        if future.set_running_or_notify_cancel():
            future.set_result(result)


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
