"""Tokens, calls and money, counted as the server was asked for them."""

from __future__ import annotations

from dataclasses import dataclass, field
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


@dataclass(slots=True)
class ModelUsageSummary:
    """The calls to one model, added up. ``total_cost`` is in US dollars, of the calls whose price is known.

    ``total_calls`` counts requests, those that a client repeated included, ``unpriced_calls`` those of unknown price.
    """

    total_calls: int = 0
    total_input_tokens: int = 0
    total_output_tokens: int = 0
    total_cost: float | None = None
    unpriced_calls: int = 0

    def add(self, usage: Usage, retries: int = 0) -> None:
        """Count one more call, which was repeated so many times."""
        self.total_calls += 1 + retries
        self.total_input_tokens += usage.input_tokens or 0
        self.total_output_tokens += usage.output_tokens or 0
        if usage.cost is None:
            self.unpriced_calls += 1
        else:
            self.total_cost = (self.total_cost or 0.0) + usage.cost

    def to_dict(self) -> dict[str, Any]:
        """Return the field's names and, where the cost of every call is known, ``total_cost``."""
        summary: dict[str, Any] = {
            "total_calls": self.total_calls,
            "total_input_tokens": self.total_input_tokens,
            "total_output_tokens": self.total_output_tokens,
        }
        if self.total_cost is not None and not self.unpriced_calls:
            summary["total_cost"] = self.total_cost
        return summary


@dataclass(slots=True)
class UsageSummary:
    """The usage of a run, model by model."""

    model_usage_summaries: dict[str, ModelUsageSummary] = field(default_factory=dict)

    def add(self, model: str, usage: Usage, retries: int = 0) -> None:
        """Count one more call to ``model``, which was repeated so many times."""
        self.model_usage_summaries.setdefault(model, ModelUsageSummary()).add(usage, retries)

    @property
    def total_calls(self) -> int:
        """How many calls were made to all models."""
        return sum(summary.total_calls for summary in self.model_usage_summaries.values())

    @property
    def total_input_tokens(self) -> int:
        """Tokens sent to all models, as far as the servers said."""
        return sum(summary.total_input_tokens for summary in self.model_usage_summaries.values())

    @property
    def total_output_tokens(self) -> int:
        """Tokens received from all models, as far as the servers said."""
        return sum(summary.total_output_tokens for summary in self.model_usage_summaries.values())

    @property
    def total_cost(self) -> float | None:
        """US dollars over all models; None while the price of any call is unknown."""
        summaries = self.model_usage_summaries.values()
        if not summaries or any(summary.unpriced_calls for summary in summaries):
            return None
        return sum(summary.total_cost or 0.0 for summary in summaries)

    def to_dict(self) -> dict[str, Any]:
        """Return the summary as plain values, in the field's shape."""
        summary: dict[str, Any] = {
            "model_usage_summaries": {name: each.to_dict() for name, each in self.model_usage_summaries.items()}
        }
        if self.total_cost is not None:
            summary["total_cost"] = self.total_cost
        return summary
