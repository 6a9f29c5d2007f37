"""How far a run may go: what cannot be is refused in words, what is used up is told."""

from __future__ import annotations

from typing import Any

import pytest

from rlm_jupyter.core.errors import (
    BudgetExceededError,
    ConfigurationError,
    ErrorThresholdExceededError,
    LimitExceededError,
    TokenLimitExceededError,
)
from rlm_jupyter.core.limits import Limits, Meter
from rlm_jupyter.core.usage import Usage

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"max_iterations": 0}, "max_iterations must be a whole number of at least 1, not 0."),
    ({"max_iterations": None}, "max_iterations must be a whole number of at least 1, not None."),
    ({"max_iterations": True}, "max_iterations must be a whole number of at least 1, not True."),
    ({"max_iterations": 2.5}, "max_iterations must be a whole number of at least 1, not 2.5."),
    ({"max_iterations": "30"}, "max_iterations must be a whole number of at least 1, not '30'."),
    ({"max_depth": -1}, "max_depth must be a whole number of at least 0, not -1."),
    ({"max_concurrent_subcalls": 0}, "max_concurrent_subcalls must be a whole number of at least 1, not 0."),
    ({"max_tokens": 0}, "max_tokens must be a whole number of at least 1 or None, not 0."),
    ({"max_errors": -2}, "max_errors must be a whole number of at least 1 or None, not -2."),
    ({"max_budget": 0}, "max_budget must be a number above 0 or None, not 0."),
    ({"max_budget": float("nan")}, "max_budget must be a number above 0 or None, not nan."),
    ({"max_timeout": -1.5}, "max_timeout must be a number above 0 or None, not -1.5."),
    ({"max_timeout": "1 min"}, "max_timeout must be a number above 0 or None, not '1 min'."),
    ({"max_timeout": True}, "max_timeout must be a number above 0 or None, not True."),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG)
def test_what_cannot_be_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Limits(**arguments)
    assert str(caught.value) == message
    assert isinstance(caught.value, ValueError)


def test_what_can_be_is_taken() -> None:
    Limits()
    Limits(max_iterations=1, max_depth=0, max_budget=0.01, max_timeout=1, max_tokens=1, max_errors=1)


def called(tokens: int = 0, cost: float | None = 0.0) -> Usage:
    return Usage(input_tokens=tokens, output_tokens=tokens, cost=cost)


def test_tokens_in_and_out_add_up() -> None:
    meter = Meter(Limits(max_tokens=1_000))
    meter.add("m", called(250))
    assert meter.reached() is None
    meter.add("m", called(250))
    reached = meter.reached()
    assert isinstance(reached, TokenLimitExceededError)
    assert str(reached) == "The run has used 1,000 of the 1,000 tokens that it may use."


def test_money_adds_up() -> None:
    meter = Meter(Limits(max_budget=0.01))
    meter.add("m", called(cost=0.006))
    assert meter.reached() is None
    meter.add("m", called(cost=0.006))
    reached = meter.reached()
    assert isinstance(reached, BudgetExceededError)
    assert str(reached) == "The run has cost $0.012000 of the $0.010000 that it may cost."


def test_a_budget_is_not_kept_blindly() -> None:
    """Unknown is not 0: of a call whose price nobody says, a budget cannot be kept."""
    meter = Meter(Limits(max_budget=100))
    meter.add("local-model", called(10, cost=None))
    reached = meter.reached()
    assert isinstance(reached, BudgetExceededError)
    assert "'local-model'" in str(reached)


def test_without_a_budget_no_price_is_needed() -> None:
    meter = Meter(Limits())
    meter.add("local-model", Usage())
    assert meter.reached() is None


def test_only_failures_in_a_row_count() -> None:
    meter = Meter(Limits(max_errors=2))
    for failed in (True, False, True):
        meter.add_block(failed=failed)
    assert meter.reached() is None
    meter.add_block(failed=True)
    reached = meter.reached()
    assert isinstance(reached, ErrorThresholdExceededError)
    assert isinstance(reached, LimitExceededError)
    assert "2 code blocks in a row" in str(reached)
