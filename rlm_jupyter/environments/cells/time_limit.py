"""Ends a cell whose time is up: by an alarm on the main thread, a watchdog elsewhere, and cancelling what it awaits."""

from __future__ import annotations

import asyncio
import ctypes
import math
import signal
import threading
import time
import traceback
from collections.abc import Callable
from functools import cached_property
from types import FrameType
from typing import Any, ClassVar, Protocol

from rlm_jupyter.core.scope import CELL_FILE_PREFIX
from rlm_jupyter.core.thread_break import take_in

__all__ = ["TimeIsUp", "TimeLimit"]

_AGAIN = 0.2  # seconds between attempts on code that swallows the exception
_SOON = 1e-6  # seconds; a timer set to 0 never rings

# The one door that CPython has to another thread: it raises at the thread's next bytecode.
_raise_in: Any = ctypes.pythonapi.PyThreadState_SetAsyncExc


class TimeIsUp(BaseException):
    """Raised in a cell whose time is up. No ``Exception``: model code is not to take it for one of its own."""

    limit: ClassVar[TimeLimit]


class _Breaker(Protocol):
    """Breaks into code while it is armed."""

    def arm(self) -> None: ...
    def disarm(self) -> None: ...
    def close(self) -> None: ...


class TimeLimit:
    """The time that one cell may take, from now on, in seconds; None is no limit.

    ``with limit:`` stands around what may be broken into: model code, and none of ours that puts things back.
    ``wake`` makes the event loop that the cell waits on look at what happened. ``expired`` tells that time was up.
    """

    def __init__(self, seconds: float | None, wake: Callable[[], None]) -> None:
        self.expired = False
        self.due = math.inf if seconds is None else time.monotonic() + seconds
        self.wake = wake
        self._seconds = seconds
        self._breaker = None if seconds is None else _breaker(self)
        self._task: asyncio.Task[Any] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._cancels = 0

    def __enter__(self) -> None:
        """Let the limit break in."""
        if self._breaker is not None:
            self._breaker.arm()

    def __exit__(self, *exception: object) -> None:
        """Keep it out again."""
        if self._breaker is not None:
            self._breaker.disarm()

    def attend(self) -> None:
        """Also end what the current task awaits, by cancelling it."""
        if self._seconds is not None:
            self._task = asyncio.current_task()
            self._timer = asyncio.get_running_loop().call_later(self._seconds, self._cancel)

    def close(self) -> None:
        """Say that the cell is over. May be called twice."""
        if self._breaker is not None:
            self._breaker.close()
        if self._timer is not None:
            self._timer.cancel()

    def told(self, error: BaseException) -> BaseException:
        """Return what the task was told, where its cancellation is this limit's own; another's stands."""
        if not self._cancels or self._task is None or not isinstance(error, asyncio.CancelledError):
            return error
        cancels, self._cancels = self._cancels, 0
        if hasattr(self._task, "uncancel"):
            for _ in range(cancels):
                self._task.uncancel()
        cancelling = getattr(self._task, "cancelling", None)  # from Python 3.11 on, as uncancel
        if cancelling is not None and cancelling():
            return error
        return self.exception()

    def ended(self, raised: BaseException | None) -> TimeoutError | None:
        """Return the error of a cell that the limit ended, given what the cell raised; None where it did not.

        A cell that swallowed the signal, and came to its own end, has still taken longer than it may.
        """
        if not self.expired or (isinstance(raised, KeyboardInterrupt | TimeIsUp) and not self._stands_behind(raised)):
            return None
        msg = f"The cell took longer than the {self._seconds:g} s that it may take (cell_timeout) and was stopped."
        place = raised.__traceback__ if raised is not None else None
        in_cell = any(frame.f_code.co_filename.startswith(CELL_FILE_PREFIX) for frame, _ in traceback.walk_tb(place))
        return TimeoutError(msg).with_traceback(place if in_cell else None)

    def ring(self) -> None:
        """Note that time is up, and when to insist."""
        self.expired = True
        self.due = time.monotonic() + _AGAIN

    @cached_property
    def exception(self) -> type[TimeIsUp]:
        """What is raised in the cell: a class of this limit's own, because a thread can be told a class only."""
        return type(TimeIsUp.__name__, (TimeIsUp,), {"limit": self, "__module__": __name__})

    def _stands_behind(self, raised: BaseException) -> bool:
        """Tell whether it came of this limit: a run within the cell makes an interrupt of what breaks it off."""
        seen: set[int] = set()
        each: BaseException | None = raised
        while each is not None and id(each) not in seen:
            if isinstance(each, TimeIsUp) and each.limit is self:
                return True
            seen.add(id(each))
            each = each.__cause__ if each.__cause__ is not None else each.__context__
        return False

    def _cancel(self) -> None:
        self.ring()
        if self._task is not None and self._task.cancel():
            self._cancels += 1
        self._timer = asyncio.get_running_loop().call_later(_AGAIN, self._cancel)


def _breaker(limit: TimeLimit) -> _Breaker:
    on_main = threading.current_thread() is threading.main_thread()
    if on_main and hasattr(signal, "setitimer") and signal.getsignal(signal.SIGALRM) is not None:
        return _Alarm(limit)
    return _Watchdog(limit)


class _Alarm:
    """Breaks in by ``SIGALRM``, which also ends a call into C that waits."""

    def __init__(self, limit: TimeLimit) -> None:
        self._limit = limit

    def arm(self) -> None:
        _timer.add(self._limit)

    def disarm(self) -> None:
        _timer.remove(self._limit)

    close = disarm


class _Timer:
    """The process's one interval timer, for cells that run within one another, and for whoever had set it before."""

    def __init__(self) -> None:
        self._limits: list[TimeLimit] = []
        self._previous: Any = None
        self._others_due = math.inf
        self._others_interval = 0.0

    def add(self, limit: TimeLimit) -> None:
        if not self._limits:
            left, self._others_interval = signal.setitimer(signal.ITIMER_REAL, 0)
            self._others_due = time.monotonic() + left if left else math.inf
            self._previous = signal.signal(signal.SIGALRM, self._ring)
        self._limits.append(limit)
        self._wind()

    def remove(self, limit: TimeLimit) -> None:
        if limit not in self._limits:
            return
        self._limits.remove(limit)
        if self._limits:
            self._wind()
            return
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._previous)
        if self._others_due < math.inf:
            left = max(_SOON, self._others_due - time.monotonic())
            signal.setitimer(signal.ITIMER_REAL, left, self._others_interval)

    def _wind(self) -> None:
        others_due = self._others_due if callable(self._previous) else math.inf
        due = min(others_due, *(limit.due for limit in self._limits))
        signal.setitimer(signal.ITIMER_REAL, max(_SOON, due - time.monotonic()))

    def _ring(self, number: int, frame: FrameType | None) -> None:
        try:
            self._ring_for_others(number, frame)
        finally:
            late = [limit for limit in self._limits if limit.due <= time.monotonic()]
            for limit in late:
                limit.ring()
            if self._limits:
                self._wind()
        if late:
            raise late[0].exception()  # of those that run within one another, the outermost

    def _ring_for_others(self, number: int, frame: FrameType | None) -> None:
        if self._others_due > time.monotonic() or not callable(self._previous):
            return
        self._others_due = time.monotonic() + self._others_interval if self._others_interval else math.inf
        self._previous(number, frame)


class _Watchdog:
    """Breaks in from another thread. A call into C (``time.sleep``) keeps the exception out until it returns."""

    def __init__(self, limit: TimeLimit) -> None:
        self._limit = limit
        self._cell_thread = threading.get_ident()
        self._lock = threading.Lock()
        self._armed = False
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="rlm-jupyter-cell-timeout", daemon=True)
        self._thread.start()

    def arm(self) -> None:
        self._armed = True

    def disarm(self) -> None:
        while self._armed:
            try:
                with self._lock:
                    self._armed = False
            except TimeIsUp:  # it arrived here
                continue
        if self._limit.expired:
            take_in(TimeIsUp)

    def close(self) -> None:
        self.disarm()
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(max(0.0, self._limit.due - time.monotonic())):
            self._limit.ring()
            with self._lock:
                if self._armed:
                    _raise_in(ctypes.c_ulong(self._cell_thread), ctypes.py_object(self._limit.exception))
            self._limit.wake()


_timer = _Timer()
