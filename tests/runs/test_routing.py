"""Which model answers which call: the root, the others below it, and what ``model=`` names."""

from __future__ import annotations

import pytest
from scripted_server import ScriptedServer
from scripts import code, says

from rlm_jupyter import RLM
from rlm_jupyter.clients.choice import Choice, choose_below


def test_model_names_in_code_find_the_client_that_is_meant() -> None:
    calls = ["llm_query('1')", "llm_query('2', model='mid')", "llm_query('3', model='root')"]
    calls += ["llm_query('4', model='lmstudio:mid')", "llm_query('5', model='lmstudio:new')"]
    calls += ["llm_query('6', model='openai:root')", "llm_query('7', model='qwen3:8b')", "llm_query('8', 'lmstudio:')"]
    with (
        ScriptedServer(says(code(*calls), "FINAL(x)")) as main,
        ScriptedServer(["small"] * 9) as small,
        ScriptedServer(["mid"] * 9) as mid,
    ):
        others = [{"model_name": "small", "base_url": small.base_url}, {"model_name": "mid", "base_url": mid.base_url}]
        options = {"model_name": "root", "base_url": main.base_url}
        with RLM("openai", options, other_backends=["ollama", "lmstudio"], other_backend_kwargs=others) as rlm:
            rlm.completion("context", "Who?")
    told = {request.prompt: request.model for request in (*small.requests, *mid.requests)}
    assert [request.prompt for request in small.requests] == ["1", "7"]
    assert [request.prompt for request in mid.requests] == ["2", "4", "5", "8"]
    assert told == {"1": "small", "7": "qwen3:8b", "2": "mid", "4": "mid", "5": "new", "8": "mid"}
    assert [request.prompt for request in main.requests if request.model == "root"][1:3] == ["3", "6"]


def test_an_rlm_can_be_given_other_models_below_and_closes_those_it_made() -> None:
    script = says(code("llm_query('a')"), "FINAL(x)")
    with ScriptedServer(script) as main, ScriptedServer(["s"] * 9) as below:
        options = {"model_name": "root", "base_url": main.base_url}
        with RLM("offline", sampling_args={"seed": 1}) as keeper:
            other = ("openai", {"model_name": "small", "base_url": below.base_url})
            with keeper.reconfigured("openai", options, others=[other], sub_sampling_args={"seed": 2}) as derived:
                derived.completion("context", "Who?")
                with derived.reconfigured("openai", options) as again:
                    again.completion("context", "Who?")
                derived.completion("context", "Who?")
    assert [(request.model, request.body["seed"]) for request in below.requests] == [("small", 2)] * 3
    assert {request.body["seed"] for request in main.requests} == {1}


ROOT = Choice("openai", {"model_name": "big", "base_url": "http://localhost:1/v1"})
OLLAMA = Choice("ollama", {"model_name": "qwen3:8b"})


@pytest.mark.parametrize(
    ("model", "root", "chosen"),
    [
        ("small", ROOT, Choice("openai", {"model_name": "small", "base_url": "http://localhost:1/v1"})),
        ("openai:small", ROOT, Choice("openai", {"model_name": "small", "base_url": "http://localhost:1/v1"})),
        ("ollama:qwen3:8b", ROOT, OLLAMA),
        ("gemma3:4b", OLLAMA, Choice("ollama", {"model_name": "gemma3:4b"})),
        ("offline", ROOT, Choice("offline")),
        ("small", Choice("offline"), Choice("openai", {"model_name": "small"})),
    ],
)
def test_the_model_below_is_the_roots_servers_unless_it_names_another(model: str, root: Choice, chosen: Choice) -> None:
    assert choose_below(model, root, environ={"RLM_JUPYTER_MODEL": "never"}) == chosen
