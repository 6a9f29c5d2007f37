"""An event loop of our own for cells that await while a synchronous caller waits."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["PrivateLoop"]


class PrivateLoop:
    """Runs awaitables in the calling thread, also where that thread's own event loop is running.

    A magic is called from inside the kernel's running loop, and model code has to stay on the main thread. So the
    running loop is laid aside for as long as this one runs.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None

    def run(self, awaitable: Awaitable[Any]) -> Any:
        """Return the awaitable's result. An interrupt cancels it, lets it clean up, and is raised."""
        loop = self._opened()
        with _no_running_loop():
            task = loop.create_task(_as_coroutine(awaitable))
            try:
                return loop.run_until_complete(task)
            except BaseException:
                if not task.done():
                    task.cancel()
                    loop.run_until_complete(_settled([task]))
                raise

    @contextmanager
    def entered(self, *, awaits: bool) -> Iterator[None]:
        """Let code that does not itself await schedule tasks here; they go on when something next awaits.

        ``awaits`` tells whether the rest of its cell does. Where nothing does, and no loop is running outside, none is
        made out to be: then ``asyncio.run`` works, as it does in a script.
        """
        if not awaits and asyncio._get_running_loop() is None:
            yield
            return
        with _no_running_loop():
            asyncio._set_running_loop(self._opened())
            try:
                yield
            finally:
                asyncio._set_running_loop(None)

    def close(self) -> None:
        """Cancel what is left on the loop and close it. May be called twice."""
        loop, self._loop = self._loop, None
        if loop is None:
            return
        with _no_running_loop():
            left = asyncio.all_tasks(loop)
            for task in left:
                task.cancel()
            loop.run_until_complete(_settled(left))
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()

    def _opened(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
        return self._loop


async def _settled(tasks: Iterable[asyncio.Task[Any]]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)


async def _as_coroutine(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


@contextmanager
def _no_running_loop() -> Iterator[None]:
    outer = asyncio._get_running_loop()
    if outer is None:
        yield
        return
    # From 3.14 on the current task belongs to the thread, not to its loop, and is laid aside with it.
    swap = getattr(asyncio.tasks, "_swap_current_task", None) if sys.version_info >= (3, 12) else None
    task = swap(outer, None) if swap is not None else None
    asyncio._set_running_loop(None)
    try:
        yield
    finally:
        asyncio._set_running_loop(outer)
        if swap is not None:
            swap(outer, task)
