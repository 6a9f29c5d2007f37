"""The file: its owner's alone, sound or put aside, and shared by the servers of one user."""

from __future__ import annotations

import os
import random
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from recorded_runs import record

from rlm_jupyter.server.store import Store, StoreError

TESTS = Path(__file__).parents[2]

WRITER = """
import sys, threading
from pathlib import Path
from recorded_runs import record
from rlm_jupyter.server.store import Store

store = Store(Path(sys.argv[1]))
runs = int(sys.argv[2])
sys.stdin.readline()
for number in range(runs):
    trace = record(f"question {number}")
    for first in range(0, len(trace.events), 5):
        changes, refused = store.take(sys.argv[3], store.notebook(f"{number % 3}.ipynb"), trace.events[first:first + 5])
        assert not refused
    print(trace.run_id, len(trace.events), flush=True)
store.close()
"""


@pytest.fixture(params=[0o000, 0o022, 0o777], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def damaged(path: Path) -> list[Path]:
    return sorted(file for file in path.parent.iterdir() if ".damaged-" in file.name)


def writer(path: Path, runs: int, kernel: str) -> subprocess.Popen[str]:
    """Return a process that writes so many runs once it is told to begin."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS.parent), str(TESTS)])}
    command = [sys.executable, "-c", WRITER, str(path), str(runs), kernel]
    return subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_nobody_else_may_read_it(umask: None, path: Path) -> None:
    with closing(Store(path)) as store:
        store.take("k", None, record().events)
        files = {file.name.removeprefix(path.name)[:7]: mode(file) for file in path.parent.iterdir()}
        assert files == {"": 0o600, "-wal": 0o600, "-shm": 0o600, "-server": 0o600}
        assert mode(path.parent) == 0o700


def test_a_file_that_others_could_read_is_made_private(path: Path) -> None:
    path.parent.mkdir(mode=0o755)
    path.parent.chmod(0o755)
    with closing(sqlite3.connect(path)):
        path.touch(0o644)
        path.chmod(0o644)
    with closing(Store(path)) as store:
        store.notebook("a.ipynb")
        assert {mode(file) for file in path.parent.iterdir()} == {0o600}
        assert mode(path.parent) == 0o755  # a folder that was there is its owner's business


def test_it_is_opened_when_it_is_used(path: Path) -> None:
    store = Store(path)
    assert not path.parent.exists()
    assert store.runs() == []
    assert path.is_file()
    store.close()
    store.close()
    with pytest.raises(StoreError, match="is closed"):
        store.runs()
    with pytest.raises(StoreError, match="is closed"):
        store.notebook("a.ipynb")


def test_what_is_stored_is_there_the_next_time(path: Path) -> None:
    trace = record(session_id="s", turn=0)
    with closing(Store(path)) as store:
        key = store.notebook("a.ipynb")
        store.take("k", key, trace.events)
    with closing(Store(path)) as store:
        kept = store.trace(trace.run_id)
        assert kept is not None
        assert kept.events == trace.events
        assert store.notebook_at("a.ipynb") == key
        assert store.stats()["runs"] == 1


def test_a_reader_that_is_new_waits_for_no_write(path: Path) -> None:
    """Not even the first one of many threads, each of which needs a connection of its own."""
    with closing(Store(path)) as store:
        key = store.notebook("a.ipynb")
        told: list[str | None] = []
        readers = [threading.Thread(target=lambda: told.append(store.path_of(key)), daemon=True) for _ in range(8)]

        def work(_: sqlite3.Connection) -> list[str | None]:
            for reader in readers:
                reader.start()
            for reader in readers:
                reader.join(20)
            return list(told)

        assert store._database.write(work) == ["a.ipynb"] * 8


def test_where_there_can_be_no_log_another_journal_serves(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.parent.mkdir()
    path.with_name(f"{path.name}-shm").mkdir()  # nothing can be shared here
    trace = record()
    for _ in range(2):
        with closing(Store(path)) as store:
            store.take("k", None, trace.events)
            assert store.stats()["journal"] == "delete"
            assert store.stats()["runs"] == 1
    assert "cannot have a write-ahead log" in caplog.text


@pytest.mark.parametrize("content", [b"no database at all" * 100, b"SQLite format 3\0" + bytes(range(256)) * 64])
def test_a_damaged_file_is_kept_and_a_new_one_begun(
    path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    with closing(Store(path)) as store:
        key = store.notebook("a.ipynb")
        assert store.path_of(key) == "a.ipynb"
    (kept,) = damaged(path)
    assert kept.read_bytes() == content
    assert kept.name in caplog.text
    assert "a new one is begun" in caplog.text


def test_a_file_that_is_damaged_under_a_server_is_kept_too(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with closing(Store(path)) as store:
        for _ in range(20):
            store.take("k", None, record(subcalls=20).events)
    chance = random.Random(4)
    with path.open("r+b") as file:
        for start in range(4096, path.stat().st_size, 4096):
            file.seek(start)
            file.write(chance.randbytes(2048))
    with closing(Store(path)) as store:
        trace = record()
        changes, _ = store.take("k", None, trace.events)
        assert [change.run_id for change in changes] == [trace.run_id]
        assert [row.run_id for row in store.runs()] == [trace.run_id]
        assert store.search("what")
    assert len([file for file in damaged(path) if not file.name.endswith(("-wal", "-shm"))]) == 1
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_a_damaged_index_of_words_is_made_anew(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    trace = record("needle")
    with closing(Store(path)) as store:
        store.take("k", None, trace.events)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE words_data SET block = x'00112233'")
    with closing(Store(path)) as store:
        other = record("needle too")
        store.take("k", None, other.events)
        assert {row.run_id for row in store.search("needle")} == {trace.run_id, other.run_id}
    assert damaged(path) == []
    assert "index" in caplog.text


def test_a_file_that_is_taken_away_is_begun_anew(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with closing(Store(path)) as store:
        store.take("k", None, record().events)
        path.unlink()
        assert store.take("k", None, record().events)[0][0].whole
        assert len(store.runs()) == 1
        assert path.is_file()
    assert "removed or replaced" in caplog.text


def test_a_file_that_cannot_be_used_is_an_error_that_names_it(tmp_path: Path) -> None:
    with closing(Store(tmp_path)) as store, pytest.raises(StoreError, match=str(tmp_path)):
        store.runs()
    (tmp_path / "file").touch()
    with (
        closing(Store(tmp_path / "file" / "store.sqlite3")) as store,
        pytest.raises(StoreError, match=r"store\.sqlite3"),
    ):
        store.notebook("a.ipynb")


def test_processes_that_open_it_at_once_all_write(path: Path) -> None:
    writers = [writer(path, 30, f"kernel {number}") for number in range(2)]
    for process in writers:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    told = []
    for process in writers:
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        told += [line.split() for line in out.splitlines()]
    with closing(Store(path)) as store:
        rows = {row.run_id: row for row in store.runs()}
        assert len(rows) == len(told) == 60
        for run_id, events in told:
            assert rows[run_id].whole
            assert rows[run_id].events == int(events)
        assert len({row.notebook_id for row in rows.values()}) == 3
        assert store.stats()["notebooks"] == 3


def test_threads_share_a_store(store: Store) -> None:
    traces = [record(f"question {number}") for number in range(40)]
    failed: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for trace in traces[number::8]:
                store.take(f"k{number}", store.notebook(f"{number}.ipynb"), trace.events)
                kept = store.trace(trace.run_id)
                assert kept is not None
                assert kept.events == trace.events
                assert store.search("question", limit=1)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failed == []
    assert store.stats()["runs"] == 40


def test_a_read_waits_for_no_write(store: Store, path: Path) -> None:
    trace = record()
    store.take("k", None, trace.events)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("DELETE FROM runs")
        assert [row.run_id for row in store.runs()] == [trace.run_id]
        kept = store.trace(trace.run_id)
        assert kept is not None
        connection.execute("ROLLBACK")
