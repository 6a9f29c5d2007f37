"""A persistent REPL answers one question at a time: one that comes too early is refused, and changes nothing."""

from __future__ import annotations

import asyncio
import threading

import pytest
from family import asked
from scripted_server import ChatRequest, Reply, ScriptedServer
from scripts import code, step

from rlm_jupyter import RLM, RLMChatCompletion, RLMError

REFUSED = "Another run is at work in this REPL"
SEEN = "(context, completion_context, sorted(n for n in globals() if n.startswith(('context_', 'session_'))))"
UNDISTURBED = "('first', 'first', ['context_0'])"


class Held:
    """The script of a model that does not reply to the first question before it is let go."""

    def __init__(self) -> None:
        self.asked, self.go_on = threading.Event(), threading.Event()

    def __call__(self, request: ChatRequest) -> str:
        if step(request) == 0:
            self.asked.set()
            self.go_on.wait(60)
            return code("1")
        return code(f"FINAL({SEEN})")


def test_a_question_that_is_refused_changes_nothing_of_the_run_at_work() -> None:
    held, answers = Held(), list[RLMChatCompletion]()
    with ScriptedServer(held) as server, asked(server, persistent=True, max_depth=1) as rlm:
        at_work = threading.Thread(target=lambda: answers.append(rlm.completion("first", "What?")))
        at_work.start()
        assert held.asked.wait(60)
        derived = rlm.reconfigured("openai", {"model_name": "other", "api_key": "k", "base_url": server.base_url})
        for each in (rlm, derived):
            with pytest.raises(RuntimeError, match=REFUSED):
                each.completion("second", "And now?")
        with pytest.raises(RuntimeError, match=REFUSED):
            rlm.start_session().chat("third", "And what of this?")
        held.go_on.set()
        at_work.join(60)
        assert answers[0].response == UNDISTURBED
        assert len(server.requests) == 2
        assert "`context_1` is the current context" in rlm.completion("second", "And now?").messages[1]["content"]


def test_a_question_that_is_awaited_is_refused_as_well() -> None:
    held = Held()

    async def ask(rlm: RLM) -> RLMChatCompletion:
        first = asyncio.create_task(rlm.acompletion("first", "What?"))
        assert await asyncio.to_thread(held.asked.wait, 60)
        with pytest.raises(RuntimeError, match=REFUSED):
            await rlm.acompletion("second", "And now?")
        held.go_on.set()
        return await first

    with ScriptedServer(held) as server, asked(server, persistent=True, max_depth=1) as rlm:
        assert asyncio.run(ask(rlm)).response == UNDISTURBED


def test_a_repl_takes_the_next_question_when_the_last_one_failed() -> None:
    refusal = Reply(status=400, body=b'{"error": {"message": "no such thing"}}')
    replies: list[Reply | str] = ["FINAL(one)", refusal, "FINAL(three)"]
    with ScriptedServer(replies) as server, asked(server, persistent=True, max_depth=1) as rlm:
        assert rlm.completion("first", "What?").response == "one"
        with pytest.raises(RLMError, match="no such thing"):
            rlm.completion("second", "What?")
        assert rlm.completion("third", "What?").response == "three"
