"""How much of a run a notebook or a page holds: the text of a run of 100,000 sub-calls would fill gigabytes."""

from __future__ import annotations

import math

__all__ = ["ENDLESS", "Room"]


class Room:
    """Room for so many characters, which what is told of a run takes up until there is none left.

    Once something did not fit, nothing more does: what is left out is then one stretch at the end, and not a lottery.
    """

    def __init__(self, characters: float) -> None:
        self._left = characters

    @property
    def full(self) -> bool:
        """Whether there is no room left."""
        return self._left <= 0

    def take(self, size: int) -> bool:
        """Take up room for so many characters, and return whether there was enough."""
        fits = size <= self._left
        self._left = self._left - size if fits else 0
        return fits


ENDLESS = Room(math.inf)
"""Room for everything."""
