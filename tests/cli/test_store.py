"""``jupyter rlm store``: what a terminal says of the store, and does to it, while a server uses it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from recorded_runs import record

from rlm_jupyter.server.store import Store


class Terminal:
    """A shell in which ``jupyter rlm`` finds the data and the configuration of one user."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "data" / "rlm_jupyter" / "store.sqlite3"
        self.config = folder / "config"
        self.config.mkdir()
        folders = {"JUPYTER_DATA_DIR": str(folder / "data"), "JUPYTER_CONFIG_DIR": str(self.config)}
        self._environment = {**os.environ, **folders, "HOME": str(folder), "JUPYTER_NO_CONFIG": ""}

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "rlm_jupyter.cli", *arguments]
        return subprocess.run(command, env=self._environment, capture_output=True, text=True, timeout=60, check=False)

    def ok(self, *arguments: str) -> str:
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def fails(self, *arguments: str) -> str:
        done = self.run(*arguments)
        assert done.returncode != 0, done.stdout
        assert "Traceback" not in done.stderr
        return done.stderr


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    return Terminal(tmp_path)


@pytest.fixture
def store(terminal: Terminal) -> Iterator[Store]:
    """The store of a server that runs: eight runs in one notebook, and one under way."""
    kept = Store(terminal.path)
    key = kept.notebook("a.ipynb")
    for number in range(8):
        kept.take("k", key, record(session_id=f"s{number}", turn=0).events)
    kept.take("k", key, record(status=None).events)
    yield kept
    kept.close()


def test_stats_say_what_there_is(terminal: Terminal, store: Store) -> None:
    told = json.loads(terminal.ok("store", "stats", "--json"))
    stats = store.stats()
    assert told["path"] == str(terminal.path)
    for name in ("notebooks", "sessions", "runs", "running", "spans", "texts", "oldest", "newest", "journal"):
        assert told[name] == stats[name]
    assert (told["notebooks"], told["sessions"], told["runs"], told["running"]) == (1, 8, 9, 1)
    assert told["bytes"] > 0
    lines = dict(line.split(":", 1) for line in terminal.ok("store", "stats").splitlines())
    assert lines["store"].strip() == str(terminal.path)
    assert lines["runs"].strip() == "9"
    assert lines["oldest"].strip().startswith("20")


def test_prune_deletes_while_a_server_writes(terminal: Terminal, store: Store) -> None:
    told = terminal.ok("store", "prune", "--max-runs=6", "--dry-run")
    assert told.startswith("Would delete about: 2 runs, ")
    assert len(store.runs()) == 9
    assert terminal.ok("store", "prune", "--max-runs", "6").startswith("Deleted: 2 runs, ")
    assert [row.session_id for row in store.runs()] == [None, "s7", "s6", "s5", "s4", "s3", "s2"]
    store.take("k", None, record().events)
    assert terminal.ok("store", "prune", "--max-days=0").startswith("Deleted: 7 runs, ")
    assert [row.status for row in store.runs()] == [None]
    assert terminal.ok("store", "prune", "--max-bytes=1000000") == "Deleted: 0 runs, 0 bytes\n"


def test_the_servers_configuration_holds(terminal: Terminal, store: Store, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere.sqlite3"
    settings = {"RLMExtension": {"store_path": str(other), "max_runs": 1}}
    (terminal.config / "jupyter_server_config.json").write_text(json.dumps(settings))
    assert str(other) in terminal.fails("store", "stats")
    assert json.loads(terminal.ok("store", "stats", "--json", f"--store={terminal.path}"))["runs"] == 9
    assert terminal.ok("store", "prune", f"--store={terminal.path}").startswith("Deleted: 3 runs")
    (terminal.config / "jupyter_server_config.json").unlink()
    (terminal.config / "jupyter_rlm_jupyter_config.json").write_text(json.dumps(settings))
    assert str(other) in terminal.fails("store", "stats")


def test_a_store_in_the_home_folder_is_found_as_the_server_finds_it(terminal: Terminal, store: Store) -> None:
    settings = {"RLMExtension": {"store_path": "~/data/rlm_jupyter/store.sqlite3"}}
    (terminal.config / "jupyter_server_config.json").write_text(json.dumps(settings))
    assert json.loads(terminal.ok("store", "stats", "--json"))["path"] == str(terminal.path)


def test_errors_say_what_to_do(terminal: Terminal, tmp_path: Path) -> None:
    assert "the server makes it with the first run" in terminal.fails("store", "stats")
    assert not terminal.path.exists()
    assert "{run|trace|store}" in terminal.fails()
    assert "{stats|prune}" in terminal.fails("store")
    newer = tmp_path / "newer.sqlite3"
    with Store(newer)._database._open() as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    assert "pip install -U rlm-jupyter" in terminal.fails("store", "stats", f"--store={newer}")
    assert "max_runs" in terminal.fails("store", "prune", f"--store={newer}", "--max-runs=many")


def test_help_names_what_can_be_said(terminal: Terminal) -> None:
    assert "store" in terminal.ok("--help")
    told = terminal.ok("store", "prune", "--help")
    assert all(option in told for option in ("--max-runs", "--max-days", "--max-bytes", "--dry-run", "--store"))
    assert terminal.ok("--version").strip()


@pytest.mark.parametrize("command", [("stats",), ("prune",), ("prune", "--dry-run")])
def test_a_damaged_store_is_left_as_it_is(terminal: Terminal, command: tuple[str, ...]) -> None:
    terminal.path.parent.mkdir(parents=True)
    terminal.path.write_bytes(b"This is no database. " * 500)
    assert "damaged" in terminal.fails("store", *command)
    assert [path.name for path in terminal.path.parent.glob("store.sqlite3*")] == [terminal.path.name]
    assert terminal.path.read_bytes() == b"This is no database. " * 500


@pytest.mark.parametrize("days", ["-1", "nan"])
def test_days_that_cannot_be_meant_delete_nothing(terminal: Terminal, store: Store, days: str) -> None:
    assert "max_days" in terminal.fails("store", "prune", f"--max-days={days}")
    assert store.stats()["runs"] == 9
