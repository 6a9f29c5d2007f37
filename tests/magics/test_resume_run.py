"""A run that was cut goes on with ``%rlm resume``: stopped, failed, or cut with its kernel."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

from live_server import LiveServer, ServedKernel, eventually
from scripted_server import ChatRequest, Reply, ScriptedServer
from scripts import code, is_root, says, step
from stage import Stage

FIRST = "found = llm_query_batched([f'number {number}' for number in range(5)])\nprint(len(found))"
STEPS = (
    code(FIRST),
    code("found += [llm_query('the last one')]", "print(found[-1])"),
    code("answer['content'] = ' '.join(found)", "answer['ready'] = True"),
)
FOUND = "0 1 2 3 4 one"
LARGE = "for _ in range(5): display('x' * 900_000)"


def leaf(request: ChatRequest) -> str:
    return request.prompt.split()[-1]


def stopped(stage: Stage, cell: str, requests: int) -> None:
    """Run a cell, and press stop once so many requests have arrived."""
    message_id = stage.kernel.send(cell)
    stage.server.wait_for(requests)
    stage.kernel.interrupt()
    assert stage.kernel.finish(message_id).status == "error"
    stage.server.wait_idle()


def test_a_stopped_run_goes_on_in_its_session(stage: Stage) -> None:
    stage.script = says("FINAL(blue)")
    stage.kernel.ok("%rlm Which colour?")
    held = threading.Event()
    stage.script = says(STEPS[0], Reply(STEPS[1], held=held), *STEPS[2:], sub=leaf)
    stopped(stage, "%rlm What do you find?", 1 + 7)
    held.set()
    before = len(stage.server.requests)
    stage.script = says(*STEPS, sub=leaf)
    shown = stage.kernel.ok("resumed = %rlm resume\nresumed")
    assert shown.result["text/plain"] == FOUND
    assert len(stage.server.requests) == before + 3
    said = [message["content"] for message in stage.server.requests[before].messages]
    assert said == [message["content"] for message in stage.server.requests[before - 1].messages], "the same was told"
    assert "Which colour?" in said[1]
    history = stage.kernel.ok("%rlm history").text
    assert history.index("Which colour?") < history.index("What do you find?")
    assert FOUND in history
    assert stage.kernel.value("found[0]") == "0", "the variables are there"
    run_id = stage.kernel.value("resumed.metadata['run_id']")
    assert "came to its answer" in stage.kernel.run(f"%rlm resume {run_id}").error


def test_a_context_that_the_trace_does_not_hold_is_the_notebooks(stage: Stage) -> None:
    stage.kernel.ok("pile = ['straw'] * 100_000 + ['needle']\n%config RLMMagics.record_limit = 1000")
    stage.script = says(code("print(len(context))"), Reply("no", status=400))
    assert "answered 400" in stage.kernel.run("%rlm --context pile Where is it?").traceback
    stage.script = says(code("print(len(context))"), "FINAL(at the end)")
    stage.kernel.ok("kept = pile[:]\npile.append('another')")
    assert "not the context" in stage.kernel.run("%rlm resume").error
    stage.kernel.ok("del pile")
    assert "pile" in stage.kernel.run("%rlm resume").error
    stage.kernel.ok("pile = kept")
    assert "not the context" in stage.kernel.run("%rlm resume --context pile[1:]").error
    before = len(stage.server.requests)
    assert stage.kernel.ok("%rlm resume").result["text/plain"] == "at the end"
    assert len(stage.server.requests) == before + 1
    stage.kernel.ok("%config RLMMagics.record_limit = 200_000")


def test_a_run_goes_on_with_the_options_that_are_given_and_else_its_own(stage: Stage) -> None:
    stage.script = says(STEPS[0], Reply("no", status=400), sub=leaf)
    failed = stage.kernel.run("%rlm --model first --max-iterations 7 What do you find?")
    assert "answered 400" in failed.traceback
    assert "its last run was cut" in stage.kernel.ok("%rlm sessions").text
    asked = len(stage.server.requests)
    assert "needs someone to ask" in stage.kernel.run("%rlm resume --review").error
    assert "cannot be one" in stage.kernel.run("%rlm resume --out 2nd").error
    assert len(stage.server.requests) == asked
    stage.script = says(*STEPS, sub=leaf)
    assert "Token" in stage.kernel.run("%rlm --max-tokens 1 resume").error
    assert len(stage.server.requests) == asked + 1
    began = "import sys\ntrace = sys.last_value.trace"
    stage.kernel.ok(began)
    assert stage.kernel.value("[trace.run.model, trace.run.max_iterations]") == ["first", 7]
    stage.kernel.ok("%config RLMMagics.cache = 'replies'")
    with ScriptedServer(stage.script) as other:
        address = f"--base-url {other.base_url} --model second --quiet"
        run_id = stage.kernel.value("trace.run_id")
        options = f"{address} --no-cache --as str --out found_by"
        executed = stage.kernel.ok(f"resumed = %rlm --max-iterations 6 resume {run_id[:16]} {options}")
        assert {request.model for request in other.requests} == {"second"}
    assert executed.of("display_data") == []
    assert stage.kernel.value("[found_by, resumed.parsed, resumed.trace.run.max_iterations]") == [FOUND, FOUND, 6]
    assert not (stage.folder / "replies").exists()
    assert len(stage.server.requests) == asked + 1
    assert "its last run was cut" not in stage.kernel.ok("%config RLMMagics.cache = False\n%rlm sessions").text


def test_a_run_that_was_cut_with_its_kernel_goes_on_in_the_next_one(tmp_path: Path) -> None:
    """Its trace is larger than what the server tells at once."""
    kill: list[Callable[[], None]] = []
    steps = (code(FIRST, LARGE), *STEPS[1:])

    def script(request: ChatRequest) -> Reply | str:
        if not is_root(request):
            return leaf(request)
        if step(request) == 1 and kill:
            kill.pop()()
        return steps[step(request)]

    with ScriptedServer(script) as model:
        env = {"OPENAI_API_KEY": "for-the-scripted-model", "OPENAI_BASE_URL": model.base_url}
        with LiveServer(tmp_path, env=env) as server:
            kernel = server.notebook("analysis.ipynb")

            def killed() -> None:
                def stored() -> bool:
                    runs = server.get("rlm-jupyter/runs")["runs"]
                    return bool(runs) and runs[0]["subcalls"] == 5

                eventually(stored, "the sub-calls in the store")
                os.kill(pid, signal.SIGKILL)
                over.set()

            pid, over = kernel.pid, threading.Event()
            kill.append(killed)
            kernel.send("%%rlm\nWhat do you find?")
            assert over.wait(60)
            eventually(lambda: not server.get("rlm-jupyter/runs?status=running")["runs"], "the run's end in the store")
            kernel.close()
            kernel = ServedKernel(server, kernel.kernel_id, kernel.session_id)
            kernel.ok("%load_ext rlm_jupyter")
            eventually(lambda: "was cut" in kernel.ok("%rlm").text, "word of the run")
            assert kernel.ok("%rlm resume").result["text/plain"] == FOUND
            kernel.close()
    prompts = [request.prompt for request in model.requests if not is_root(request)]
    assert sorted(prompts) == [*(f"number {number}" for number in range(5)), "the last one"]
    assert [step(request) for request in model.requests if is_root(request)] == [0, 1, 1, 2]


def test_what_a_damaged_log_does_not_tell_is_said_and_asked_again(stage: Stage) -> None:
    stage.script = says(STEPS[0], Reply("no", status=400), sub=leaf)
    stage.kernel.run("%rlm What do you find?")
    cut = "[line if '\"kind\":\"subcall\"' not in line else 'broken' for line in trace.to_jsonl().splitlines()]"
    stage.kernel.ok(f"import sys\ntrace = sys.last_value.trace\nopen('cut.jsonl', 'w').write('\\n'.join({cut}))")
    stage.script = says(*STEPS, sub=leaf)
    before = len(stage.server.requests)
    shown = stage.kernel.ok("%rlm resume cut.jsonl")
    assert shown.result["text/plain"] == FOUND
    assert "events may be missing. What is not in the recording is asked again." in str(shown.messages)
    assert len(stage.server.requests) == before + 2 + 6
