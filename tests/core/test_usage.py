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
