"""``--sub-model``, ``model=`` in model code, and the sampling arguments, in a notebook."""

from __future__ import annotations

import pytest
from scripted_server import ScriptedServer
from scripts import code, is_root, says
from stage import Stage


@pytest.fixture
def routed(stage: Stage) -> Stage:
    """The stage, whose settings of this module are taken back."""
    for name, value in (("sub_model", None), ("sampling_args", {}), ("sub_sampling_args", None)):
        stage.kernel.ok(f"%config RLMMagics.{name} = {value!r}")
    stage.script = says(code("llm_query('a')", "llm_query('b', model='third')"), "FINAL(x)")
    return stage


def asked(stage: Stage) -> list[str]:
    return [request.model for request in stage.server.requests]


def test_sub_calls_go_to_the_sub_model_at_the_roots_server(routed: Stage) -> None:
    routed.kernel.ok("%rlm --model big --sub-model small Go.")
    assert asked(routed) == ["big", "small", "third", "big"]
    routed.kernel.ok("%config RLMMagics.sub_model = 'tiny'")
    routed.server.requests.clear()
    routed.kernel.ok("%rlm --model big Go.")
    assert asked(routed) == ["big", "tiny", "third", "big"]
    assert "tiny through openai" in routed.kernel.ok("%rlm models").text


def test_a_sub_model_may_be_of_another_backend(routed: Stage) -> None:
    routed.script = says(code("print(llm_query('Where is gold? gold is here'))"), "FINAL(x)")
    result = routed.kernel.ok("%rlm --model big --sub-model offline --out r Go.")
    assert result.status == "ok"
    assert asked(routed) == ["big", "big"]
    assert routed.kernel.value("sorted(r.usage_summary.model_usage_summaries)") == ["big", "offline"]


def test_a_root_without_a_server_can_have_one_below(routed: Stage) -> None:
    with ScriptedServer(["a reply"] * 50) as below:
        routed.kernel.ok(f"import os; os.environ['OPENAI_BASE_URL'] = {below.base_url!r}")
        try:
            routed.kernel.ok(
                "text = 'gold is here'\n%rlm --model offline --sub-model big --context text Where is gold?"
            )
        finally:
            routed.kernel.ok(f"os.environ['OPENAI_BASE_URL'] = {routed.server.base_url!r}")
        assert {request.model for request in below.requests} == {"big"}
    assert not routed.server.requests


def test_sampling_goes_to_the_root_and_other_sampling_below(routed: Stage) -> None:
    routed.kernel.ok("%config RLMMagics.sampling_args = dict(temperature=0.25)")
    routed.kernel.ok("%rlm Go.")
    assert {request.body["temperature"] for request in routed.server.requests} == {0.25}
    routed.kernel.ok("%config RLMMagics.sub_sampling_args = dict(seed=7)")
    routed.server.requests.clear()
    routed.kernel.ok("%rlm Go.")
    for request in routed.server.requests:
        told = {name: value for name, value in request.body.items() if name in ("temperature", "seed")}
        assert told == ({"temperature": 0.25} if is_root(request) else {"seed": 7})


def test_a_backend_that_is_not_there_is_said_before_anything_is_asked(routed: Stage) -> None:
    error = routed.kernel.run("%rlm --sub-model vllm Go.").error
    assert "base_url" in error
    assert not routed.server.requests
