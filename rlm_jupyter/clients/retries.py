"""Which calls are repeated, when, and for how long: one policy for every client that asks a server.

A refusal for overload (429) says nothing against the call: it is repeated as long as there is time. Anything else that
may pass is repeated a few times, with waits that outlast a server's restart. Where the server says when to come back,
it is taken at its word.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TypeVar

from rlm_jupyter.core.errors import ClientError
from rlm_jupyter.core.protocols import Attempts

from .throttle import PATIENCE, RestingError, Throttle

__all__ = ["MAX_RETRIES", "BrokenReplyError", "GarbledReplyError", "SilenceError", "persist"]

MAX_RETRIES = 6
"""How often a call is repeated for failures other than overload, unless it is said: for some 20 s in all."""

_FIRST_WAIT = 0.5  # seconds; the next wait is twice as long
_LEAST_WAIT = 0.02  # seconds, twice as many each time: a server that says "at once" may say it for ever
_LONGEST_WAIT = 8.0  # seconds, unless the server asks for more
_JITTER = 0.25  # of a wait: all who were refused at once are not to come back at once
_REFUSED = 429
_OVERLOADED = (_REFUSED, 503, 529)
_FAILED = 500
_SOME = 4  # for a server that is there and fails: it may do so however often it is asked
_FEW = 2  # for what lies in the request, or in an address where nobody has ever answered, and will hardly pass

Reply = TypeVar("Reply")


# What an attempt may say of its failure beyond ClientError; whoever asked sees that.


class SilenceError(ClientError):
    """The server took the request and sent nothing for as long as it was waited for."""


class BrokenReplyError(ClientError):
    """The server took the request, and the connection broke before the reply was complete."""


class GarbledReplyError(ClientError):
    """The server sent something that is not a reply, or a reply with nothing in it."""


_THERE = (GarbledReplyError, BrokenReplyError, SilenceError)
"""What only a server that is there can do."""


async def persist(
    attempt: Callable[[int], Awaitable[Reply]],
    throttle: Throttle,
    *,
    max_retries: int = MAX_RETRIES,
    deadline: float | None = None,
    attempts: Attempts | None = None,
) -> Reply:
    """Return what ``attempt`` returns, called again after failures that may pass, until there is no time or hope left.

    ``attempt`` is told how many requests went before, and raises ``ClientError`` whose ``retries`` count those and its
    own repeated ones. While it waits for its next turn, a call holds no place in flight. With ``max_retries=0`` nothing
    is repeated. Nothing is sent after ``deadline``, in seconds of ``time.monotonic()``: a wait that would pass it
    raises the failure at once. ``attempts`` is told what becomes of each request; what its ``failed`` raises ends the
    call.
    """
    patience, retries = _Patience(max_retries, deadline), 0
    while True:
        if attempts is not None:
            attempts.waits()
        patience.check_rest(throttle, retries)
        try:
            number = await throttle.enter()
        except RestingError:
            continue
        try:
            patience.check_time(retries)
            if attempts is not None:
                attempts.sends()
            reply = await attempt(retries)
        except ClientError as error:
            if error.status in _OVERLOADED and error.retryable:
                throttle.overloaded(number, _FIRST_WAIT if error.retry_after is None else error.retry_after)
            wait = patience.wait_after(error, throttle)
            throttle.answered |= error.status is not None or isinstance(error, _THERE)
            failure, due = error, time.monotonic() + wait
        else:
            throttle.succeeded()
            return reply
        finally:
            throttle.leave()
        retries = failure.retries + 1
        if attempts is not None:
            await attempts.failed(failure, wait)
        await asyncio.sleep(max(0.0, due - time.monotonic()))


class _Patience:
    """For how often and how long one call is repeated."""

    def __init__(self, max_retries: int, deadline: float | None) -> None:
        self._max_retries = max_retries
        self._deadline = deadline
        self._refused_since: float | None = None
        self._failures: Counter[str] = Counter()

    def check_rest(self, throttle: Throttle, retries: int) -> None:
        """Raise ``ClientError`` when nothing will be sent for longer than there is time."""
        rest = throttle.rest
        if self._deadline is None:
            is_hopeless, limit = throttle.is_hopeless, f"the {PATIENCE:g} s that it is waited for without max_timeout"
        else:
            is_hopeless, limit = rest > 0 and time.monotonic() + rest > self._deadline, "max_timeout leaves"
        if is_hopeless:
            msg = (
                f"The server is overloaded and asks to be left alone for {_told(rest)}: it has refused for longer than "
                f"{limit}. Raise max_timeout, lower max_concurrent_subcalls, or check the account's limits."
            )
            raise ClientError(msg, retryable=True, retries=max(0, retries - 1), retry_after=rest)

    def check_time(self, retries: int) -> None:
        """Raise ``ClientError`` when the deadline has passed while the call waited for its turn."""
        if self._deadline is not None and time.monotonic() > self._deadline:
            msg = "max_timeout was over before the request could be sent: raise it, or ask for less at once."
            raise ClientError(msg, retries=max(0, retries - 1))

    def wait_after(self, error: ClientError, throttle: Throttle) -> float:
        """Return for how many seconds to wait before the next request; raises the failure when there shall be none."""
        if not error.retryable or self._is_too_many(error, throttle.answered):
            raise _plain(error) from None
        wait, now = self._wait(error), time.monotonic()
        if self._deadline is not None:
            if now + wait > self._deadline:
                raise _plain(error, wait, "There is no time left for that within max_timeout.") from None
        elif wait > PATIENCE or (error.status == _REFUSED and self._has_refused_for_long(throttle, now, wait)):
            raise _plain(error, wait, f"Without max_timeout it is waited for {PATIENCE:g} s in all.") from None
        return wait

    def _has_refused_for_long(self, throttle: Throttle, now: float, wait: float) -> bool:
        """Return whether the server would have refused this call, or all who ask it, for too long."""
        self._refused_since = now if self._refused_since is None else self._refused_since
        return now + wait > self._refused_since + PATIENCE or throttle.bound.refuses_until(now + wait)

    def _wait(self, error: ClientError) -> float:
        doubled = 2.0 ** min(self._failures.total() - 1, 10)
        backoff, least = min(_LONGEST_WAIT, _FIRST_WAIT * doubled), min(_LONGEST_WAIT, _LEAST_WAIT * doubled)
        if error.retry_after is None:
            return backoff * random.uniform(1 - _JITTER, 1.0)
        return max(error.retry_after, least) + min(backoff, max(error.retry_after, least)) * random.uniform(
            0.0, _JITTER
        )

    def _is_too_many(self, error: ClientError, answered: bool) -> bool:
        """Count the failure, and return whether there were too many of its kind."""
        kind, most = self._kind(error, answered)
        self._failures[kind] += 1
        if not self._max_retries:
            return True
        counted = self._failures.total() - self._failures["refused"]
        return kind != "refused" and (self._failures[kind] > most or counted > self._max_retries)

    def _kind(self, error: ClientError, answered: bool) -> tuple[str, int]:
        if error.status == _REFUSED:
            return "refused", 0
        if isinstance(error, SilenceError):
            return "silent", _FEW
        if isinstance(error, GarbledReplyError):
            return "garbled", _FEW
        if error.status is None and not answered:
            return "never answered", _FEW
        if error.status == _FAILED or isinstance(error, BrokenReplyError):
            return "failed", _SOME
        return "other", self._max_retries


def _plain(error: ClientError, wait: float = 0.0, reason: str = "") -> ClientError:
    """Return the failure as whoever asked knows it, with what kept the call from being repeated."""
    if type(error) is ClientError and not reason:
        return error
    return ClientError(
        f"{error} The next request would be due in {_told(wait)}. {reason}" if reason else str(error),
        status=error.status,
        retryable=error.retryable,
        retries=error.retries,
        retry_after=error.retry_after,
        spent=error.spent,
        unsent=error.unsent,
    )


def _told(seconds: float) -> str:
    """Return a wait as a person says it: ``26 s``, ``14 min``, ``28 h``."""
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.3g} s"
