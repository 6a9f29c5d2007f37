"""The log of PyPI's rlms: what its visualizer and its own types read is there, and has the types that they expect.

The shapes are those of ``rlms`` 0.1.3 (``rlm/core/types.py``) and of its visualizer (``visualizer/src/lib/types.ts``).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from itertools import pairwise
from typing import Any, TypeAlias

import pytest

from rlm_jupyter.trace.artifacts import upstream_log
from rlm_jupyter.trace.schema import UsageRecord
from rlm_jupyter.trace.trace import Trace

Shape: TypeAlias = "dict[str, Shape] | list[Shape] | Callable[[Any], bool]"


def text(value: Any) -> bool:
    return isinstance(value, str)


def number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def moment(value: Any) -> bool:
    return datetime.fromisoformat(value) is not None


def maybe(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or check(value)


def usage(value: Any) -> bool:
    shape: Shape = {"total_calls": count, "total_input_tokens": count, "total_output_tokens": count}
    return bool(value["model_usage_summaries"]) and all(
        fits(each, shape, more=True) for each in value["model_usage_summaries"].values()
    )


METADATA: Shape = {
    "type": text,
    "timestamp": moment,
    "root_model": text,
    "max_depth": maybe(count),
    "max_iterations": count,
    "backend": text,
    "backend_kwargs": {"model_name": text},
    "environment_type": text,
    "environment_kwargs": {},
    "other_backends": maybe(text),
}
CALL: Shape = {
    "root_model": text,
    "prompt": text,
    "response": text,
    "prompt_tokens": count,
    "completion_tokens": count,
    "usage_summary": usage,
    "execution_time": number,
}
RESULT: Shape = {
    "stdout": text,
    "stderr": text,
    "locals": lambda value: isinstance(value, dict),
    "execution_time": number,
    "rlm_calls": lambda value: all(fits(call, CALL, more=True) for call in value),
    "final_answer": maybe(text),
}
ITERATION: Shape = {
    "type": text,
    "iteration": count,
    "timestamp": moment,
    "prompt": [{"role": text, "content": text}],
    "response": text,
    "code_blocks": [{"code": text, "result": RESULT}],
    "final_answer": maybe(text),
    "iteration_time": maybe(number),
}


def fits(value: Any, shape: Shape, *, more: bool = False) -> bool:
    """Whether the value has the shape; with ``more`` it may have other names too."""
    if isinstance(shape, dict):
        names = set(shape) <= set(value) if more else set(shape) == set(value)
        assert names, f"{sorted(value)} are not {sorted(shape)}"
        return all(fits(value[name], each) for name, each in shape.items())
    if isinstance(shape, list):
        return isinstance(value, list) and all(fits(each, shape[0]) for each in value)
    assert shape(value), value
    return True


def lines(trace: Trace) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    metadata, *iterations = (json.loads(line) for line in trace.export("rlms").splitlines())
    assert fits(metadata, METADATA)
    assert all(fits(iteration, ITERATION) for iteration in iterations)
    assert [metadata["type"], *(each["type"] for each in iterations)] == ["metadata", *["iteration"] * len(iterations)]
    return metadata, iterations


def test_the_log_has_upstream_s_shape_and_the_run_s_facts(run: Any) -> None:
    metadata, iterations = lines(run.record())
    assert (metadata["root_model"], metadata["environment_type"]) == ("gpt-test", "jupyter")
    assert [each["iteration"] for each in iterations] == [1, 2, 3]
    assert [each["final_answer"] for each in iterations] == [None, None, "42"]
    first, second, _ = iterations
    assert first["code_blocks"][0]["result"]["stdout"].startswith("21\n'the text '")
    assert first["code_blocks"][0]["result"]["locals"] == {"context": "the text to look into"}
    assert "ZeroDivisionError" in second["code_blocks"][0]["result"]["stderr"]


def test_every_iteration_has_all_that_it_was_asked_with(run: Any) -> None:
    _, iterations = lines(run.record())
    assert [len(each["prompt"]) for each in iterations] == [2, 4, 6]
    for one, other in pairwise(iterations):
        assert other["prompt"][: len(one["prompt"])] == one["prompt"]
        assert other["prompt"][len(one["prompt"])] == {"role": "assistant", "content": one["response"]}


def test_calls_have_their_tokens_and_children_their_own_iterations(run: Any) -> None:
    _, iterations = lines(run.record())
    *calls, child = iterations[1]["code_blocks"][0]["result"]["rlm_calls"]
    assert [(call["prompt"], call["response"]) for call in calls] == [("Is it here?", "No."), ("Or here?", "Yes.")]
    assert {(call["prompt_tokens"], call["completion_tokens"]) for call in calls} == {(100, 10)}
    assert child["usage_summary"]["model_usage_summaries"]["gpt-test"]["total_input_tokens"] == 100
    (told,) = child["metadata"]["iterations"]
    assert fits(told, ITERATION)
    assert told["code_blocks"][0]["code"] == "print(1)"
    run.usage = UsageRecord()
    _, unknown = lines(run.record())
    assert unknown[1]["code_blocks"][0]["result"]["rlm_calls"][0]["prompt_tokens"] == 0


def test_what_is_said_again_and_again_fills_no_disk(make_run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream_log, "EXPORT_LIMIT", 20_000)
    long = make_run(iterations=[(f"reply {number} {'x' * 1_000}", []) for number in range(40)]).record()
    _, iterations = lines(long)
    assert len(iterations[3]["prompt"]) == 8
    assert [message["role"] for message in iterations[-1]["prompt"]] == ["assistant", "user"]
    assert len(long.export("rlms")) < 200_000
