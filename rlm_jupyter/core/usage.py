"""Tokens, calls and money, counted as the server was asked for them."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

__all__ = ["ModelUsageSummary", "Usage", "UsageSummary"]


@dataclass(frozen=True, slots=True)
class Usage:
    """What one model call took, in tokens and US dollars. None means that nobody said."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_input_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost: float | None = None

    def plus(self, other: Usage) -> Usage:
        """Return both taken together, as far as anybody said."""
        return Usage(*(_sum(getattr(self, each.name), getattr(other, each.name)) for each in fields(self)))


def _sum(one: Any, other: Any) -> Any:
    return one if other is None else other if one is None else one + other


@dataclass(slots=True)
class ModelUsageSummary:
    """The calls to one model, added up. ``total_cost`` is in US dollars, of the calls whose price is known.

    ``total_calls`` counts requests, those that a client repeated included, ``unpriced_calls`` those of unknown price.
    Of the tokens, those in include ``total_cached_input_tokens``, and those out ``total_reasoning_tokens``.
    ``cached_calls`` are replies from a recording, for which no server was asked: nothing else counts them.
    """

    total_calls: int = 0
    total_input_tokens: int = 0
    total_output_tokens: int = 0
    total_cost: float | None = None
    unpriced_calls: int = 0
    total_cached_input_tokens: int = 0
    total_reasoning_tokens: int = 0
    cached_calls: int = 0

    def add(self, usage: Usage, retries: int = 0, *, cached: bool = False, lost: int = 0) -> None:
        """Count one more call, which was repeated so many times, or a reply from a recording (``cached``).

        ``lost`` are those of its requests before the last that gave no reply, and may have been charged.
        """
        if cached:
            self.cached_calls += 1
            self.total_cost = self.total_cost or 0.0  # it was paid for before
            return
        self.total_calls += 1 + retries
        self.unpriced_calls += lost
        self.total_input_tokens += usage.input_tokens or 0
        self.total_output_tokens += usage.output_tokens or 0
        self.total_cached_input_tokens += usage.cached_input_tokens or 0
        self.total_reasoning_tokens += usage.reasoning_tokens or 0
        if usage.cost is None:
            self.unpriced_calls += 1
        else:
            self.total_cost = (self.total_cost or 0.0) + usage.cost

    def include(self, other: ModelUsageSummary) -> None:
        """Count the calls of another summary too."""
        self.total_calls += other.total_calls
        self.total_input_tokens += other.total_input_tokens
        self.total_output_tokens += other.total_output_tokens
        self.total_cached_input_tokens += other.total_cached_input_tokens
        self.total_reasoning_tokens += other.total_reasoning_tokens
        self.unpriced_calls += other.unpriced_calls
        self.cached_calls += other.cached_calls
        if other.total_cost is not None:
            self.total_cost = (self.total_cost or 0.0) + other.total_cost

    @property
    def cost(self) -> float | None:
        """US dollars; None while the price of any call is unknown."""
        return None if self.unpriced_calls else self.total_cost or 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return the field's names; ``total_cost`` where that of every call is known; ours where they are not 0."""
        summary: dict[str, Any] = {
            "total_calls": self.total_calls,
            "total_input_tokens": self.total_input_tokens,
            "total_output_tokens": self.total_output_tokens,
        }
        if self.cost is not None and (self.total_calls or self.cached_calls):
            summary["total_cost"] = self.cost
        ours = {name: getattr(self, name) for name in _OURS}
        return summary | {name: count for name, count in ours.items() if count}


_OURS = ("total_cached_input_tokens", "total_reasoning_tokens", "unpriced_calls", "cached_calls")
"""What the field's summaries do not have."""


@dataclass(slots=True)
class UsageSummary:
    """The usage of a run, model by model."""

    model_usage_summaries: dict[str, ModelUsageSummary] = field(default_factory=dict)

    def add(self, model: str, usage: Usage, retries: int = 0, *, cached: bool = False, lost: int = 0) -> None:
        """Count one more call to ``model``, as ``ModelUsageSummary.add`` does."""
        self._of(model).add(usage, retries, cached=cached, lost=lost)

    def include(self, other: UsageSummary) -> None:
        """Count the calls of another summary too, model by model."""
        for model, summary in other.model_usage_summaries.items():
            self._of(model).include(summary)

    @property
    def total(self) -> ModelUsageSummary:
        """All models taken together."""
        total = ModelUsageSummary()
        for summary in self.model_usage_summaries.values():
            total.include(summary)
        return total

    @property
    def total_calls(self) -> int:
        """How many calls were made to all models."""
        return self.total.total_calls

    @property
    def total_input_tokens(self) -> int:
        """Tokens sent to all models, as far as the servers said."""
        return self.total.total_input_tokens

    @property
    def total_output_tokens(self) -> int:
        """Tokens received from all models, as far as the servers said."""
        return self.total.total_output_tokens

    @property
    def total_cached_input_tokens(self) -> int:
        """Of the tokens sent, those that the servers had in their caches, as far as they said."""
        return self.total.total_cached_input_tokens

    @property
    def total_reasoning_tokens(self) -> int:
        """Of the tokens received, those of the models' thinking, as far as the servers said."""
        return self.total.total_reasoning_tokens

    @property
    def cached_calls(self) -> int:
        """How many replies came from a recording: no server was asked for them, and nothing else counts them."""
        return self.total.cached_calls

    @property
    def unpriced_calls(self) -> int:
        """How many calls have a price that nobody knows."""
        return self.total.unpriced_calls

    @property
    def total_cost(self) -> float | None:
        """US dollars over all models; None while the price of any call is unknown, and while there was none."""
        return self.total.cost if self.model_usage_summaries else None

    @property
    def known_cost(self) -> float:
        """US dollars of the calls whose price is known: what was spent at least."""
        return self.total.total_cost or 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return the summary as plain values, in the field's shape."""
        summary: dict[str, Any] = {
            "model_usage_summaries": {name: each.to_dict() for name, each in self.model_usage_summaries.items()}
        }
        if self.total_cost is not None:
            summary["total_cost"] = self.total_cost
        return summary

    def _of(self, model: str) -> ModelUsageSummary:
        return self.model_usage_summaries.setdefault(model, ModelUsageSummary())
