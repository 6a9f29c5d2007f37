"""A run's scope: what is in flight belongs to it, and when it is cancelled nothing more begins."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future, TimeoutError
from typing import Any, TypeVar

from .errors import CancellationError, RLMError

__all__ = ["CELL_FILE_PREFIX", "Scope"]

T = TypeVar("T")

CELL_FILE_PREFIX = "<rlm "
"""How the file names of model code begin."""

_SLICE = 0.05  # seconds; a wait without an end cannot be interrupted on every platform


class Scope:
    """Holds the futures of a run, and the scopes of its child runs. Safe to use from any thread.

    ``failure`` is the limit's error when a limit ended it. ``running_code`` is true while model code runs, and
    ``closing`` while a run puts things back: the first lets an interrupt break into the code, the second keeps it out
    until all is in its place. ``pressed`` is true between a signal of the run's own and its handling; ``loop`` is the
    event loop of an asynchronous run, ``owner`` the identifier of the run's thread, and ``thread`` the same where no
    signal reaches it.
    """

    def __init__(self, parent: Scope | None = None) -> None:
        self._futures: set[Future[Any]] = set()
        self._parent = parent
        self._children: set[Scope] = set()
        self._reason: str | None = None
        self.failure: RLMError | None = None
        self.running_code = False
        self.closing = False
        self.pressed = False
        self.interrupted = False
        self.loop: asyncio.AbstractEventLoop | None = None
        self.owner: int | None = None
        self.thread: int | None = None
        self.breaking = threading.Lock()
        """Held while code is broken into, and while that it runs is set or taken back, in a thread without signals."""

    @property
    def cancelled(self) -> bool:
        """Whether the scope has ended."""
        return self._reason is not None

    def child(self) -> Scope:
        """Return the scope of a child run: it ends with this one, and may end before it."""
        child = Scope(self)
        self._children.add(child)
        if self._reason is not None:
            child.cancel(self._reason)
        return child

    def leave(self) -> None:
        """Say that the child run is over."""
        if self._parent is not None:
            self._parent._children.discard(self)  # noqa: SLF001

    def walk(self) -> Iterator[Scope]:
        """Yield this scope and those of the runs below it."""
        yield self
        for child in tuple(self._children):
            yield from child.walk()

    def check(self) -> None:
        """Raise ``CancellationError``, or the limit's own error, once the scope has ended."""
        if self.failure is not None:
            raise self.failure
        if self._reason is not None:
            msg = f"The run has ended ({self._reason}): no further model call is made."
            raise CancellationError(msg)

    def interrupt(self) -> None:
        """End the scope because the user said so; ``interrupted`` tells of it also when the scope had ended by then."""
        self.interrupted = True
        self.cancel("interrupted")

    def cancel(self, reason: str, failure: RLMError | None = None) -> None:
        """End the scope and those below it: cancel what is in flight, refuse what comes. The first reason stands."""
        # No lock: a signal handler calls this, perhaps in the very thread that would hold it.
        if self._reason is None:
            self._reason, self.failure = reason, failure
        for future in tuple(self._futures):
            future.cancel()
        for child in tuple(self._children):
            child.cancel(reason)  # the failure is this run's; a child that was cut off by it has not failed itself

    def wake(self) -> None:
        """Make an asynchronous run's event loop look at what was cancelled."""
        if self.loop is not None and not self.loop.is_closed():
            self.loop.call_soon_threadsafe(lambda: None)

    def adopt(self, future: Future[T]) -> Future[T]:
        """Make the future one of this scope's; it is cancelled at once when the scope has ended."""
        self._futures.add(future)
        future.add_done_callback(self._futures.discard)
        if self.cancelled:
            future.cancel()
        return future

    def wait(self, future: Future[T]) -> T:
        """Return the future's result, staying open to interrupts.

        Raises what the future raises, and ``CancellationError`` when the scope ended meanwhile.
        """
        while True:
            try:
                return future.result(timeout=_SLICE)
            except TimeoutError:
                if future.done():
                    return future.result()
                if self.cancelled and future.running():  # a thread's work, which cannot be cancelled, ends by itself
                    self.check()
            except CancelledError:
                self.check()
                raise
            except BaseException:  # the wait was broken off: by an interrupt, or because the cell's time is up
                future.cancel()
                raise

    async def await_(self, future: Future[T]) -> T:
        """Return the future's result, on whichever event loop; a cancellation of the awaiting task cancels it.

        Raises what the future raises, and ``CancellationError`` when the scope ended meanwhile.
        """
        # Not asyncio.wrap_future: there the end of the scope would look like a cancellation of the awaiting task.
        loop = asyncio.get_running_loop()
        done = loop.create_future()

        def wake() -> None:
            if not done.done():
                done.set_result(None)

        def tell(_: Future[T]) -> None:
            with contextlib.suppress(RuntimeError):  # the loop was closed, and nobody awaits there any more
                loop.call_soon_threadsafe(wake)

        future.add_done_callback(tell)
        try:
            await done
        except asyncio.CancelledError:
            future.cancel()
            raise
        if future.cancelled():
            self.check()
            msg = "This call was cancelled."
            raise CancellationError(msg)
        return future.result()
