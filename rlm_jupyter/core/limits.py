"""How far a run may go, and how far it has gone."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from .errors import (
    BudgetExceededError,
    ConfigurationError,
    ErrorThresholdExceededError,
    LimitExceededError,
    TokenLimitExceededError,
)
from .scope import Scope
from .usage import Usage

__all__ = ["Limits", "Meter"]

_WHOLE = {"max_iterations": 1, "max_depth": 0, "max_concurrent_subcalls": 1, "max_tokens": 1, "max_errors": 1}


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a run; None is no limit.

    ``max_budget`` is in US dollars, ``max_timeout`` in seconds, ``max_tokens`` counts tokens in and out, ``max_errors``
    code blocks that fail in a row.
    """

    max_iterations: int = 30
    max_depth: int = 1
    max_concurrent_subcalls: int = 16
    max_budget: float | None = None
    max_timeout: float | None = None
    max_tokens: int | None = None
    max_errors: int | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        for name, least in _WHOLE.items():
            value = getattr(self, name)
            optional = name in ("max_tokens", "max_errors")
            if (value is None and optional) or (type(value) is int and value >= least):
                continue
            msg = f"{name} must be a whole number of at least {least}{' or None' if optional else ''}, not {value!r}."
            raise ConfigurationError(msg)
        for name in ("max_budget", "max_timeout"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or not value > 0):
                msg = f"{name} must be a number above 0 or None, not {value!r}."
                raise ConfigurationError(msg)
        if self.max_depth > 1:
            msg = "max_depth can be 0 (a plain model call) or 1 (a run whose sub-calls are plain model calls) so far."
            raise ConfigurationError(msg)


class Meter:
    """Adds up what a run uses, and says when a limit is reached. Safe to use from any thread."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._tokens = 0
        self._cost = 0.0
        self._unpriced: str | None = None
        self._errors = 0

    def add(self, model: str, usage: Usage) -> None:
        """Count a call that was answered."""
        with self._lock:
            self._tokens += (usage.input_tokens or 0) + (usage.output_tokens or 0)
            self._cost += usage.cost or 0.0
            if usage.cost is None:
                self._unpriced = model

    def add_block(self, *, failed: bool) -> None:
        """Count a code block."""
        with self._lock:
            self._errors = self._errors + 1 if failed else 0

    def enforce(self, scope: Scope) -> None:
        """End the scope when a limit is reached. Raises the limit's error, or why else the scope has ended."""
        if reached := self.reached():
            scope.cancel("a limit was reached", reached)
        scope.check()

    def reached(self) -> LimitExceededError | None:
        """Return the error of the limit that is reached, or None."""
        limits = self._limits
        with self._lock:
            if limits.max_tokens is not None and self._tokens >= limits.max_tokens:
                msg = f"The run has used {self._tokens:,} of the {limits.max_tokens:,} tokens that it may use."
                return TokenLimitExceededError(msg)
            if limits.max_budget is not None and self._unpriced is not None:
                msg = f"The server does not say what a call to {self._unpriced!r} costs, so max_budget cannot be kept."
                return BudgetExceededError(msg)
            if limits.max_budget is not None and self._cost >= limits.max_budget:
                msg = f"The run has cost ${self._cost:.6f} of the ${limits.max_budget:.6f} that it may cost."
                return BudgetExceededError(msg)
            if limits.max_errors is not None and self._errors >= limits.max_errors:
                msg = f"{self._errors} code blocks in a row have failed, which is the limit (max_errors)."
                return ErrorThresholdExceededError(msg)
        return None
