"""How much of something may come: so much a second, and so much at once after a pause."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["Rate"]


class Rate:
    """Lets ``per_second`` through, and ``burst`` at once; for one thread."""

    def __init__(self, per_second: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._burst = burst
        self._clock = clock
        self._left = burst
        self._at = clock()

    def admit(self, amount: float = 1.0) -> bool:
        """Say whether so much may come now; what may not is not charged for."""
        now = self._clock()
        self._left = min(self._burst, self._left + (now - self._at) * self._per_second)
        self._at = now
        if amount > self._left:
            return False
        self._left -= amount
        return True
