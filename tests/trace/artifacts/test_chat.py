"""Conversations to fine-tune on: OpenAI's chat format, and only what is whole."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from compacted_run import Explorer
from scripted_server import ScriptedServer

from rlm_jupyter import RLM
from rlm_jupyter.core.pictures import Picture
from rlm_jupyter.trace.artifacts.chat import chats
from rlm_jupyter.trace.recorder import Recorder
from rlm_jupyter.trace.redaction import Redactor
from rlm_jupyter.trace.schema import (
    IterationStart,
    MessageRecord,
    ModelCallEnd,
    ModelCallStart,
    RunEnd,
    RunStart,
    SubcallEnd,
    SubcallStart,
)
from rlm_jupyter.trace.trace import Trace

PNG = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89"
    b"\x00\x00\x00\nIDATx\x9cc\x00\x01\x00\x00\x05\x00\x01\r\n-\xb4\x00\x00\x00\x00IEND\xaeB`\x82"
)


def conversations(trace: Trace, **options: bool) -> list[list[dict[str, Any]]]:
    """The messages of each line, which keep the rules of the format."""
    lines = [json.loads(line) for line in trace.export("chat", None, **options).splitlines()]
    for line in lines:
        assert list(line) == ["messages"]
        keep_the_rules(line["messages"])
    return [line["messages"] for line in lines]


def keep_the_rules(messages: list[dict[str, Any]]) -> None:
    roles = [message["role"] for message in messages]
    assert set(roles) <= {"system", "user", "assistant"}
    assert "system" not in roles[1:]
    assert roles[-1] == "assistant"
    assert "user" in roles
    assert all(one != other for one, other in pairwise(roles))
    for message in messages:
        assert set(message) == {"role", "content"}
        content = message["content"]
        assert content
        if not isinstance(content, str):
            assert message["role"] == "user"
            assert {part["type"] for part in content} <= {"text", "image_url"}
            assert all(part["text"] if part["type"] == "text" else part["image_url"]["url"] for part in content)


def test_a_line_for_each_run_and_if_wanted_for_each_sub_call(run: Any) -> None:
    trace = run.record()
    root, child = conversations(trace)
    assert [message["role"] for message in root] == ["system", *["user", "assistant"] * 3]
    assert root[-1]["content"].startswith("Now I know")
    assert [message["content"] for message in child] == [
        "You work in code.",
        "What is in the half?",
        "```repl\nprint(1)\n```",
    ]
    assert chats(trace).left_out is None
    asked = [each for each in conversations(trace, subcalls=True) if len(each) == 2]
    assert asked == [
        [{"role": "user", "content": "Is it here?"}, {"role": "assistant", "content": "No."}],
        [{"role": "user", "content": "Or here?"}, {"role": "assistant", "content": "Yes."}],
    ]


@pytest.mark.parametrize("status", ["error", "limit", "interrupted"])
def test_runs_without_an_answer_are_left_out_unless_wanted(run: Any, status: str) -> None:
    run.status = status
    trace = run.record()
    (child,) = conversations(trace)
    assert child[1]["content"] == "What is in the half?"
    assert len(conversations(trace, unanswered=True)) == 2


def test_a_conversation_that_was_summed_up_is_several() -> None:
    with ScriptedServer(Explorer(12)) as server:
        backend = {"model_name": "scripted", "base_url": server.base_url, "api_key": "for-the-scripted-server"}
        with RLM("openai", backend, "local", compaction=True, context_window=2_500) as rlm:
            trace = rlm.completion("a haystack", "Where is the needle?").trace
    assert isinstance(trace, Trace)
    told = conversations(trace)
    assert len(told) > 1
    assert all(each[0] == told[0][0] for each in told)
    assert told[0][-1]["content"].startswith("After ")
    assert "ready" in told[-1][-1]["content"]


def made(message: str = "Look.", *, limit: int = 1_000, picture: int | None = None) -> Trace:
    """The trace of a run whose one message has a picture, or is cut at the limit, and which made a sub-call."""
    recorder = Recorder(Redactor(environ={}))
    root = recorder.start(RunStart(question="q", model="m", backend="b", environment="local", max_iterations=1))
    iteration = recorder.start(IterationStart(number=1), root)
    images = [recorder.picture(Picture("image/png", PNG + bytes(picture)))] if picture is not None else []
    sent = [
        MessageRecord(role="system", digest=recorder.blob("Work in code.", limit)),
        MessageRecord(role="user", digest=recorder.blob("A walrus.", limit)),
        MessageRecord(role="user", digest=recorder.blob(message, limit), images=images),
    ]
    call = recorder.start(ModelCallStart(model="m", added=sent), iteration)
    recorder.end(call, ModelCallEnd(reply=recorder.blob("I see.", limit)))
    subcall = recorder.start(SubcallStart(model="m", prompt=recorder.blob("Who?", limit), images=images), iteration)
    recorder.end(subcall, SubcallEnd(reply=recorder.blob("It.", limit)))
    recorder.end(root, RunEnd(answer="I see."))
    return recorder.trace


def test_pictures_are_parts_and_neighbours_of_one_role_are_joined() -> None:
    (root, asked) = conversations(made(picture=0), subcalls=True)
    assert [part.get("text") for part in root[1]["content"]] == ["A walrus.", "Look.", None]
    assert root[1]["content"][2]["image_url"]["url"].startswith("data:image/png;base64,iVBORw0KGgo")
    assert asked[0]["content"][0] == {"type": "text", "text": "Who?"}


@pytest.mark.parametrize("trace", [made("x" * 2_000), made(picture=2_000_000)], ids=["text", "picture"])
def test_what_the_trace_has_only_in_part_is_left_out_and_counted(trace: Trace) -> None:
    assert trace.export("chat") == ""
    assert chats(trace).cut == 1
    assert "1 conversation of which the trace has a text or picture only in part" in (chats(trace).left_out or "")
