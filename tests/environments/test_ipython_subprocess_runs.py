"""Whole runs in a kernel of their own: sub-calls are traced, limits hold, a conversation outlives its kernel."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from typing import Any

import pytest
from family import asked, question
from scripted_server import ChatRequest, Reply, ScriptedServer
from scripts import code, is_root, says

from rlm_jupyter import RLM
from rlm_jupyter.core.errors import InterruptedRun, TimeoutExceededError

KERNEL: dict[str, Any] = {"environment": "ipython", "environment_kwargs": {"kernel_mode": "subprocess"}}


def test_sub_calls_are_in_the_trace_and_in_the_usage() -> None:
    script = says(code("replies = llm_query_batched(['a', 'b'])", "FINAL(replies[0] + llm_query('c'))"), sub="red")
    with ScriptedServer(script) as server, asked(server, **KERNEL) as rlm:
        completion = rlm.completion({"rows": [1, 2]}, "Which colour?")
        assert completion.response == "redred"
        assert completion.metadata is not None
        assert completion.metadata["subcalls"] == 3
        assert sum(each.total_calls for each in completion.usage_summary.model_usage_summaries.values()) == 4
        assert len(server.requests) == 4


def test_a_conversation_goes_on_after_its_kernel_was_killed() -> None:
    script = says(
        code("kept = 1"),
        code("import os", "os.kill(os.getpid(), 9)"),
        code("FINAL((context_0, 'kept' in globals()))"),
    )
    with ScriptedServer(script) as server, asked(server, persistent=True, **KERNEL) as rlm:
        first = rlm.completion("the text", "What?")
        second = rlm.completion("another", "And what?")
        seen = server.requests[2].messages[-1]["content"]
    assert first.response == second.response == "('the text', False)"
    assert "DeadKernelError: The kernel died" in seen
    assert "The kernel is gone and the variables with it." in seen


def test_the_prompt_says_what_the_variables_are() -> None:
    script = says(code("numbers = [1, 2]", "FINAL('done')"))
    with ScriptedServer(script) as server, asked(server, persistent=True, **KERNEL) as rlm:
        rlm.completion("the text", "What?")
        rlm.completion("the text", "And now?")
        told = server.requests[1].messages[-1]["content"]
    assert "- `numbers`: list, 2 items" in told


def test_the_time_limit_ends_a_cell() -> None:
    script = says(code("answer['content'] = 'so far'"), code("import time", "time.sleep(600)"))
    with ScriptedServer(script) as server, asked(server, max_timeout=3, **KERNEL) as rlm:
        with pytest.raises(TimeoutExceededError) as caught:
            rlm.completion("the text", "What?")
        assert len(server.requests) == 2
    assert caught.value.partial_answer == "so far"


def test_the_time_limit_ends_a_cell_that_is_awaited() -> None:
    async def main(rlm: RLM) -> None:
        await rlm.acompletion("the text", "What?")

    script = says(code("import time", "time.sleep(600)"))
    with ScriptedServer(script) as server, asked(server, max_timeout=3, **KERNEL) as rlm:
        with pytest.raises(TimeoutExceededError):
            asyncio.run(main(rlm))
        assert len(server.requests) == 1


def test_ctrl_c_ends_a_run_and_the_next_one_finds_its_variables() -> None:
    def script(request: ChatRequest) -> Reply | str:
        if not is_root(request):
            threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
            return "pressed"
        if question(request) == "And now?":
            return code("FINAL(kept)")
        return code("kept = 1", "llm_query('now')", "import time", "time.sleep(600)")

    with ScriptedServer(script) as server, asked(server, persistent=True, **KERNEL) as rlm:
        with pytest.raises(InterruptedRun):
            rlm.completion("the text", "What?")
        assert len(server.requests) == 2
        assert rlm.completion("the text", "And now?").response == "1"
