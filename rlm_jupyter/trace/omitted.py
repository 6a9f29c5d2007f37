"""What a trace that is only part of a run does not hold, counted: a run of 300,000 sub-calls would fill gigabytes."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Omitted", "Tally"]


@dataclass(slots=True)
class Tally:
    """How many calls there were, and what they took; tokens are None while no server said."""

    count: int = 0
    failed: int = 0
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost: float = 0.0
    unpriced: int = 0
    """How many of them have ended without a price: then the cost of all is not known."""

    def add_tokens(self, input_tokens: int | None, output_tokens: int | None) -> None:
        """Add what a call took, as far as it was said."""
        if input_tokens is not None:
            self.input_tokens = (self.input_tokens or 0) + input_tokens
        if output_tokens is not None:
            self.output_tokens = (self.output_tokens or 0) + output_tokens

    def add_cost(self, cost: float | None) -> None:
        """Add what a call cost."""
        self.cost += cost or 0.0
        self.unpriced += cost is None


@dataclass(slots=True)
class Omitted:
    """What stands below a span, and is not in the trace."""

    calls: Tally = field(default_factory=Tally)
    """Sub-calls right below the span."""
    runs: int = 0
    """Child runs right below the span."""
    steps: int = 0
    """Iterations, code blocks and model calls right below the span."""
    deeper: Tally = field(default_factory=Tally)
    """Sub-calls further below; tokens and cost are of all other calls."""
    children: int = 0
    """Child runs further below."""
    events: int = 0
    """Starts and ends of all these."""
