"""What is left when a kernel or the server is killed at any moment: all that was published, and the conversation.

``make soak`` kills more often (``RLM_JUPYTER_SOAK`` times as often).
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from queue import Empty

import nbformat
import pytest
from jupyter_core.utils import ensure_event_loop
from live_server import LiveServer, ServedKernel, eventually
from scripted_server import ChatRequest, Reply, ScriptedServer
from scripts import code, is_root

from rlm_jupyter.trace.wire import TARGET

SOAK = int(os.environ.get("RLM_JUPYTER_SOAK", "1"))
KERNEL_KILLS, SERVER_KILLS = 5 * SOAK, 1 * SOAK
PROMPT_DELIVERY = 0.2  # seconds after which what was published must outlive any kill

QUESTION = "Which colour has the lamp?"
LONG = "How many of the five hundred say yes?"


def answer(request: ChatRequest) -> Reply | str:
    if not is_root(request):
        return Reply("yes " * 50, delay=0.1)
    if LONG in request.prompt:
        return code("print(len(llm_query_batched([f'{number}: ' + 'word ' * 100 for number in range(500)])))")
    return "FINAL(red)" if QUESTION in request.prompt else "FINAL(five hundred)"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LiveServer]:
    with ScriptedServer(answer) as model:
        env = {"OPENAI_API_KEY": "for-the-scripted-model", "OPENAI_BASE_URL": model.base_url}
        # A kernel that is killed again and again is restarted each time.
        with LiveServer(tmp_path, env=env, arguments=["--KernelRestarter.restart_limit=100000"]) as server:
            yield server


class Listener:
    """Hears what a kernel publishes, independently of the server, and notes when."""

    def __init__(self, kernel: ServedKernel) -> None:
        self._client = kernel.client
        self.heard: list[tuple[float, str, int]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def before(self, moment: float) -> set[tuple[str, int]]:
        """The run and the number of every event that was heard before then."""
        return {(run_id, seq) for heard, run_id, seq in self.heard if heard < moment}

    def _listen(self) -> None:
        try:
            self._hear()
        finally:
            ensure_event_loop().close()  # the client made one for this thread

    def _hear(self) -> None:
        ours = ""
        while not self._over.is_set():
            try:
                message = self._client.get_iopub_msg(timeout=0.05)
            except Empty:
                continue
            content = message["content"]
            if content.get("target_name") == TARGET or str(content.get("comm_id", "")).startswith(f"{TARGET}-"):
                ours = content["comm_id"]
            if message["msg_type"] == "comm_msg" and content["comm_id"] == ours:
                now = time.monotonic()
                self.heard += [(now, event["run_id"], event["seq"]) for event in content["data"].get("events", ())]


def numbers_in(store: Path) -> set[tuple[str, int]]:
    """The run and the number of every event that the store holds, and a check of its integrity."""
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        rows = connection.execute(
            "SELECT runs.run_id, number FROM runs JOIN (SELECT run, start_seq AS number FROM spans "
            "UNION SELECT run, end_seq FROM spans UNION SELECT run, seq FROM texts) ON run = runs.id"
        )
        return {(run_id, seq) for run_id, seq in rows}


def valid_trace(server: LiveServer, *parts: str) -> None:
    file = server.root / "analysis.trace.ipynb"
    eventually(lambda: file.is_file() and all(part in file.read_text() for part in parts), f"a trace with {parts}")
    nbformat.validate(nbformat.read(file, as_version=4))


def resumed(kernel: ServedKernel) -> str:
    """Load the extension, take up the conversation, and return the history as the user is shown it."""
    kernel.ok("%load_ext rlm_jupyter")
    eventually(lambda: "earlier session" in kernel.ok("%rlm").text, "word of the earlier session")
    kernel.ok("%rlm resume")
    return kernel.ok("%rlm history").text


@pytest.mark.timeout(120 + 30 * KERNEL_KILLS)
def test_a_killed_kernel_loses_nothing_that_it_had_published(server: LiveServer) -> None:
    chance = random.Random(1)
    kernel = server.notebook("analysis.ipynb")
    kernel.ok(f"%%rlm\n{QUESTION}")
    lost: set[tuple[str, int]] = set()
    for _ in range(KERNEL_KILLS):
        pid = kernel.pid
        listener = Listener(kernel)
        kernel.send(f"%%rlm\n{LONG}")
        eventually(lambda heard=listener.heard: heard, "the first event")  # type: ignore[misc]
        time.sleep(chance.uniform(0.0, 1.5))  # any moment of the run
        killed = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: not server.get("rlm-jupyter/runs?status=running")["runs"], "the run's end in the store")
        listener.stop()
        lost |= listener.before(killed - PROMPT_DELIVERY) - numbers_in(server.store)
        kernel.close()
        eventually(lambda old=pid: not _alive(old), "the kernel's end")  # type: ignore[misc]
        kernel = ServedKernel(server, kernel.kernel_id, kernel.session_id)
        history = resumed(kernel)
        assert QUESTION in history
        assert "red" in history
    assert lost == set()
    valid_trace(server, QUESTION, LONG)
    kernel.close()


@pytest.mark.timeout(120 + 60 * SERVER_KILLS)
def test_a_killed_server_loses_nothing_that_was_published(server: LiveServer) -> None:
    chance = random.Random(2)
    server.notebook("analysis.ipynb").ok(f"%%rlm\n{QUESTION}")
    eventually(lambda: [run for run in server.get("rlm-jupyter/runs")["runs"] if run["whole"]], "the first run")
    for _ in range(SERVER_KILLS):
        kernel = server.notebook("analysis.ipynb")
        listener = Listener(kernel)
        kernel.send(f"%%rlm\n{LONG}")
        eventually(lambda heard=listener.heard: heard, "the first event")  # type: ignore[misc]
        time.sleep(chance.uniform(0.0, 1.5))
        killed = time.monotonic()
        listener.stop()
        server.kill()
        assert listener.before(killed - PROMPT_DELIVERY) - numbers_in(server.store) == set()
        server.start()
        kernel = server.notebook("analysis.ipynb", extension=False)
        assert QUESTION in resumed(kernel)
        runs = server.get("rlm-jupyter/runs")["runs"]
        assert {run["status"] for run in runs} <= {"ok", "interrupted"}, "no run is under way after a restart"
    valid_trace(server, QUESTION, LONG)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
