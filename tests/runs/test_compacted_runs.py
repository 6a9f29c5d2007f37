"""Compaction in runs: real code, a real server that counts words, in every environment."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Any

import compacted_run
import pytest
from compacted_run import TELLS_OF_HISTORY, Explorer
from live_kernel import LiveKernel
from scripted_server import ChatRequest, ScriptedServer
from scripts import code

from rlm_jupyter import RLM
from rlm_jupyter.core.errors import ConfigurationError
from rlm_jupyter.core.prompts import COMPACTION_REQUEST

WINDOW = 2_500  # the server counts words, of which the prompt is some 600 and each look 200

Runner = Callable[..., list[dict[str, Any]]]


@pytest.fixture(params=["local", "jupyter", "in_process", "subprocess"])
def runner(request: pytest.FixtureRequest) -> Runner:
    """What runs completions in an environment: in this process, or in a live kernel where it is the user's."""
    environment: str = request.param
    if environment == "local":
        return functools.partial(compacted_run.run, "local")
    if environment != "jupyter":
        return functools.partial(compacted_run.run, "ipython", environment_kwargs={"kernel_mode": environment})
    kernel: LiveKernel = request.getfixturevalue("bare_kernel")

    def run(url: str, **arguments: Any) -> list[dict[str, Any]]:
        kernel.ok("import compacted_run")
        kernel.ok(f"told = compacted_run.run({environment!r}, {url!r}, **{arguments!r})")
        told: list[dict[str, Any]] = kernel.value("told")
        return told

    return run


def words(request: ChatRequest) -> int:
    return sum(len(message["content"].split()) for message in request.messages)


def is_compaction(request: ChatRequest) -> bool:
    return request.prompt.endswith(COMPACTION_REQUEST)


def looks_in(messages: list[dict[str, str]]) -> list[str]:
    said = (message["content"].split(".")[0] for message in messages if message["role"] == "assistant")
    return [text for text in said if text.startswith("Look")]


def test_requests_shrink_and_all_that_was_said_is_in_history(runner: Runner) -> None:
    with ScriptedServer(Explorer(looks=24)) as server:
        (told,) = runner(server.base_url, compaction=True, context_window=WINDOW)
        requests = list(server.requests)
    compactions = [index for index, request in enumerate(requests) if is_compaction(request)]
    assert len(compactions) >= 2
    for index in compactions:
        assert words(requests[index + 1]) < words(requests[index]) / 2
        assert "the needle" in requests[index + 1].messages[-2]["content"]
    assert max(words(request) for request in requests) < WINDOW

    answer = json.loads(told["answer"])
    assert answer["variable"] == "the needle"
    before = sum(not is_compaction(request) for request in requests[: compactions[-1]])
    assert looks_in(answer["kept"]) == [f"Look number {number}" for number in range(1, before + 1)]
    assert [message["role"] for message in answer["kept"][:3]] == ["system", "user", "assistant"]
    assert sum("output1 " * 200 in message["content"] for message in answer["kept"]) == 1

    assert told["iterations"] == 25
    assert told["purposes"].count("compaction") == len(compactions)
    assert told["tokens"] == sum(words(request) for request in requests)


def test_what_the_prompt_says_of_history_is_true_with_compaction_and_without(runner: Runner) -> None:
    with ScriptedServer(Explorer(looks=12)) as server:
        (told,) = runner(server.base_url, compaction=True, context_window=WINDOW)
        assert "`history`" in server.requests[0].messages[0]["content"]
        assert json.loads(told["answer"])["kept"]
    with ScriptedServer(Explorer(looks=12)) as server:
        (told,) = runner(server.base_url)
        assert "history" not in server.requests[0].messages[0]["content"]
        assert json.loads(told["answer"])["kept"] is None
        assert max(words(request) for request in server.requests) > WINDOW
        assert set(told["purposes"]) == {"answer"}


def test_strict_chat_templates_can_read_every_request(runner: Runner) -> None:
    with ScriptedServer(Explorer(looks=24)) as server:
        runner(server.base_url, compaction=True, context_window=WINDOW)
        for request in server.requests:
            roles = [message["role"] for message in request.messages]
            assert roles == ["system", *["user", "assistant"] * (len(roles) // 2 - 1), "user"]


def test_a_persistent_history_is_the_whole_conversation(runner: Runner) -> None:
    explorer = Explorer(looks=12)

    def script(request: ChatRequest) -> str:
        if "context_1" in request.messages[-1]["content"]:
            return code("import json", "answer['content'] = json.dumps(history_0)", "answer['ready'] = True")
        return explorer(request)

    with ScriptedServer(script) as server:
        _, second = runner(server.base_url, completions=2, persistent=True, compaction=True, context_window=WINDOW)
    history = json.loads(second["answer"])
    assert looks_in(history) == [f"Look number {number}" for number in range(1, 13)]
    assert history[-1] == {"role": "assistant", "content": TELLS_OF_HISTORY}


def test_what_code_does_to_history_is_not_said_to_the_model() -> None:
    explorer = Explorer(looks=12)

    def script(request: ChatRequest) -> str:
        reply = explorer(request)
        return reply.replace("found =", "globals().get('history', []).clear(); found =")

    with ScriptedServer(script) as server:
        (told,) = compacted_run.run("local", server.base_url, compaction=True, context_window=WINDOW)
        assert server.requests[-1].messages[1]["content"].startswith("## Question")
    assert told["iterations"] == 13


def test_an_unknown_window_is_refused_before_anything_is_asked() -> None:
    with pytest.raises(ConfigurationError, match=r"'scripted'.*context_window="):
        RLM("openai", {"model_name": "scripted", "api_key": "a-key-of-no-use"}, compaction=True)


def test_a_child_sums_up_its_own_conversation() -> None:
    explorer = Explorer(looks=12)

    def script(request: ChatRequest) -> str:
        if any("the child's question" in message["content"] for message in request.messages):
            return explorer(request)
        return code('FINAL(rlm_query("the child\'s" + " question"))')

    with ScriptedServer(script) as server:
        (told,) = compacted_run.run("local", server.base_url, max_depth=2, compaction=True, context_window=WINDOW)
        assert max(words(request) for request in server.requests) < WINDOW
    assert told["iterations"] == 1
    assert told["purposes"].count("compaction") >= 1
    looks = looks_in(json.loads(told["answer"])["kept"])
    assert looks == [f"Look number {number}" for number in range(1, len(looks) + 1)]
    assert len(looks) > 5
