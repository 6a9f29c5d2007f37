"""How many requests one server is sent at a time: fewer while it says that it is overloaded, more once it is not.

As TCP does it: what is in flight is halved when the server is overloaded, grows quickly back to where that happened,
and slowly beyond. All the clients of a process that ask the same server with the same key share one throttle.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections import deque
from weakref import WeakValueDictionary

__all__ = ["PATIENCE", "Bound", "RestingError", "Throttle", "throttle_for"]

PATIENCE = 120.0
"""Seconds for which a server that refuses everything is asked again, by all calls together, without a deadline."""

_FULL_ROUND = 2  # refusals in a row, at least, before nothing more is sent for a while


class RestingError(Exception):
    """Whoever waits for a turn may not want to any more: the server is to be left alone for long."""


class Bound:
    """The arithmetic: how many requests may be in flight, by what became of those that were. It keeps no time itself.

    There is no bound until the server is overloaded for the first time; then it is never below 1. A server that refuses
    all that was in flight is left alone until ``resting_until``, in seconds of whatever clock the caller has.
    """

    def __init__(self) -> None:
        self.limit = math.inf
        self.in_flight = 0
        self.resting_until = 0.0
        self._overloaded_at = math.inf
        self._sent = 0
        self._first_since_halving = 1
        self._refused_in_a_row = 0
        self._refusing_since = self._refused_at = -math.inf

    def admits(self, now: float) -> bool:
        """Return whether one more request may be sent."""
        return self.in_flight < self.limit and now >= self.resting_until

    def sent(self) -> int:
        """Take note of a request that is sent, and return its number, counted from 1."""
        self.in_flight += 1
        self._sent += 1
        return self._sent

    def gone(self) -> None:
        """Take note that a request is no longer in flight, whatever became of it."""
        self.in_flight -= 1

    def succeeded(self) -> None:
        """Grow by one until where the server was overloaded last, beyond it by one in a whole round."""
        self._refused_in_a_row = 0
        self._refused_at = -math.inf
        self.limit += 1 if self.limit < self._overloaded_at else 1 / self.limit

    def overloaded(self, number: int, until: float) -> None:
        """Halve what is in flight, but once a round: requests that were sent before the last halving say nothing new.

        Call it before ``gone``. The server rests ``until`` then when it refuses whatever it is sent.
        """
        self._refused_in_a_row += 1
        if number >= self._first_since_halving:
            self._overloaded_at = min(self.limit, self.in_flight)
            self.limit = max(1.0, self._overloaded_at / 2)
            self._first_since_halving = self._sent + 1
        if self._refused_in_a_row >= max(_FULL_ROUND, self.limit):
            self.rest(until)

    def refused(self, now: float) -> None:
        """Take note of when a request was refused."""
        if now - self._refused_at > PATIENCE:  # after a reply, or when nobody had asked for long
            self._refusing_since = now
        self._refused_at = now

    def refuses_until(self, until: float) -> bool:
        """Return whether the server, if it is left alone until then, has refused everything for too long."""
        return self._refused_at > -math.inf and until > self._refusing_since + PATIENCE

    def rest(self, until: float) -> None:
        """Admit nothing until then."""
        self.resting_until = max(self.resting_until, until)


class Throttle:
    """Lets requests go in the order in which they came, as the bound admits them.

    ``answered`` is whether the server has ever answered at all. Use it on one event loop.
    """

    def __init__(self) -> None:
        self.answered = False
        self.bound = Bound()
        self._waiting: deque[asyncio.Future[int]] = deque()
        self._alarm: asyncio.TimerHandle | None = None

    @property
    def rest(self) -> float:
        """For how many seconds nothing will be sent."""
        return max(0.0, self.bound.resting_until - time.monotonic())

    @property
    def is_hopeless(self) -> bool:
        """Whether nothing will be sent for longer than one waits without a deadline."""
        rest = self.rest
        return rest > PATIENCE or (rest > 0 and self.bound.refuses_until(time.monotonic()))

    async def enter(self) -> int:
        """Return the number of the request once it may be sent; ``leave`` must follow.

        Raises ``RestingError`` when that comes to be hopeless; with a deadline one may enter again.
        """
        if not self._waiting and self.bound.admits(time.monotonic()):
            return self.bound.sent()
        admitted: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append(admitted)
        self._set_alarm()
        try:
            return await admitted
        except asyncio.CancelledError:
            if admitted.done() and not admitted.cancelled():
                if admitted.exception() is None:
                    self.leave()
            else:
                with contextlib.suppress(ValueError):
                    self._waiting.remove(admitted)
            raise

    def leave(self) -> None:
        """Give the place to the next, after what became of the request was told."""
        self.bound.gone()
        self._admit()

    def succeeded(self) -> None:
        """Take note of a reply."""
        self.answered = True
        self.bound.succeeded()

    def overloaded(self, number: int, wait: float) -> None:
        """Take note that the server refused a request because it has too many, and asks to wait so many seconds."""
        self.answered = True
        now = time.monotonic()
        self.bound.overloaded(number, now + wait)
        self.bound.refused(now)
        if self.is_hopeless:
            waiting, self._waiting = self._waiting, deque()
            for admitted in waiting:
                if not admitted.done():
                    admitted.set_exception(RestingError())

    def pause(self, seconds: float) -> None:
        """Send nothing for so long."""
        self.bound.rest(time.monotonic() + seconds)

    def _admit(self) -> None:
        while self._waiting and self.bound.admits(time.monotonic()):
            admitted = self._waiting.popleft()
            if not admitted.done():
                admitted.set_result(self.bound.sent())
        self._set_alarm()

    def _set_alarm(self) -> None:
        """Have the first of those who wait looked after at the end of a rest: no reply may come that would do it."""
        # The rest may have ended since it was looked at: then the alarm is due at once.
        if self._waiting and self._alarm is None and self.bound.in_flight < self.bound.limit:
            self._alarm = asyncio.get_running_loop().call_later(self.rest, self._wake)

    def _wake(self) -> None:
        self._alarm = None
        self._admit()


_shared: WeakValueDictionary[tuple[int, str, str], Throttle] = WeakValueDictionary()


def throttle_for(url: str, key: str) -> Throttle:
    """Return the throttle of a server and a key, shared by all who ask on the running loop while they keep it."""
    loop = asyncio.get_running_loop()
    place = (id(loop), url, key)
    throttle = _shared.get(place)
    if throttle is None:
        throttle = _shared[place] = Throttle()
    return throttle
