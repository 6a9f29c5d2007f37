"""``RLM(cache=...)``: what was paid for once is not paid for again, whoever asks."""

from __future__ import annotations

import asyncio
import json
import pickle
import sqlite3
import stat
import threading
import warnings
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from family import family, trace_of
from scripted_server import ChatRequest, Reply, ScriptedServer
from scripts import code, says

from rlm_jupyter import RLM, RLMChatCompletion
from rlm_jupyter.clients.cache import Cache
from rlm_jupyter.clients.caching import CachingClient
from rlm_jupyter.clients.openai import OpenAIClient
from rlm_jupyter.core.digest import text_digest as trace_digest
from rlm_jupyter.core.errors import ConfigurationError
from rlm_jupyter.core.pictures import Picture
from rlm_jupyter.core.protocols import ModelReply, ModelRequest
from rlm_jupyter.core.request_key import message_keys, request_key
from rlm_jupyter.trace.schema import ModelCallEnd, SubcallEnd

KEY = "sk-test-0123456789abcdef0123456789abcdef"


def asking(server: ScriptedServer, cache: Any, **arguments: Any) -> RLM:
    settings = {"model_name": "m", "api_key": KEY, "base_url": server.base_url, "max_retries": 0}
    return RLM("openai", settings, **{"cache": cache, **arguments})


def ask(server: ScriptedServer, cache: Any, prompt: str = "parent", **arguments: Any) -> RLMChatCompletion:
    with asking(server, cache, **arguments) as rlm:
        return rlm.completion(prompt)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "kept" / "replies.sqlite3"


WHOLE_TREE = family(
    code("parts = llm_query_batched(['one', 'two', 'three'])", "parts"),
    code("grown = rlm_query_batched(['a child', 'another'])", "grown"),
    "FINAL_VAR(grown)",
    child=code("FINAL(llm_query('deep down'))"),
)


def test_a_run_of_a_whole_tree_that_is_asked_again_asks_nobody(path: Path) -> None:
    with ScriptedServer(WHOLE_TREE) as server:
        first = ask(server, path, max_depth=2)
        asked = len(server.requests)
        again = ask(server, path, max_depth=2)
        assert asked == 3 + 3 + 2 + 1  # the children's leaf calls are the same one
        assert len(server.requests) == asked
    assert again.response == first.response == "['leaf', 'leaf']"
    ends = [span.end.payload for span in trace_of(again).walk() if span.end is not None]
    replies = [end for end in ends if isinstance(end, ModelCallEnd | SubcallEnd)]
    assert len(replies) == 10
    assert all(end.cached and end.usage.input_tokens for end in replies)
    assert again.usage_summary.total_calls == 0


def test_what_differs_is_asked(path: Path) -> None:
    with ScriptedServer(says("FINAL(ok)")) as server:
        ask(server, path, "one")
        ask(server, path, "another")
        ask(server, path, "one", sampling_args={"temperature": 1})
        with RLM("openai", {"model_name": "other", "api_key": KEY, "base_url": server.base_url}, cache=path) as rlm:
            rlm.completion("one")
        with asking(server, path) as rlm:
            settings = {"model_name": "m", "api_key": KEY, "base_url": server.base_url, "sampling_args": {"seed": 1}}
            with rlm.reconfigured("openai", settings) as derived:
                derived.completion("one")
        assert len(server.requests) == 5
        ask(server, path, "one", sampling_args={"temperature": 1})
        assert len(server.requests) == 5


def test_another_process_finds_it_too(path: Path) -> None:
    script = family(code("rlm_query_batched(['a child'])"), "FINAL(done)", child=code("FINAL(llm_query('deep'))"))
    with ScriptedServer(script) as server:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as processes:
            ask(server, path, max_depth=2, executor=processes)
        asked = len(server.requests)
        ask(server, path, max_depth=2)
        assert len(server.requests) == asked == 4


def test_the_same_prompt_at_the_same_time_is_asked_once(path: Path) -> None:
    script = says(
        code("FINAL(llm_query_batched(['same'] * 20 + ['other']))"), sub=lambda request: f"to {request.prompt}"
    )
    with ScriptedServer(script) as server:
        answer = ask(server, path).response
        assert sorted(request.prompt for request in server.requests[1:]) == ["other", "same"]
    assert answer == str(["to same"] * 20 + ["to other"])


def test_when_the_one_that_asks_fails_the_others_ask_for_themselves(path: Path) -> None:
    lock, refused = threading.Lock(), []

    def sub(request: ChatRequest) -> Reply:
        with lock:
            refused.append(request)
            return Reply("no", status=400) if len(refused) == 1 else Reply("yes")

    with ScriptedServer(says(code("FINAL(llm_query_batched(['same'] * 4))"), sub=sub)) as server:
        answer = ask(server, path).response
    assert answer.count("'yes'") == 3
    assert answer.count("Error: ") == 1


def test_when_the_one_that_asks_goes_away_the_next_asks_for_all(path: Path) -> None:
    held = threading.Event()

    def script(request: ChatRequest) -> Reply:
        return Reply("late", held=held) if request.number == 1 else Reply("in time")

    async def asked(server: ScriptedServer) -> list[ModelReply]:
        client = CachingClient(OpenAIClient("m", api_key=KEY, base_url=server.base_url), Cache(path))
        request = ModelRequest([{"role": "user", "content": "same"}])
        first, *others = [asyncio.create_task(client.acompletion(request)) for _ in range(4)]
        await asyncio.to_thread(server.wait_for, 1)
        first.cancel()
        replies = await asyncio.gather(*others)
        held.set()
        await client.aclose()
        return replies

    with ScriptedServer(script) as server:
        replies = asyncio.run(asked(server))
        assert len(server.requests) == 2
    assert [(reply.text, reply.cached) for reply in replies] == [
        ("in time", False),
        ("in time", True),
        ("in time", True),
    ]


@pytest.mark.parametrize("odd", [Reply("", status=500), Reply(""), Reply("cut", finish_reason="content_filter")])
def test_errors_and_what_is_no_whole_reply_are_not_kept(path: Path, odd: Reply) -> None:
    script = says(code("said = llm_query_batched(['a'])"), "FINAL_VAR(said)", sub=odd)
    with ScriptedServer(script) as server:
        ask(server, path)
        asked = len([request for request in server.requests if request.prompt == "a"])
        ask(server, path)
        assert len([request for request in server.requests if request.prompt == "a"]) == 2 * asked > 0


def test_the_file_is_its_owners_and_holds_no_key_and_no_question(path: Path) -> None:
    def sub(request: ChatRequest) -> str:
        return f"my key is {KEY}" if request.prompt == "tell" else "leaf"

    script = says(code("a, b = llm_query('tell'), llm_query('a question')"), "FINAL(a reply)", sub=sub)
    with ScriptedServer(script) as server:
        ask(server, path, "What I ask")
    for each in path.parent.iterdir():
        assert stat.S_IMODE(each.stat().st_mode) == 0o600
        assert KEY.encode() not in each.read_bytes()
    with sqlite3.connect(path) as connection:
        rows = [json.loads(row[0])["text"] for row in connection.execute("SELECT reply FROM replies")]
    connection.close()
    assert sorted(rows) == ["FINAL(a reply)", code("a, b = llm_query('tell'), llm_query('a question')"), "leaf"]


def test_a_file_that_is_damaged_is_said_once_and_the_run_goes_on(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"no database " * 1000)
    with ScriptedServer(says(code("llm_query_batched(['a', 'b', 'c'])"), "FINAL(done)")) as server:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            assert ask(server, path).response == "done"
        assert len(server.requests) == 5
    assert [str(each.message) for each in told if "cannot be used" in str(each.message)] == [str(told[0].message)]
    assert path.read_bytes().startswith(b"no database")
    assert Cache(path).stats().problem is not None


def test_a_place_where_nothing_can_be_written_costs_nothing_but_the_cache(tmp_path: Path) -> None:
    (tmp_path / "a file").write_text("")
    with ScriptedServer(says("FINAL(done)")) as server, pytest.warns(UserWarning, match="RLM_JUPYTER_CACHE"):
        assert ask(server, tmp_path / "a file" / "replies.sqlite3").response == "done"


def test_what_can_be_read_is_found_although_nothing_more_can_be_written(path: Path) -> None:
    with ScriptedServer(says("FINAL(done)")) as server:
        ask(server, path, "one")
        connection = sqlite3.connect(path)
        connection.execute("CREATE TRIGGER full BEFORE INSERT ON replies BEGIN SELECT RAISE(FAIL, 'disk is full'); END")
        connection.close()
        with pytest.warns(UserWarning, match="disk is full") as told, asking(server, path) as rlm:
            assert [rlm.completion(prompt).response for prompt in ("two", "three", "one")] == ["done"] * 3
        assert len(told) == 1
        assert len(server.requests) == 3


def test_several_that_write_at_once_lose_nothing(path: Path) -> None:
    with ScriptedServer(says("FINAL(done)")) as server, ThreadPoolExecutor(4) as threads:
        begun = threading.Barrier(4)

        def written(name: str) -> None:
            with asking(server, path, max_depth=0) as rlm:
                begun.wait(60)
                for number in range(25):
                    rlm.completion(f"{name} {number}")

        list(threads.map(written, "abcd"))
        assert Cache(path).stats().replies == len(server.requests) == 100


def test_what_was_not_used_for_longest_goes_when_there_is_too_much(path: Path) -> None:
    with ScriptedServer(lambda request: "x" * 1000) as server:
        cache = Cache(path, max_bytes=20_000)
        with asking(server, cache, max_depth=0) as rlm:
            for number in range(80):
                rlm.completion(f"prompt {number}")
            assert cache.stats().bytes <= 20_000 + 64 * 1_300
            asked = len(server.requests)
            rlm.completion("prompt 79")
            assert len(server.requests) == asked
            rlm.completion("prompt 0")
            assert len(server.requests) == asked + 1
            assert cache.clear() > 0
            assert cache.stats().replies == 0


def test_the_default_file_and_another_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RLM_JUPYTER_CACHE", raising=False)
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))
    assert Cache().path == tmp_path / "jupyter" / "rlm_jupyter" / "replies.sqlite3"
    monkeypatch.setenv("RLM_JUPYTER_CACHE", str(tmp_path / "other.sqlite3"))
    with ScriptedServer(says("FINAL(ok)")) as server:
        ask(server, True)
        ask(server, True)
        assert len(server.requests) == 1
        ask(server, False)
        assert len(server.requests) == 2
    assert (tmp_path / "other.sqlite3").exists()
    assert pickle.loads(pickle.dumps(Cache())).path == Cache().path


def test_a_reconfigured_one_keeps_the_cache_and_may_have_none(path: Path) -> None:
    with ScriptedServer(says("FINAL(ok)")) as server, asking(server, path) as rlm:
        settings = {"model_name": "m", "api_key": KEY, "base_url": server.base_url}
        for cache in (None, None, False, path):
            with rlm.reconfigured("openai", settings, cache=cache) as derived:
                derived.completion("same")
        assert len(server.requests) == 2


@pytest.mark.parametrize("wrong", [3, "", ["a.sqlite3"]])
def test_what_is_no_cache_is_refused(wrong: object) -> None:
    with pytest.raises(ConfigurationError, match="cache must be True for the default file"):
        RLM("offline", cache=wrong)  # type: ignore[arg-type]


def test_a_key_is_a_digest_and_order_does_not_matter() -> None:
    asked = message_keys([{"role": "user", "content": "a\ud800"}])
    one = request_key("m", asked, {"seed": 1, "temperature": 0})
    assert one == request_key("m", asked, {"temperature": 0, "seed": 1})
    assert len({one, request_key("n", asked, {}), request_key("m", [], {}), request_key("m", asked, {})}) == 4
    assert trace_digest("a\ud800") == asked[0][1]
    picture = Picture("image/png", b"1")
    shown = message_keys([{"role": "user", "content": "a\ud800", "parts": ["a", picture]}])
    assert shown[0][2] == (picture.digest,)
