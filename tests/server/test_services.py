"""The extension in a server whose store cannot be used just now."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from live_server import LiveServer, eventually
from scripted_server import ScriptedServer
from scripts import says


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LiveServer]:
    with ScriptedServer(says("FINAL(seven)")) as model:
        env = {"OPENAI_API_KEY": "for-the-scripted-model", "OPENAI_BASE_URL": model.base_url}
        with LiveServer(tmp_path, env=env) as server:
            yield server


@contextmanager
def locked(store: Path) -> Iterator[None]:
    """Have another program write to the store for as long as it likes."""
    with closing(sqlite3.connect(store, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


def ended(server: LiveServer) -> list[str]:
    """The questions of the runs that the store holds to their end."""
    return sorted(run["question"] for run in server.get("rlm-jupyter/runs")["runs"] if run["whole"])


def test_a_store_that_is_in_use_when_the_server_begins_is_used_later(server: LiveServer) -> None:
    server.notebook("analysis.ipynb").ok("%%rlm\nBefore?")
    eventually(lambda: ended(server) == ["Before?"], "the first run")
    server.stop()
    with locked(server.store):
        server.start()
        assert server.get("rlm-jupyter/health")["kernels"] == {"heard": 0, "relayed": 0}
        kernel = server.notebook("analysis.ipynb")
        kernel.ok("%%rlm\nMeanwhile?")
    eventually(lambda: ended(server) == ["Before?", "Meanwhile?"], "both runs", 60)
    trace = server.root / "analysis.trace.ipynb"
    eventually(lambda: "Meanwhile?" in trace.read_text(), "the trace")


def test_a_server_ends_in_good_order_although_the_store_is_in_use(server: LiveServer) -> None:
    kernel = server.notebook("analysis.ipynb")
    pid = kernel.pid
    kernel.ok("%%rlm\nBefore?")
    eventually(lambda: ended(server) == ["Before?"], "the first run")
    with locked(server.store):
        kernel.ok("%%rlm\nIs it kept?")
        server.stop()
        assert server.process.returncode == 0, server.log.read_text()[-2000:]
    eventually(lambda: not Path(f"/proc/{pid}").exists(), "the kernel's end")
    server.start()


def test_an_answer_that_was_given_just_before_the_end_is_kept(server: LiveServer) -> None:
    kernel = server.notebook("analysis.ipynb")
    for number in range(3):
        kernel.ok(f"%%rlm\nQuestion {number}?")
    server.stop()
    server.start()
    assert ended(server) == [f"Question {number}?" for number in range(3)]


def test_a_setting_that_cannot_be_used_is_not_passed_over(tmp_path: Path) -> None:
    arguments = ["--RLMExtension.trace_interval=0.5", "--RLMExtension.trace_location=nowhere"]
    with LiveServer(tmp_path, arguments=arguments) as server:
        status, told = server.ask("GET", "rlm-jupyter/health")
        assert (status, told["reason"]) == (503, "Failed")
        assert "trace_interval" in told["message"]
        server.notebook("analysis.ipynb").ok("%rlm")
        assert not server.store.exists()
