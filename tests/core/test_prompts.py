"""What the system prompt tells of ``rlm_query``: only a run that may have children hears of them."""

from __future__ import annotations

import re

from family import asked
from scripted_server import ChatRequest, ScriptedServer
from scripts import code, is_root, says

from rlm_jupyter import RLM
from rlm_jupyter.core.prompts import system_prompt

CHILD = "a child that works\n  as you do, with a REPL of its own, for what needs several steps of work"
PLAIN = "- `rlm_query` and `rlm_query_batched`: the same as `llm_query` and `llm_query_batched`.\n"


def test_children_are_told_of_where_there_may_be_any() -> None:
    with_children, without = system_prompt("guide", children=True), system_prompt("guide")
    assert CHILD in with_children
    assert PLAIN not in with_children
    assert PLAIN in without
    assert CHILD not in without
    for prompt in (with_children, without):
        assert "\n\n- `" not in prompt.split("# What is there\n\n")[1]
        assert "{" not in prompt


def test_a_run_is_told_what_its_own_depth_allows() -> None:
    told: list[str] = []

    def model(request: ChatRequest) -> str:
        told.append(request.messages[0]["content"])
        return code("FINAL(rlm_query('a child'))") if len(told) == 1 else "FINAL(grown up)"

    with ScriptedServer(model) as server, asked(server, max_depth=2) as rlm:
        assert rlm.completion("parent").response == "grown up"
    root, child = told
    assert CHILD in root
    assert PLAIN in child


def test_without_children_the_plain_call_is_what_it_is_said_to_be() -> None:
    script = says(code("FINAL(rlm_query('a') + llm_query('b'))"), sub="leaf ")
    with ScriptedServer(script) as server, asked(server, max_depth=1) as rlm:
        assert rlm.completion("parent").response == "leaf leaf "
        root, *leaves = server.requests
    assert PLAIN in root.messages[0]["content"]
    assert not any(is_root(leaf) for leaf in leaves)


def test_pieces_fit_the_window_that_is_told() -> None:
    told: list[str] = []

    def model(request: ChatRequest) -> str:
        told.append(request.messages[0]["content"])
        return "FINAL(seen)"

    with ScriptedServer(model) as server:
        for window in (None, 8_192, 1_000_000):
            with asked(server, context_window=window) as rlm:
                rlm.completion("question")
    pieces = [re.findall(r"up to about ([\d,]+) characters", each) for each in told]
    assert pieces == [["100,000"], ["16,000"], ["100,000"]]


def test_a_prologue_is_told_with_the_question_in_one_message() -> None:
    """Some servers' chat templates refuse two messages of the same role in a row."""
    replies = iter(["FINAL(one)", "FINAL(two)"])
    with ScriptedServer(lambda _: next(replies)) as server, asked(server, user_prologue="Mind the dates.") as rlm:
        session = rlm.start_session()
        session.chat("text", "What?")
        session.chat("more", "And now?")
        first, second = server.requests
    assert [message["role"] for message in first.messages] == ["system", "user"]
    assert first.messages[1]["content"].startswith("## Question\n\nWhat?\n\n## Context\n\n")
    assert first.messages[1]["content"].endswith("\n\n## Notes\n\nMind the dates.")
    assert [message["role"] for message in second.messages] == ["system", "user", "assistant", "user"]
    assert second.messages[-1]["content"].endswith("\n\n## Notes\n\nMind the dates.")


def test_a_prologue_is_not_what_the_offline_extractor_searches() -> None:
    told = "## Variables\n\n- `treasure`: str, 9,000 characters"
    with RLM("offline", user_prologue=told) as rlm:
        result = rlm.completion("The key is under the mat.\n\nThe cat is grey.", "Where is the key?")
    assert "under the mat" in result.response
    assert not any("treasure" in message["content"] for message in result.messages[2:])
