"""Runs what takes its time in a thread, so that the server's event loop goes on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeVar

__all__ = ["off_loop"]

P = ParamSpec("P")
T = TypeVar("T")

_THREADS = 4

_waiting: SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = SimpleQueue()
_threads: list[threading.Thread] = []


async def off_loop(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what the function returns, having run it in one of a few threads of ours.

    They are daemons, unlike those of an executor: what hangs, such as a disk, does not keep the server from ending.
    """
    done: Future[T] = Future()
    _waiting.put((done, lambda: function(*args, **kwargs)))
    if len(_threads) < _THREADS:
        thread = threading.Thread(target=_work, name=f"rlm-jupyter-server-{len(_threads)}", daemon=True)
        _threads.append(thread)
        thread.start()
    return await asyncio.wrap_future(done)


def _work() -> None:
    while True:
        done, function = _waiting.get()
        if not done.set_running_or_notify_cancel():
            continue
        try:
            result = function()
        except BaseException as error:  # noqa: BLE001 - whoever waits for it gets it
            done.set_exception(error)
        else:
            done.set_result(result)
        del done, function
