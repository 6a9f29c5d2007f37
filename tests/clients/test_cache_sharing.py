"""One cache file for several: RLMs, servers, processes that were forked, and processes that hold its lock."""

from __future__ import annotations

import os
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from scripted_server import ChatRequest, Reply, ScriptedServer
from scripts import says

from rlm_jupyter import RLM, RLMChatCompletion
from rlm_jupyter.clients.cache import Cache
from rlm_jupyter.core.errors import ConfigurationError
from rlm_jupyter.core.request_key import request_key

KEY = "sk-test-0123456789abcdef0123456789abcdef"


def ask(server: ScriptedServer, cache: Any, prompt: str = "Who?") -> RLMChatCompletion:
    settings = {"model_name": "m", "api_key": KEY, "base_url": server.base_url, "max_retries": 0}
    with RLM("openai", settings, cache=cache, max_depth=0) as rlm:
        return rlm.completion(prompt)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "replies.sqlite3"


@pytest.mark.parametrize("one", [True, False], ids=["one cache", "a cache each"])
def test_several_that_ask_the_same_at_the_same_time_pay_once(path: Path, one: bool) -> None:
    held, cache = threading.Event(), Cache(path)
    with ScriptedServer(lambda _: Reply("yes", held=held)) as server, ThreadPoolExecutor(8) as threads:
        asking = [threads.submit(ask, server, cache if one else path) for _ in range(8)]
        server.wait_for(1)
        held.set()
        assert {each.result(60).response for each in asking} == {"yes"}
        assert len(server.requests) == 1


def test_servers_with_a_model_of_one_name_are_not_taken_for_each_other(path: Path) -> None:
    with ScriptedServer(lambda _: "from A") as one, ScriptedServer(lambda _: "from B") as other:
        answers = [ask(server, path).response for server in (one, other, one, other)]
        assert answers == ["from A", "from B"] * 2
        assert len(one.requests) == len(other.requests) == 1
    assert Cache(path).stats().replies == 2


def test_a_recording_in_a_cache_is_paid_for_already(path: Path) -> None:
    with ScriptedServer(
        lambda _: Reply("yes", usage={"prompt_tokens": 5, "completion_tokens": 1, "cost": 1.0})
    ) as server:
        assert ask(server, path).usage_summary.total_calls == 1
    before = {thread.name for thread in threading.enumerate()}
    with RLM("recorded", {"cache": path, "model_name": "m"}, max_depth=0) as rlm:
        again = rlm.completion("Who?")
    assert again.response == "yes"
    assert again.usage_summary.total_calls == 0
    opened = [thread for thread in threading.enumerate() if thread.name not in before]
    assert not [thread for thread in opened if "cache" in thread.name and not _ended(thread)]


def _ended(thread: threading.Thread) -> bool:
    thread.join(60)
    return not thread.is_alive()


def test_a_recording_that_cannot_be_read_is_no_recording(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RLM_JUPYTER_CACHE", str(path))
    with pytest.raises(ConfigurationError, match="There is no cache file"):
        RLM("recorded", {"cache": True, "model_name": "m"})
    path.write_bytes(b"no database " * 1000)
    with pytest.raises(ConfigurationError, match="cannot be used") as caught:
        RLM("recorded", {"cache": True, "model_name": "m"})
    assert "goes on" not in str(caught.value)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_opens_the_file_anew(path: Path) -> None:
    settings = {"model_name": "m", "api_key": KEY, "max_retries": 0}
    with ScriptedServer(lambda _: "yes") as server:
        with RLM("openai", {**settings, "base_url": server.base_url}, cache=path, max_depth=0) as rlm:
            rlm.completion("Who?")
            child = os.fork()
            if child == 0:  # no assertion here: pytest is in this process, too
                threading.Timer(60, os._exit, [2]).start()
                os._exit(0 if rlm.completion("Who?").response == "yes" else 1)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
            assert rlm.completion("Who?").response == "yes"
        assert len(server.requests) == 1


def test_another_process_that_holds_the_lock_keeps_no_reader_waiting(path: Path) -> None:
    def script(request: ChatRequest) -> str:
        return f"to {request.prompt}"

    settings = {"model_name": "m", "api_key": KEY, "max_retries": 0}
    with ScriptedServer(script) as server, closing(sqlite3.connect(path, isolation_level=None)) as other:
        ask(server, path, "kept")
        rlm = RLM("openai", {**settings, "base_url": server.base_url}, cache=path, max_depth=0)
        other.execute("BEGIN IMMEDIATE")
        told: list[str] = []
        assert rlm.cache is not None
        rlm.cache.tell = told.append
        for number in range(4):
            rlm.completion(f"new {number}")
        assert rlm.completion("kept").response == "to kept"
        assert told == []  # the first of those that are to be written still waits for the lock
        rlm.close()
        other.execute("ROLLBACK")
        assert "in use elsewhere" in told[0]
        assert len(server.requests) == 5


def test_names_of_several_types_make_a_key() -> None:
    mixed, plain = {"logit_bias": {50256: -100, "11": 5}}, {"logit_bias": {"50256": -100, "11": 5}}
    assert request_key("m", (), mixed) == request_key("m", (), plain)


def test_a_follow_up_of_what_is_missing_names_it() -> None:
    with (
        ScriptedServer(says("FINAL(ok)")) as server,
        RLM("openai", {"model_name": "m", "base_url": server.base_url}) as rlm,
    ):
        trace = rlm.completion("Who?").trace
    with RLM("recorded", {"trace": trace}, max_depth=0) as played:
        said = []
        for prompt in ("the first", "the second"):
            with pytest.raises(Exception, match="No reply is recorded") as caught:
                played.completion(prompt)
            said.append(str(caught.value))
    assert "may follow from" not in said[0]
    assert "It may follow from the first request that was missing: No reply is recorded" in said[1]
    assert '"the first"' in said[1]
