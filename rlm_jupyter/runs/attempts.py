"""The requests that one model call takes: what became of each, what it may have cost, and what is waited for."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from rlm_jupyter.core.errors import ClientError, ConfigurationError
from rlm_jupyter.core.usage import Usage

__all__ = ["Attempts", "OnWait", "is_refusal"]

OnWait: TypeAlias = Callable[[object, str, float], None]
"""Told which call waits, why, and for how many seconds, before it is sent again; 0 seconds: it waits no more."""

_WHAT_HAPPENED = re.compile(r"(?: \(after \d+ retr\w+\))?(?:: |\. |, \d+ characters into it|$)")
"""Where a failure's message goes on to tell how often it was tried, the server's own words, and advice."""


@dataclass(slots=True, eq=False)
class Attempts:
    """One call's requests, as its client tells of them (``core.protocols.Attempts``). Used on the I/O thread.

    ``role`` tells root calls from sub-calls, whose prices differ. Of the requests that gave no reply and were followed
    by another, ``spent`` is what the server said of them, and ``lost`` counts those of which it did not say a price:
    any of them may have been charged. A client that tells nothing sends one request.
    ``repeat`` is called before another request is waited for; ``on_wait`` is told of the wait.
    """

    role: str
    lost: int = 0
    spent: Usage = field(default_factory=Usage)
    under_way: bool = False
    repeat: Callable[[ClientError], Awaitable[None]] | None = None
    on_wait: OnWait | None = None
    _ended: int = 0
    _told: bool = field(default=False, init=False)

    def waits(self) -> None:
        """Take note that no request of the call is under way."""
        self.under_way = False

    def sends(self) -> None:
        """Take note that a request goes out."""
        self.over()
        self.under_way = True

    async def failed(self, error: ClientError, wait: float) -> None:
        """Take note that a request failed, and that another is to go out in ``wait`` seconds.

        Returns once there is money for it; raises the limit's error when there is none.
        """
        self.under_way, self._ended = False, error.retries + 1
        if not error.refused:
            spent = error.spent or Usage()
            self.lost, self.spent = self.lost + (spent.cost is None), self.spent.plus(spent)
        if self.on_wait is not None:
            self._told = True
            self.on_wait(self, _what_happened(error), wait)
        if self.repeat is not None:
            await self.repeat(error)

    def over(self) -> None:
        """Take note that the call waits no more."""
        if self._told and self.on_wait is not None:
            self._told = False
            self.on_wait(self, "", 0.0)

    def retries(self, error: BaseException | None) -> int:
        """Return how many requests a call that failed has sent after its first."""
        return error.retries if isinstance(error, ClientError) else max(0, self._ended + self.under_way - 1)

    def usage(self, error: BaseException | None) -> Usage:
        """Return what the last request of a call that failed has cost.

        That is nothing when it was refused or no request was under way; of one that was broken off, what the server
        said by then.
        """
        if not self.under_way or is_refusal(error):
            return Usage(cost=0.0)
        return (error.spent if isinstance(error, ClientError) else None) or Usage()

    def total(self, last: Usage) -> tuple[Usage, int]:
        """Return what all requests took, by what the last one did, and how many beside one are of unknown price."""
        if last.cost is None and self.spent.cost is not None:
            return self.spent.plus(last), self.lost + 1
        return self.spent.plus(last), self.lost


def _what_happened(error: ClientError) -> str:
    """Return the beginning of a failure's message: ``api.example.org answered 429``."""
    return _WHAT_HAPPENED.split(str(error), maxsplit=1)[0]


def is_refusal(error: BaseException | None) -> bool:
    """Return whether a call that failed was certainly not worked on, here or at the server."""
    return isinstance(error, ConfigurationError) or (isinstance(error, ClientError) and error.refused)
