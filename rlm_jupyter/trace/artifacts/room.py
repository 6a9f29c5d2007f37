"""How much of a run a notebook or a page holds: the text of a run of 100,000 sub-calls would fill gigabytes."""

from __future__ import annotations

import math

from rlm_jupyter.trace.trace import Trace

__all__ = ["ENDLESS", "EXPORT_LIMIT", "Room", "text_room"]

EXPORT_LIMIT = 64_000_000
"""Characters of the texts that an export may say more than once: one that is named again and again fills no disk."""


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


def text_room(trace: Trace) -> Room:
    """Return room for the texts of an export: for each that is in the trace several times over, and not endlessly."""
    return Room(EXPORT_LIMIT + 4 * sum(len(blob.text) for blob in trace.blobs.values()))
