"""A run's scope: what is in flight belongs to it, and when it is cancelled nothing more begins."""

from __future__ import annotations

import asyncio
from concurrent.futures import CancelledError, Future, TimeoutError
from typing import Any, TypeVar

from .errors import CancellationError, RLMError

__all__ = ["CELL_FILE_PREFIX", "Scope"]

T = TypeVar("T")

CELL_FILE_PREFIX = "<rlm "
"""How the file names of model code begin."""

_SLICE = 0.05  # seconds; a wait without an end cannot be interrupted on every platform


class Scope:
    """Holds the futures of a run. Safe to use from any thread.

    ``failure`` is the limit's error when a limit ended it. ``running_code`` is true while model code runs, and
    ``closing`` while a run puts things back: the first lets an interrupt break into the code, the second keeps it out
    until all is in its place. ``pressed`` is true between a signal of the run's own and its handling; ``loop`` is the
    event loop of an asynchronous run.
    """

    def __init__(self) -> None:
        self._futures: set[Future[Any]] = set()
        self._reason: str | None = None
        self.failure: RLMError | None = None
        self.running_code = False
        self.closing = False
        self.pressed = False
        self.interrupted = False
        self.loop: asyncio.AbstractEventLoop | None = None

    @property
    def cancelled(self) -> bool:
        """Whether the scope has ended."""
        return self._reason is not None

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
        """End the scope: cancel what is in flight, refuse what comes. The first reason stands."""
        # No lock: a signal handler calls this, perhaps in the very thread that would hold it.
        if self._reason is None:
            self._reason, self.failure = reason, failure
        for future in tuple(self._futures):
            future.cancel()

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
            except CancelledError:
                self.check()
                raise
