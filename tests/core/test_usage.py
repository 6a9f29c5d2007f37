"""What was used is counted call by call; a cost that is not known of every call is not told as one."""

from __future__ import annotations

import pytest

from rlm_jupyter.core.usage import Usage, UsageSummary


def test_the_cost_of_a_model_is_told_when_that_of_each_call_is_known() -> None:
    usage = UsageSummary()
    usage.add("m", Usage(10, 5, cost=0.25))
    usage.add("m", Usage(10, 5, cost=0.5))
    usage.add("n", Usage(1, 1, cost=0.0))
    told = usage.to_dict()
    assert told["model_usage_summaries"]["m"] == {
        "total_calls": 2,
        "total_input_tokens": 20,
        "total_output_tokens": 10,
        "total_cost": 0.75,
    }
    assert told["model_usage_summaries"]["n"]["total_cost"] == 0.0
    assert told["total_cost"] == 0.75


@pytest.mark.parametrize("unpriced", ["m", "n"])
def test_an_unknown_cost_is_not_told_as_a_known_one(unpriced: str) -> None:
    usage = UsageSummary()
    usage.add("m", Usage(10, 5, cost=0.25))
    usage.add(unpriced, Usage(10, 5))
    told = usage.to_dict()
    assert "total_cost" not in told
    assert "total_cost" not in told["model_usage_summaries"][unpriced]
    assert ("total_cost" in told["model_usage_summaries"]["m"]) == (unpriced != "m")
    assert usage.total_cost is None
    assert (usage.total_calls, usage.total_input_tokens) == (2, 20)


def test_replies_from_a_recording_are_counted_as_such_and_for_nothing_else() -> None:
    usage = UsageSummary()
    usage.add("m", Usage(10, 5, 4, 3, cost=0.25))
    usage.add("m", Usage(10, 5, 4, 3, cost=0.25), cached=True)
    usage.add("n", Usage(10, 5), cached=True)
    told = usage.to_dict()
    assert told["model_usage_summaries"]["m"] == {
        "total_calls": 1,
        "total_input_tokens": 10,
        "total_output_tokens": 5,
        "total_cost": 0.25,
        "total_cached_input_tokens": 4,
        "total_reasoning_tokens": 3,
        "cached_calls": 1,
    }
    assert told["model_usage_summaries"]["n"]["total_cost"] == 0.0
    assert (usage.total_calls, usage.cached_calls, usage.total_cost) == (1, 2, 0.25)
    assert usage.model_usage_summaries["n"].total_cost == 0.0


def test_summaries_add_up_model_by_model() -> None:
    usage, other = UsageSummary(), UsageSummary()
    usage.add("m", Usage(10, 5, cost=0.25), retries=1)
    other.add("m", Usage(1, 1))
    other.add("n", Usage(2, 2, cost=0.5), cached=True)
    usage.include(other)
    assert (usage.total_calls, usage.total_input_tokens, usage.cached_calls) == (3, 11, 1)
    assert (usage.total_cost, usage.known_cost, usage.unpriced_calls) == (None, 0.25, 1)
    assert other.total_calls == 1
