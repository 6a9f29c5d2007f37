"""What the events of one file may take of memory, in whatever form they stand in it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from rlm_jupyter.trace.schema import Blob, Event, SpanText

__all__ = ["EVENTS_LIMIT", "Allowance"]

EVENTS_LIMIT = 1_000_000
"""Events of a file, each of which takes about 2 kB."""

_SHARE = 4
"""Items of lists and dicts in an event that take as much as one event more."""


class Allowance:
    """Counts bytes and events, of logs and recordings alike. Raises ``ValueError`` at what is too much."""

    def __init__(self, unpacked: int, events: int = EVENTS_LIMIT) -> None:
        self.unpacked = unpacked
        """Bytes that may still come."""
        self._most = unpacked
        self._events = self._left = events

    def take_bytes(self, size: int) -> None:
        """Count so many bytes as they are once they are unpacked."""
        self.unpacked -= size
        if self.unpacked < 0:
            msg = f"more than {self._most:,} bytes once it is unpacked"
            raise ValueError(msg)

    def take(self, event: Event) -> None:
        """Count an event, and one with long lists as several."""
        self._left -= 1 if isinstance(event, Blob | SpanText) else 1 + _items(event.payload) // _SHARE
        if self._left < 0:
            msg = f"more than {self._events:,} events"
            raise ValueError(msg)


def _items(payload: BaseModel) -> int:
    """Return how many items the lists and dicts of a payload have."""
    items = 0
    pending: list[Any] = [payload]
    while pending:
        each = pending.pop()
        if isinstance(each, BaseModel):
            within = list(each.__dict__.values())
        else:
            items += len(each)
            within = list(each.values()) if isinstance(each, dict) else each
        pending.extend(one for one in within if isinstance(one, BaseModel | list | dict))
    return items
