"""The stop button."""

from __future__ import annotations

import threading
import time

import nbformat
import pytest
from scripted_server import ChatRequest, Reply
from scripts import code, says
from stage import Stage

SLOW = 1.0  # seconds that a reply takes


def interrupted(stage: Stage, cell: str, requests: int) -> float:
    """Run a cell, press stop once so many requests have arrived, and return how long the cell went on."""
    message_id = stage.kernel.send(cell)
    stage.server.wait_for(requests)
    pressed = time.monotonic()
    stage.kernel.interrupt()
    executed = stage.kernel.finish(message_id)
    took = time.monotonic() - pressed
    assert executed.status == "error"
    assert "interrupted" in executed.traceback
    return took


@pytest.mark.parametrize("swallow", [False, True], ids=["plain", "model code catches everything"])
def test_two_hundred_subcalls_in_flight(stage: Stage, swallow: bool) -> None:
    call = "llm_query_batched([f'prompt {i}' for i in range(200)])"
    guarded = ["while True:", "    try:", f"        {call}", "    except BaseException:", "        break"]
    stage.script = says(code(*(guarded if swallow else [call])), sub=Reply("late", delay=SLOW))
    stage.kernel.ok("context = 'mine'")
    stage.kernel.ok("%config RLMMagics.max_concurrent_subcalls = 200")
    took = interrupted(stage, "%rlm Go.", 1 + 200)
    # Before any reply could come: the figure in milliseconds is what `make bench` reports.
    assert took < SLOW / 2
    sent = len(stage.server.requests)
    assert sent == 201
    stage.server.wait_idle()
    stage.script = says("FINAL(still here)")
    assert stage.kernel.ok("%rlm And now?").result["text/plain"] == "still here"
    assert len(stage.server.requests) == sent + 1
    assert stage.kernel.value("context") == "mine"
    stage.kernel.ok("%config RLMMagics.max_concurrent_subcalls = 16")


def test_the_trace_says_interrupted(stage: Stage) -> None:
    stage.script = says(code("print('so far')", "answer['content'] = 'half'", "llm_query('x')"), sub=Reply(delay=SLOW))
    interrupted(stage, "%rlm A question that is cut off", 2)
    notebook = nbformat.read(stage.trace, as_version=4)
    nbformat.validate(notebook)
    text = "\n".join(str(cell) for cell in notebook.cells)
    assert "A question that is cut off" in text
    assert "interrupted" in text
    assert "so far" in text
    assert "half" in text


def test_while_the_root_model_writes(stage: Stage) -> None:
    stage.script = says(Reply("never read", delay=SLOW))
    assert interrupted(stage, "%rlm Go.", 1) < SLOW / 2
    stage.server.wait_idle()
    assert len(stage.server.requests) == 1


def test_in_python_code_and_in_an_await(stage: Stage) -> None:
    for busy in ("import time; time.sleep(60)", "while True: pass", "import asyncio; await asyncio.sleep(60)"):
        stage.server.requests.clear()
        stage.script = says(code("llm_query('now')", busy))
        message_id = stage.kernel.send("%rlm Go.")
        stage.server.wait_for(2)
        stage.server.wait_idle()
        stage.kernel.interrupt()
        assert stage.kernel.finish(message_id, timeout=10).status == "error"
    assert stage.kernel.value("2 + 2") == 4


def test_an_async_cell(stage: Stage) -> None:
    stage.script = says(code("llm_query_batched(['x'] * 20)"), sub=Reply(delay=SLOW))
    stage.kernel.ok("from rlm_jupyter import RLM\nrlm = RLM(environment='jupyter', backend_kwargs={'model_name': 'm'})")
    message_id = stage.kernel.send("await rlm.acompletion('Go.')")
    stage.server.wait_for(3)
    stage.kernel.interrupt()
    assert stage.kernel.finish(message_id).status == "error"
    sent = len(stage.server.requests)
    stage.server.wait_idle()
    assert len(stage.server.requests) == sent


BUSY = ["await asyncio.sleep(60)", "time.sleep(60)", "while True: pass"]
SWALLOWED = [*("for _ in range(4):", "    try:", "        time.sleep(60)", "    except BaseException:", "        pass")]


@pytest.mark.parametrize("busy", BUSY)
def test_model_code_in_an_async_cell(stage: Stage, busy: str) -> None:
    """Also when the event loop has gone to sleep: nothing wakes it but the interrupt."""
    stage.script = says(code("import asyncio, time", "llm_query('now')", busy))
    stage.kernel.ok("from rlm_jupyter import RLM\nrlm = RLM(environment='jupyter', backend_kwargs={'model_name': 'm'})")
    message_id = stage.kernel.send("await rlm.acompletion('Go.')")
    stage.server.wait_for(2)
    stage.server.wait_idle()
    threading.Event().wait(0.3)  # until then the code sleeps: there is nothing to see of it from here
    stage.kernel.interrupt()
    assert stage.kernel.finish(message_id, timeout=10).status == "error"
    assert stage.kernel.value("4 + 4") == 8


@pytest.mark.parametrize("call", ["rlm.completion('Go.')", "await rlm.acompletion('Go.')"])
def test_model_code_that_swallows_the_interrupt(stage: Stage, call: str) -> None:
    stage.script = says(code("import time", "llm_query('now')", *SWALLOWED))
    stage.kernel.ok("from rlm_jupyter import RLM\nrlm = RLM(environment='jupyter', backend_kwargs={'model_name': 'm'})")
    message_id = stage.kernel.send(call)
    stage.server.wait_for(2)
    stage.server.wait_idle()
    stage.kernel.interrupt()
    assert stage.kernel.finish(message_id, timeout=20).status == "error"


def test_an_interrupted_library_run_passes_through_except_exception(stage: Stage) -> None:
    stage.script = says(Reply("never read", delay=SLOW))
    stage.kernel.ok("from rlm_jupyter import RLM\nrlm = RLM(environment='jupyter', backend_kwargs={'model_name': 'm'})")
    message_id = stage.kernel.send(
        "for _ in range(3):\n    try:\n        rlm.completion('Go.')\n    except Exception:\n        pass"
    )
    stage.server.wait_for(1)
    stage.kernel.interrupt()
    assert stage.kernel.finish(message_id).error.startswith("InterruptedRun")
    stage.server.wait_idle()
    assert len(stage.server.requests) == 1


def test_a_time_limit_ends_one_of_two_asynchronous_runs(stage: Stage) -> None:
    stage.script = lambda request: (
        code("import asyncio", "await asyncio.sleep(60)")
        if "Slow" in request.prompt
        else Reply("FINAL(ok)", delay=SLOW)
    )
    stage.kernel.ok(
        """
import asyncio
from rlm_jupyter import RLM
rlm = RLM(environment="jupyter", backend_kwargs={"model_name": "m"})
limited = RLM(environment="jupyter", backend_kwargs={"model_name": "m"}, max_timeout=0.3)
both = await asyncio.gather(limited.acompletion("Slow."), rlm.acompletion("Quick."), return_exceptions=True)
left = asyncio.current_task().cancelling() if hasattr(asyncio.Task, "cancelling") else 0
told = [type(each).__name__ for each in both] + [left]
"""
    )
    assert stage.kernel.value("told") == ["TimeoutExceededError", "RLMChatCompletion", 0]


def test_a_second_run_in_the_same_namespace_is_refused(stage: Stage) -> None:
    stage.script = says(Reply("FINAL(ok)", delay=SLOW / 10))
    stage.kernel.ok(
        """
import asyncio
from rlm_jupyter import RLM
context = "mine"
both = {"sync_from_user_ns": True, "sync_to_user_ns": True}
rlm = RLM(environment="jupyter", environment_kwargs=both, backend_kwargs={"model_name": "m"})
done = await asyncio.gather(rlm.acompletion("One."), rlm.acompletion("Two."), return_exceptions=True)
"""
    )
    told = stage.kernel.value("sorted(type(each).__name__ for each in done)")
    assert told == ["ConfigurationError", "RLMChatCompletion"]
    assert stage.kernel.value("[context, 'llm_query' in globals()]") == ["mine", False]


@pytest.mark.parametrize("stubborn", [False, True])
def test_a_time_limit_holds_within_a_cell(stage: Stage, stubborn: bool) -> None:
    busy = ["for _ in range(3):", "    try:", "        time.sleep(60)", "    except BaseException:", "        pass"]
    stage.script = says(code("import time", "answer['content'] = 'half'", *(busy if stubborn else ["time.sleep(60)"])))
    executed = stage.kernel.run("%rlm --timeout 0.5 Go.", timeout=20)
    assert executed.error.startswith("TimeoutExceededError")
    assert "half" in executed.traceback
    assert "limit" in stage.trace.read_text()
    assert stage.kernel.value("3 + 3") == 6


def test_what_threads_of_model_code_still_ask_ends_with_the_answer(stage: Stage) -> None:
    ask = "threading.Thread(target=lambda: llm_query_batched(['late'] * 40), daemon=True).start()"
    stage.script = says(code("import threading", ask, "llm_query('now')"), "FINAL(done)", sub=_slow_unless_now)
    executed = stage.kernel.ok("%rlm --quiet --out done Go.")
    assert executed.result["text/plain"] == "done"
    assert stage.kernel.value("all(span.status is not None for span in done.trace.subcalls)")
    assert stage.kernel.value("done.trace.events[-1] is done.trace.root.end")
    sent = len(stage.server.requests)
    stage.server.wait_idle()
    assert len(stage.server.requests) == sent


def _slow_unless_now(request: ChatRequest) -> Reply:
    return Reply("a reply", delay=0 if request.prompt == "now" else SLOW)
