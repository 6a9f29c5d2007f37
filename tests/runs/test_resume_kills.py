"""A process is killed at any moment of a run, and another one goes on: the answer is right, and nothing is paid twice.

``make soak`` kills 30 times.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import killed_run
import pytest
from family import question
from killed_run import ANSWER, CHILD, CONTEXT, settings
from scripted_server import ChatRequest, Reply, ScriptedServer
from scripts import code, is_root, step

from rlm_jupyter import RLM, RLMLogger
from rlm_jupyter.trace.files.opened import read_traces
from rlm_jupyter.trace.schema import ModelCallEnd, SubcallEnd
from rlm_jupyter.trace.trace import Trace

KILLS = min(30, 2 * int(os.environ.get("RLM_JUPYTER_SOAK", "1")))
REQUESTS = 10 + 3 + 200
"""Of the whole run: 10 replies of the root, 3 of the child, 200 sub-calls."""

MOMENTS = random.Random(7).sample(range(1, REQUESTS + 1), KILLS)


def root(done: int) -> str:
    if done == 0:
        return code("total = 0")
    if done == 4:
        return code(f"total += int(rlm_query({CHILD!r}))")
    if done == 9:
        return code("answer['content'] = str(total)", "answer['ready'] = True")
    start = 20 * (done - 1 if done < 4 else done - 2)
    prompts = f"[f'root {{number}}' for number in range({start}, {start + 20})]"
    if done == 8:  # 20 by 20: more than fit beside each other
        prompts = "[f'root {number}' for number in range(120, 160)]"
    return code(f"total += sum(map(int, llm_query_batched({prompts})))", "print(total)")


def child(done: int) -> str:
    if done == 2:
        return "FINAL_VAR(total)"
    begun = "total = 0\n" if done == 0 else ""
    prompts = f"[f'child {done}: {{number}}' for number in range(20)]"
    return code(f"{begun}total += sum(map(int, llm_query_batched({prompts})))")


def script(request: ChatRequest) -> Reply | str:
    if is_root(request):
        return child(step(request)) if question(request) == CHILD else root(step(request))
    return str(int(request.prompt.split()[-1]) ** 2)


class Victim:
    """A process that is killed when it sends its n-th request, while the others that it has sent are answered."""

    def __init__(self, moment: int) -> None:
        self._moment = moment
        self._started = threading.Event()
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, base_url: str, logs: Path) -> None:
        command = [sys.executable, killed_run.__file__, base_url, str(logs)]
        self.process = subprocess.Popen(command)
        self._started.set()

    def answers(self, request: ChatRequest) -> Reply | str:
        if request.number == self._moment:
            assert self._started.wait(30)
            assert self.process is not None
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        return script(request)


def asked(request: ChatRequest) -> str:
    """Name what is asked: a step of a run, or a sub-call's prompt."""
    return f"{question(request)}: {step(request)}" if is_root(request) else request.prompt


def replied(trace: Trace) -> list[str]:
    """Name what the trace holds a reply to."""
    found = []
    for run in (span for span in trace.walk() if span.kind == "run"):
        asks = run.start.payload.question  # type: ignore[union-attr]
        calls = [each for iteration in run.children for each in iteration.children if each.kind == "model_call"]
        answered = [each.status == "ok" for each in calls]
        found += [f"{asks}: {number}" for number, whole in enumerate(answered) if whole]
    for span in trace.subcalls:
        if span.status == "ok":
            found.append(trace.text(span.start.payload.prompt))  # type: ignore[union-attr]
    return found


@pytest.mark.timeout(60 + 30 * KILLS)
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_run_goes_on_and_nothing_recorded_is_asked_twice(moment: int, tmp_path: Path) -> None:
    victim = Victim(moment)
    with ScriptedServer(victim.answers) as server:
        victim.start(server.base_url, tmp_path)
        assert victim.process is not None
        assert victim.process.wait(60) == -signal.SIGKILL
        server.wait_idle()
        (log,) = tmp_path.glob("*.jsonl")
        (cut,) = read_traces(log)
        assert cut.status is None
        with RLM(**settings(server.base_url), logger=RLMLogger(tmp_path)) as rlm:
            completion = rlm.resume(log, CONTEXT)
    assert completion.response == ANSWER
    seen = Counter(asked(request) for request in server.requests)
    assert {name: seen[name] for name in replied(cut) if seen[name] != 1} == {}
    whole = completion.trace
    assert isinstance(whole, Trace)
    assert whole.run.resumes == cut.run_id
    assert Counter(replied(whole)) == Counter(set(seen)), "the new trace holds the whole run"
    assert len(seen) == REQUESTS
    paid = [each.end.payload for each in whole.walk() if each.end is not None]
    fresh = [each for each in paid if isinstance(each, ModelCallEnd | SubcallEnd) and not each.cached]
    assert len(fresh) == REQUESTS - len(replied(cut)) == completion.usage_summary.total.total_calls
    assert json.loads(whole.to_jsonl().splitlines()[0])["payload"]["resumes"] == cut.run_id
