"""``RLM("recorded", ...)``: a run is played again from what was recorded of it, and no server is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from family import family, question, trace_of
from scripted_server import ChatRequest, Reply, ScriptedServer
from scripts import code, is_root, says, step

from rlm_jupyter import RLM, RLMChatCompletion, RLMLogger
from rlm_jupyter.core.errors import ClientError, ConfigurationError

KEY = "sk-test-0123456789abcdef0123456789abcdef"


def recorded(script: Any, prompt: Any = "parent", **arguments: Any) -> RLMChatCompletion:
    """A run that a server answered, which is gone by now."""
    with ScriptedServer(script) as server:
        settings = {"model_name": "the-model", "api_key": KEY, "base_url": server.base_url, "max_retries": 0}
        with RLM("openai", settings, **arguments) as rlm:
            return rlm.completion(prompt)


def played(what: dict[str, Any], prompt: Any = "parent", **arguments: Any) -> RLMChatCompletion:
    with RLM("recorded", what, **arguments) as rlm:
        return rlm.completion(prompt)


TREE = family(
    code("parts = llm_query_batched(['one', 'two', 'two'])", "print(parts)"),
    code("grown = rlm_query_batched(['a child', 'another'])", "print(grown)"),
    "FINAL_VAR(grown)",
    child=code("FINAL(llm_query('deep down'))"),
)


def counted(script: Any) -> Any:
    """The same script, with another reply to each sub-call."""
    number = iter(range(100))
    return lambda request: script(request) if is_root(request) else f"reply {next(number)}"


def test_a_whole_tree_is_played_again_from_a_result(tmp_path: Path) -> None:
    first = recorded(counted(TREE), max_depth=2, max_concurrent_subcalls=1)
    again = played({"trace": first}, max_depth=2, max_concurrent_subcalls=1)
    assert again.response == first.response == "['reply 3', 'reply 4']"
    assert again.root_model == "the-model"
    assert list(trace_of(again).usage.model_usage_summaries) == ["the-model"]
    assert again.usage_summary.total_calls == 0
    log = tmp_path / "run.jsonl"
    log.write_text(trace_of(first).to_jsonl())
    assert played({"trace": log}, max_depth=2, max_concurrent_subcalls=1).response == first.response
    assert played({"trace": first.trace}, max_depth=2, max_concurrent_subcalls=1).response == first.response


def test_a_log_of_several_runs_answers_all_of_them(tmp_path: Path) -> None:
    logger = RLMLogger(str(tmp_path))
    for prompt in ("one", "two"):
        recorded(lambda request: f"FINAL(to {request.messages[1]['content'].split()[2]})", prompt, logger=logger)
    logger.close()
    (log,) = tmp_path.glob("*.jsonl")
    assert [played({"trace": str(log)}, prompt).response for prompt in ("two", "one")] == ["to two", "to one"]


def test_a_request_that_is_asked_more_often_than_it_was_gets_the_last_reply() -> None:
    script = counted(says(code("FINAL([llm_query('same') for _ in range(2)])")))
    first = recorded(script)
    assert first.response == "['reply 0', 'reply 1']"
    with RLM("recorded", {"trace": first}) as rlm:
        assert rlm.completion("parent").response == "['reply 0', 'reply 1']"
        assert rlm.completion("parent").response == "['reply 1', 'reply 1']"


def test_errors_in_code_are_found_whatever_the_number_of_their_repl() -> None:
    parent = [code("1 / 0"), code("grown = rlm_query_batched(['a child', 'a child'])"), "FINAL_VAR(grown)"]
    ends = iter(["FINAL(one)", "FINAL(two)"])

    def script(request: ChatRequest) -> str:
        if question(request) == "parent":
            return parent[step(request)]
        return next(ends) if step(request) else code("{}['k']")

    first = recorded(script, max_depth=2, max_concurrent_subcalls=1)
    assert first.response == "['one', 'two']"
    for _ in range(2):
        assert played({"trace": first}, max_depth=2, max_concurrent_subcalls=1).response == first.response


TELLS = r"""
head = 'Traceback (most recent call last):\n  File "<rlm 1 cell 1>", line 3, in pay\n'
FINAL(llm_query_batched([f"{head}    total: {each} EUR\nError" + " word" * WORDS for each in (10, 99)]))
"""


@pytest.mark.parametrize("words", [1, 60_000])
def test_prompts_that_differ_within_a_traceback_have_their_own_replies(words: int, tmp_path: Path) -> None:
    def sub(request: ChatRequest) -> str:
        return "ten" if "total: 10 EUR" in request.prompt else "many"

    script, cache = says(code(TELLS.replace("WORDS", str(words))), sub=sub), str(tmp_path / "replies.sqlite")
    first = recorded(script, cache=cache)
    assert first.response == "['ten', 'many']"
    assert any(blob.cut for blob in trace_of(first).blobs.values()) == (words > 1)
    for what in ({"trace": first}, {"cache": cache, "model_name": "the-model"}):
        assert played(what).response == first.response


def test_a_run_with_two_models_is_played_by_one_client() -> None:
    with ScriptedServer(says(code("FINAL(llm_query('a'))"))) as server:
        settings = {"api_key": KEY, "base_url": server.base_url}
        large, small = {"model_name": "large", **settings}, {"model_name": "small", **settings}
        with RLM("openai", large, other_backends=["openai"], other_backend_kwargs=[small]) as rlm:
            first = rlm.completion("parent")
    assert played({"trace": first}).response == first.response
    with pytest.raises(ClientError, match="the same messages, but another model: large"):
        played({"trace": first, "model_name": "small"})


def test_an_error_that_was_recorded_is_one_again() -> None:
    def sub(request: ChatRequest) -> Reply | str:
        return Reply("it is broken", status=400) if request.prompt == "b" else "fine"

    first = recorded(says(code("said = llm_query_batched(['a', 'b'])", "said"), code("FINAL(said)"), sub=sub))
    assert "it is broken" in first.response
    assert played({"trace": first}).response == first.response


def test_what_was_redacted_is_found_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THE_SERVICE_TOKEN", "a-token-of-some-length-4711")
    first = recorded(says(code("FINAL(llm_query('It is a-token-of-some-length-4711.'))")), "What is my token?")
    assert "4711" not in trace_of(first).to_jsonl()
    assert played({"trace": first}, "What is my token?").response == "a sub-call's reply"


@pytest.mark.parametrize(
    ("asked", "arguments", "said"),
    [
        ("another", {}, r'"## Question another.*the same first 1 of its 2 messages; then it goes on: "## Question par'),
        ("parent", {"sampling_args": {"seed": 1}}, "the same messages and model, but other sampling: none"),
        ("parent", {"custom_system_prompt": "Be brief."}, "No recorded call begins with the same message"),
    ],
)
def test_what_is_not_recorded_is_told_with_what_is_near(asked: str, arguments: dict[str, Any], said: str) -> None:
    first = recorded(says("FINAL(ok)"))
    with pytest.raises(ClientError, match=said) as caught:
        played({"trace": first}, asked, **arguments)
    assert "No reply is recorded for this request to the-model" in str(caught.value)
    assert '"live": ("openai"' in str(caught.value)


def test_what_is_not_recorded_is_asked_of_a_live_model() -> None:
    first = recorded(says(code("x = llm_query('a')"), "FINAL_VAR(x)"))
    with ScriptedServer(says("never", sub="live")) as server:
        settings = {"model_name": "m", "api_key": KEY, "base_url": server.base_url}
        with RLM("recorded", {"trace": first, "live": ("openai", settings)}, max_depth=0) as rlm:
            assert rlm.completion("a").response == "a sub-call's reply"
            assert rlm.completion("b").response == "live"
        assert [request.prompt for request in server.requests] == ["b"]


def test_a_reply_that_is_recorded_in_part_is_not_played() -> None:
    first = recorded(says(code("FINAL(len(llm_query('long')))"), sub="x" * 100_001))
    with pytest.raises(ClientError, match=r"a part of the whole: .* of 100,001 characters"):
        played({"trace": first}, "long", max_depth=0)


def test_a_cache_is_played_too(tmp_path: Path) -> None:
    path = tmp_path / "replies.sqlite3"
    first = recorded(says(code("FINAL(llm_query('a'))")), cache=path)
    assert played({"cache": path, "model_name": "the-model"}).response == first.response
    with pytest.raises(ClientError, match="has none to this request"):
        played({"cache": path, "model_name": "another"})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "takes a trace or a cache, and one of them"),
        ({"trace": "a.jsonl", "cache": "b"}, "takes a trace or a cache, and one of them"),
        ({"trace": "nowhere.jsonl"}, r"The trace nowhere.jsonl cannot be read: No such file"),
        ({"trace": "nowhere.trace.ipynb"}, "cannot be read: No such file"),
        ({"trace": 3}, "not of type int"),
        ({"cache": "nowhere.sqlite3", "model_name": "m"}, "There is no cache file 'nowhere.sqlite3'"),
        ({"cache": "nowhere.sqlite3"}, "to be told whose replies it plays"),
        ({"trace": 3, "live": ("openai",)}, "live is True, or a backend and its arguments"),
    ],
)
def test_what_cannot_be_played_is_refused(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        RLM("recorded", arguments)
