"""Feels how late the server's event loop is: what it does for one keeps all others waiting."""

from __future__ import annotations

import asyncio
from collections import deque

__all__ = ["Pulse"]

_BEAT = 0.1
"""Seconds from one look to the next."""

_REMEMBERED = 600
"""Looks: a minute."""


class Pulse:
    """Looks ten times a second whether the loop comes in time. Belongs to that loop."""

    def __init__(self) -> None:
        self._late: deque[float] = deque(maxlen=_REMEMBERED)
        self._next: asyncio.TimerHandle | None = None

    @property
    def worst(self) -> float:
        """By how many seconds the loop was late at most, in the last minute."""
        return max(self._late, default=0.0)

    def start(self) -> None:
        """Begin to look."""
        loop = asyncio.get_running_loop()
        due = loop.time() + _BEAT
        self._next = loop.call_at(due, self._look, loop, due)

    def stop(self) -> None:
        """Look no more."""
        if self._next is not None:
            self._next.cancel()

    def _look(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        self._late.append(max(0.0, loop.time() - due))
        self.start()
