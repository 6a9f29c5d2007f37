"""A run's scope: what is in flight belongs to it, and when it is cancelled nothing more begins."""

from __future__ import annotations

import _thread
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future, TimeoutError
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

from .errors import CancellationError, RLMError, TimeoutExceededError

__all__ = ["CELL_FILE_PREFIX", "Scope", "interruptible", "time_limited"]

T = TypeVar("T")

CELL_FILE_PREFIX = "<rlm "
"""How the file names of model code begin, in tracebacks and on the stack."""

_AGAIN = 0.2  # seconds between interrupts of model code that swallows them
_SLICE = 0.05  # seconds; a wait without an end cannot be interrupted on every platform


class Scope:
    """Holds the futures of a run. Safe to use from any thread.

    ``failure`` is the limit's error when a limit ended it. ``running_code`` is true while model code runs, and
    ``closing`` while a run puts things back: the first lets an interrupt break into the code, the second keeps it out
    until all is in its place.
    """

    def __init__(self) -> None:
        self._futures: set[Future[Any]] = set()
        self._reason: str | None = None
        self.failure: RLMError | None = None
        self.running_code = False
        self.closing = False

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

    def cancel(self, reason: str, failure: RLMError | None = None) -> None:
        """End the scope: cancel what is in flight, refuse what comes. The first reason stands."""
        # No lock: a signal handler calls this, perhaps in the very thread that would hold it.
        if self._reason is None:
            self._reason, self.failure = reason, failure
        for future in tuple(self._futures):
            future.cancel()

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


@contextmanager
def time_limited(scope: Scope, seconds: float | None) -> Iterator[None]:
    """End the scope after so many seconds, also in the middle of model code.

    Model code on the main thread is interrupted as Ctrl-C would, again and again while it catches that and goes on;
    elsewhere it is let run, and can send nothing more.
    """
    if seconds is None:
        yield
        return
    on_main_thread = threading.current_thread() is threading.main_thread()
    over = threading.Event()

    def watch() -> None:
        if over.wait(min(seconds, threading.TIMEOUT_MAX)):
            return
        msg = f"The run has taken the {seconds:g} s that it may take. Raise max_timeout (--timeout) to give it more."
        scope.cancel("its time is up", TimeoutExceededError(msg))
        while on_main_thread:
            if scope.running_code:
                _interrupt_main_thread()
            if over.wait(_AGAIN):
                return

    watcher = threading.Thread(target=watch, name="rlm-jupyter-time-limit", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def _interrupt_main_thread() -> None:
    if hasattr(signal, "pthread_kill"):  # wakes a sleeping main thread as well
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    else:
        _thread.interrupt_main()


@contextmanager
def interruptible(scope: Scope) -> Iterator[None]:
    """Let Ctrl-C and the stop button end the scope, also where model code swallows ``KeyboardInterrupt``.

    Signals reach the main thread only; elsewhere, and where the program ignores them, this does nothing. The previous
    handler comes back afterwards.
    """
    previous = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or previous in (None, signal.SIG_IGN):
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        scope.cancel("interrupted")
        if scope.closing:
            return
        if callable(previous):
            previous(number, frame)
        # While an asynchronous run awaits, what a signal breaks into is the kernel's own event loop: that must go on.
        if not callable(previous) or (scope.running_code and _in_model_code(frame)):
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)


def _in_model_code(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith(CELL_FILE_PREFIX):
            return True
        frame = frame.f_back
    return False
