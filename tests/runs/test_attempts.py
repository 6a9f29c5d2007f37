"""Calls that take several requests: what they are said to have cost, what they may, and what one sees of the wait."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from dataclasses import replace
from typing import Any

import pytest
from family import asked, trace_of
from PIL import Image
from scripted_server import ChatRequest, Reply, ScriptedServer
from scripts import code, is_root, says

from rlm_jupyter import InterruptedRun
from rlm_jupyter.core.usage import UsageSummary
from rlm_jupyter.trace.schema import SubcallEnd

USAGE = {"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20, "cost": 1.0}
WHOLE = Reply("leaf", usage=USAGE)
CUT = replace(WHOLE, cut_after=0)
BUSY = Reply("busy", status=429, headers={"Retry-After-Ms": "1"})
NO_CHOICE = Reply(usage=USAGE, completion={"choices": []})
ROOT = (Reply(code("llm_query('leaf')"), usage=USAGE), Reply("FINAL(done)", usage=USAGE))


class Leaf:
    """A script whose sub-calls are answered with these, one after the other."""

    def __init__(self, *replies: Reply) -> None:
        self._replies = list(replies)
        self._root = says(*ROOT)

    def __call__(self, request: ChatRequest) -> Reply | str:
        return self._root(request) if is_root(request) else self._replies.pop(0)


def ended(trace: Any) -> list[SubcallEnd]:
    ends = [span.end.payload for span in trace.walk() if span.end is not None]
    return [end for end in ends if isinstance(end, SubcallEnd)]


def test_a_call_that_is_stopped_while_it_waits_after_a_refusal_has_cost_nothing() -> None:
    script = Leaf(replace(BUSY, headers={"Retry-After": "60"}))
    with ScriptedServer(script) as server, asked(server) as rlm:
        rlm.on_wait = lambda _, __, seconds: os.kill(os.getpid(), signal.SIGINT) if seconds else None
        with pytest.raises(InterruptedRun) as caught:
            rlm.completion("q")
        usage = trace_of(caught.value).usage
        assert (usage.total_cost, usage.unpriced_calls, usage.total_calls) == (1.0, 0, 2)


@pytest.mark.parametrize(
    ("before", "lost", "cost"),
    [([BUSY, BUSY], 0, 3.0), ([CUT], 1, 3.0), ([CUT, BUSY, CUT], 2, 3.0), ([NO_CHOICE, NO_CHOICE], 0, 5.0)],
    ids=["refused", "lost", "both", "charged"],
)
def test_what_went_before_a_reply_counts(before: list[Reply], lost: int, cost: float) -> None:
    with ScriptedServer(Leaf(*before, WHOLE)) as server, asked(server) as rlm:
        result = rlm.completion("q")
        usage: UsageSummary = result.usage_summary
        assert (usage.known_cost, usage.unpriced_calls) == (cost, lost)
        assert usage.total_calls == len(server.requests) == 3 + len(before)
        assert usage.total_input_tokens == 10 * round(cost)
        (end,) = ended(trace_of(result))
        assert (end.retries, end.lost) == (len(before), lost)
        assert (usage.total_cost is None) == bool(lost)  # "at least"


def test_what_a_server_charged_for_no_reply_counts_against_the_budget() -> None:
    with ScriptedServer(Leaf(*[NO_CHOICE] * 9)) as server, asked(server, max_budget=3.0) as rlm:
        with pytest.raises(Exception, match=r"\$3\.0"):
            rlm.completion("q")
        assert len(server.requests) == 3


def test_whoever_wants_to_know_is_told_of_the_wait_and_of_its_end() -> None:
    told: list[tuple[str, bool]] = []
    with ScriptedServer(Leaf(BUSY, CUT, WHOLE)) as server, asked(server) as rlm:
        rlm.on_wait = lambda _, why, seconds: told.append((why, seconds > 0))
        rlm.completion("q")
        host = server.base_url.split("/")[2]
    whys = [(why.replace(host, "HOST").replace("127.0.0.1", "HOST"), waits) for why, waits in told]
    broke = "HOST cut the connection before the reply was complete"
    assert whys == [("HOST answered 429", True), ("", False), (broke, True), ("", False)]


@pytest.mark.parametrize("cut", ["length", "max_tokens"])
def test_a_root_model_is_told_that_its_reply_was_cut_off_and_half_a_block_is_not_run(cut: str) -> None:
    halves = [
        "```repl\nprint('whole')\n```\n```repl\nprint('half')",
        "```repl\nprint('half')\nx = (1,",
        "FINAL(half an",
    ]
    for half in halves:
        first = Reply(half, finish_reason=cut)
        with ScriptedServer(says(first, "FINAL(done)")) as server, asked(server) as rlm:
            assert rlm.completion("q").response == "done"
            told = server.requests[1].prompt
        assert told.startswith("Your last reply was cut off")
        assert "SyntaxError" not in told
        assert ("whole" in told, "half" in told) == (half.count("```repl") == 2, False)


def test_a_whole_answer_in_a_reply_that_was_cut_off_stands() -> None:
    reply = Reply("FINAL(42)\nThat is because the", finish_reason="length")
    with ScriptedServer(says(reply)) as server, asked(server) as rlm:
        assert rlm.completion("q").response == "42"


def test_a_picture_is_encoded_beside_the_event_loop() -> None:
    encoders: list[threading.Thread] = []

    class Slow(Image.Image):
        def save(self, *arguments: Any, **options: Any) -> None:
            encoders.append(threading.current_thread())
            super().save(*arguments, **options)

    picture = Image.new("RGB", (2, 2))
    picture.__class__ = Slow
    asking = code("print(await llm_query_async(['What is it?', picture()]))")
    tools = {"picture": lambda: picture}
    with ScriptedServer(says(asking, "FINAL(done)")) as server, asked(server, custom_tools=tools) as rlm:
        assert asyncio.run(rlm.acompletion("q")).response == "done"
        assert len(server.requests) == 3
    assert encoders
    assert threading.main_thread() not in encoders
