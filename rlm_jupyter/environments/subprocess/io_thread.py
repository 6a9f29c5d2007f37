"""One thread with an event loop, on which all of a kernel's messages are sent and received."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, TimeoutError
from typing import Any, TypeVar

__all__ = ["SLICE", "IOThread", "wait"]

T = TypeVar("T")

SLICE = 0.05
"""Seconds of one wait: one without an end cannot be interrupted on every platform, nor from another thread."""


class IOThread:
    """An event loop in a daemon thread of its own. Coroutines and callbacks are given to it from any other thread."""

    def __init__(self) -> None:
        self.loop = asyncio.SelectorEventLoop()  # ZMQ's sockets are watched as file descriptors
        self._stopping = threading.Lock()
        self._stopped = False
        self._thread = threading.Thread(target=self.loop.run_forever, name="rlm-jupyter-kernel-io", daemon=True)
        self._thread.start()

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Run the coroutine on the loop, and return its future."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop)

    def call(self, function: Callable[..., object], *arguments: Any) -> bool:
        """Call the function on the loop, and return that it will be; False once the thread has stopped."""
        with self._stopping:
            if not self._stopped:
                self.loop.call_soon_threadsafe(function, *arguments)
            return not self._stopped

    def stop(self) -> None:
        """End the thread and close the loop, after what it was given to call by now."""
        with self._stopping:
            self._stopped = True
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


def wait(future: Future[T]) -> T:
    """Return the future's result, staying open to interrupts."""
    while True:
        try:
            return future.result(timeout=SLICE)
        except TimeoutError:
            if future.done():
                return future.result()
