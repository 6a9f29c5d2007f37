"""An event loop of our own for cells that await while a synchronous caller waits."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Collection, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from rlm_jupyter.core.interrupts import model_code

from .time_limit import TimeIsUp, TimeLimit
from .traceback_text import traceback_text

__all__ = ["PrivateLoop", "no_running_loop"]

_PATIENCE = 1.0  # seconds that cancelled tasks have to clean up


class PrivateLoop:
    """Runs awaitables in the calling thread, also where that thread's own event loop is running.

    A magic is called from inside the kernel's running loop, and model code has to stay on the main thread. So the
    running loop is laid aside for as long as this one runs. ``report`` is told of what failed with nobody awaiting it.
    """

    def __init__(self, report: Callable[[str], None]) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._report = report

    def run(self, coroutine: Coroutine[Any, Any, Any], limit: TimeLimit) -> Any:
        """Return the coroutine's result. An interrupt, or the limit, cancels it, lets it clean up, and is raised."""
        loop = self._opened()
        with no_running_loop():
            task = loop.create_task(coroutine)
            try:
                with limit, model_code():
                    return loop.run_until_complete(task)
            except (KeyboardInterrupt, SystemExit, TimeIsUp):
                task.cancel()  # the loop was broken off, by whichever callback
                # When they come between the task's end and the stop that it asked for, that would stop the next run.
                loop.stop()
                loop.run_forever()
                loop.run_until_complete(_settled([task]))  # or it goes on when something next awaits
                raise

    def wake(self) -> None:
        """Make the loop look at what happened, from any thread."""
        loop = self._loop
        if loop is not None:
            with suppress(RuntimeError):  # it was closed just now
                loop.call_soon_threadsafe(lambda: None)

    @contextmanager
    def entered(self, *, awaits: bool) -> Iterator[None]:
        """Let code that does not itself await schedule tasks here; they go on when something next awaits.

        ``awaits`` tells whether the rest of its cell does. Where nothing does, and no loop is running outside, none is
        made out to be: then ``asyncio.run`` works, as it does in a script.
        """
        if not awaits and asyncio._get_running_loop() is None:
            yield
            return
        with no_running_loop():
            asyncio._set_running_loop(self._opened())
            try:
                yield
            finally:
                asyncio._set_running_loop(None)

    def close(self) -> list[str]:
        """Cancel what is left on the loop and close it. May be called twice.

        Returns the names of what took no cancellation, which is waited for no longer than a second or two and then
        dropped where it stands.
        """
        loop, self._loop = self._loop, None
        if loop is None:
            return []
        with no_running_loop():
            left = asyncio.all_tasks(loop)
            for task in left:
                task.cancel()
            loop.run_until_complete(_settled(left))
            generators = loop.create_task(loop.shutdown_asyncgens())
            loop.run_until_complete(_settled([generators]))
            loop.close()
        stubborn = {getattr(task.get_coro(), "__qualname__", "a task") for task in left if not task.done()}
        return sorted(stubborn if generators.done() else {*stubborn, "an asynchronous generator"})

    def _opened(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._loop.set_exception_handler(self._tell)
        return self._loop

    def _tell(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        # asyncio would log it, some time later, into whatever cell is running then: the user's perhaps.
        error = context.get("exception")
        if not isinstance(error, KeyboardInterrupt | SystemExit):  # these broke off a cell, which has told of them
            self._report(f"{context['message']}\n{traceback_text(error) if error is not None else ''}")


async def _settled(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Wait for the end of the tasks, and not for ever: one that catches its cancellation may never end."""
    if tasks:
        done, _ = await asyncio.wait(tasks, timeout=_PATIENCE)
        for task in done:
            if not task.cancelled():
                task.exception()  # looked at, so that asyncio does not tell of it


@contextmanager
def no_running_loop() -> Iterator[None]:
    """Lay the thread's running event loop aside, so that another one can run meanwhile."""
    outer = asyncio._get_running_loop()
    if outer is None:
        yield
        return
    # From 3.14 on the current task belongs to the thread, not to its loop, and is laid aside with it.
    swap = getattr(asyncio.tasks, "_swap_current_task", None) if sys.version_info >= (3, 14) else None
    task = swap(outer, None) if swap is not None else None
    asyncio._set_running_loop(None)
    try:
        yield
    finally:
        asyncio._set_running_loop(outer)
        if swap is not None:
            swap(outer, task)
