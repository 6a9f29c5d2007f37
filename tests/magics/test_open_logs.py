"""A kernel that is killed with no server beside it leaves a log of its run, with which the next one goes on."""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path

from live_kernel import LiveKernel
from scripted_server import ChatRequest, Reply, ScriptedServer
from scripts import code, is_root, says

STEPS = (
    code("found = llm_query_batched([f'number {number}' for number in range(5)])", "print(len(found))"),
    code("found += [llm_query('the last one')]", "FINAL(' '.join(found))"),
)


def test_a_killed_kernel_without_a_server_leaves_its_run_to_the_next(tmp_path: Path) -> None:
    data, notebook = tmp_path / "data", tmp_path / "analysis.ipynb"
    notebook.write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}')
    logs = data / "rlm_jupyter" / "under_way"
    held, came = threading.Event(), threading.Event()

    def script(request: ChatRequest) -> Reply | str:
        if request.prompt == "the last one" and not held.is_set():
            came.set()
            return Reply("late", held=held)
        return says(*STEPS)(request) if is_root(request) else request.prompt.split()[-1]

    with ScriptedServer(script) as server:
        env = {
            "JPY_SESSION_NAME": str(notebook),
            "JUPYTER_DATA_DIR": str(data),
            "OPENAI_API_KEY": "sk-test",
            "OPENAI_BASE_URL": server.base_url,
            "RLM_JUPYTER_MODEL": "m",
        }
        with LiveKernel(env, cwd=str(tmp_path)) as kernel:
            process = kernel.value("__import__('os').getpid()")
            kernel.send("%rlm What do you find?")
            assert came.wait(30)
            (log,) = logs.glob("*.jsonl")
            assert logs.stat().st_mode & 0o077 == 0
            os.kill(process, signal.SIGKILL)
            held.set()
        assert json.loads(log.read_text().splitlines()[0])["payload"]["question"] == "What do you find?"
        asked = [request.prompt for request in server.requests]
        with LiveKernel(env, cwd=str(tmp_path)) as kernel:
            shown = kernel.ok("resumed = %rlm resume\nresumed")
            assert shown.result["text/plain"] == "0 1 2 3 4 one"
            assert not list(logs.iterdir())
            assert "nothing to resume" in kernel.run("%rlm resume").error
        again = [request.prompt for request in server.requests][len(asked) :]
        assert again == ["the last one"], "nothing that was recorded is asked twice"
