"""What model calls took, as a span's columns and a run's sums have it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rlm_jupyter.trace.schema import ModelCallEnd, SubcallEnd

__all__ = ["Spent"]

_COUNT_LIMIT = 10**11
"""Beyond that a number of tokens is nonsense, and sums of such numbers would leave what SQLite can add."""


@dataclass(slots=True)
class Spent:
    """Calls, repeated ones included, tokens and US dollars. ``known`` says which of them a server told."""

    calls: int = 0
    unpriced_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float = 0.0
    known: tuple[bool, bool, bool] = (False, False, False)

    @classmethod
    def by(cls, end: ModelCallEnd | SubcallEnd) -> Spent:
        """Return what one call took; what cannot be true is not known.

        A reply from a recording took nothing: what is said of it was paid for when it was recorded.
        """
        if end.cached:
            return cls()
        sent, received, cost = _count(end.usage.input_tokens), _count(end.usage.output_tokens), _price(end.usage.cost)
        return cls(
            calls=1 + (_count(end.retries) or 0),
            unpriced_calls=int(cost is None) + (_count(end.lost) or 0),
            input_tokens=sent or 0,
            output_tokens=received or 0,
            cost=cost or 0.0,
            known=(sent is not None, received is not None, cost is not None),
        )

    def add(self, other: Spent) -> None:
        """Add what other calls took."""
        self.calls += other.calls
        self.unpriced_calls += other.unpriced_calls
        self.input_tokens += other.input_tokens
        self.output_tokens += other.output_tokens
        self.cost += other.cost

    def columns(self) -> tuple[int | None, int | None, int | None, float | None]:
        """Return a span's columns: calls, tokens sent and received, cost; None for what nobody said."""
        sent, received, priced = self.known
        return (
            self.calls or None,
            self.input_tokens if sent else None,
            self.output_tokens if received else None,
            self.cost if priced else None,
        )


def _count(count: int | None) -> int | None:
    return count if count is not None and 0 <= count < _COUNT_LIMIT else None


def _price(cost: float | None) -> float | None:
    return cost if cost is not None and math.isfinite(cost) and 0 <= cost < _COUNT_LIMIT else None
