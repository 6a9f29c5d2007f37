"""Files of every earlier version are brought up to date, step by step; those of a later one are left alone."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from recorded_runs import record

from rlm_jupyter.server.store import Store, StoreError
from rlm_jupyter.server.store.migrations import MIGRATIONS, NewerStoreError, migrate

STEPS = [
    ("CREATE TABLE kept (id INTEGER PRIMARY KEY, word TEXT)", "INSERT INTO kept (word) VALUES ('first')"),
    ("ALTER TABLE kept ADD COLUMN size INTEGER", "UPDATE kept SET size = length(word)"),
    ("CREATE TABLE more (id INTEGER PRIMARY KEY)", "INSERT INTO more SELECT id FROM kept"),
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "file.sqlite3"


@pytest.fixture
def connection(file: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(file, isolation_level=None)) as opened:
        yield opened


def version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


@pytest.mark.parametrize("earlier", range(len(STEPS) + 1))
def test_each_earlier_version_is_brought_up_to_date(connection: sqlite3.Connection, earlier: int) -> None:
    assert migrate(connection, STEPS[:earlier]) == 0
    if earlier:
        connection.execute("INSERT INTO kept (word) VALUES ('mine')")
    assert migrate(connection, STEPS) == earlier
    assert version(connection) == len(STEPS)
    words = connection.execute("SELECT word FROM kept ORDER BY id").fetchall()
    assert words == [("first",), ("mine",)][: 1 + bool(earlier)]
    assert migrate(connection, STEPS) == len(STEPS)


def test_a_step_that_fails_leaves_what_was_there(connection: sqlite3.Connection) -> None:
    broken = [*STEPS[:2], ("CREATE TABLE more (id INTEGER)", "INSERT INTO nowhere VALUES (1)")]
    with pytest.raises(sqlite3.OperationalError, match="nowhere"):
        migrate(connection, broken)
    assert version(connection) == 2
    assert [row[0] for row in connection.execute("SELECT name FROM sqlite_master")] == ["kept"]
    assert migrate(connection, STEPS) == 2


def test_a_newer_file_is_refused_and_left_as_it_is(connection: sqlite3.Connection) -> None:
    migrate(connection, STEPS)
    with pytest.raises(NewerStoreError, match=r"newer rlm-jupyter \(store version 3"):
        migrate(connection, STEPS[:2])
    assert version(connection) == 3


def test_several_may_do_it_at_once(file: Path) -> None:
    found: list[int] = []
    failed: list[BaseException] = []
    ready = threading.Barrier(6)

    def work() -> None:
        try:
            with closing(sqlite3.connect(file, timeout=30, isolation_level=None)) as connection:
                ready.wait(30)
                found.append(migrate(connection, STEPS))
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failed == []
    assert len(found) == 6
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (1,)


def test_the_store_says_that_a_newer_one_wrote_the_file(path: Path) -> None:
    with closing(Store(path)) as store:
        store.take("k", None, record().events)
    with closing(sqlite3.connect(path)) as connection:
        assert version(connection) == len(MIGRATIONS)
        connection.execute("PRAGMA user_version = 99")
    before = path.read_bytes()
    with closing(Store(path)) as store:
        with pytest.raises(StoreError, match=r"newer rlm-jupyter.*pip install -U rlm-jupyter"):
            store.runs()
        with pytest.raises(StoreError, match="newer"):
            store.take("k", None, record().events)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_every_table_says_what_the_store_reads(store: Store, path: Path) -> None:
    trace = record()
    store.take("k", None, trace.events)
    with closing(sqlite3.connect(path)) as connection:
        usage = connection.execute("SELECT sum(calls), sum(input_tokens), sum(cost) FROM usage").fetchone()
        row = connection.execute("SELECT calls, input_tokens, cost FROM runs").fetchone()
        assert usage == pytest.approx(row)
        assert row == pytest.approx((5, 30, 0.003))
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA auto_vacuum").fetchone() == (2,)


def test_of_runs_that_an_earlier_version_stored_the_limit_of_iterations_is_not_known(path: Path) -> None:
    path.parent.mkdir(mode=0o700)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        migrate(connection, MIGRATIONS[:1])
        columns = "run_id, root, kernel_id, server, version, arrived, seen, began, started"
        connection.execute(f"INSERT INTO runs ({columns}) VALUES ('r0', '', 'k', 'gone', 1, 0, 0, 0, 1)")
    trace = record()
    with closing(Store(path)) as store:
        store.take("k", None, trace.events)
        assert {run.run_id: run.max_iterations for run in store.runs()} == {"r0": None, trace.run_id: 3}
