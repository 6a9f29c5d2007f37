"""The store stays within its bounds: old runs go, never one that is under way, and the bytes go with them."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
from recorded_runs import record

from rlm_jupyter.server.store import Pruned, Store
from rlm_jupyter.server.store.files import disk_bytes
from rlm_jupyter.trace.trace import Trace

DAY = 86_400


def fill(store: Store, count: int, notebook: int | None = None, subcalls: int = 20) -> list[str]:
    runs = []
    for number in range(count):
        trace = record(f"question {number}", subcalls=subcalls, session_id=f"s{number}", turn=0, text="long text " * 40)
        store.take("k", notebook, trace.events)
        runs.append(trace.run_id)
    return runs


def kept(store: Store) -> list[str]:
    return [row.run_id for row in reversed(store.runs())]


def spans(store: Store, run_id: str) -> int:
    trace = store.trace(run_id)
    assert trace is not None
    return len(trace.spans)


def age(path: Path, days: float, *runs: str) -> None:
    """Let so many days pass for what the runs, or without any all notebooks and memories, have on their clock."""
    with closing(sqlite3.connect(path)) as connection, connection:
        for run in runs:
            connection.execute("UPDATE runs SET seen = seen - ? WHERE run_id = ?", (days * DAY, run))
        if not runs:
            connection.execute("UPDATE notebooks SET deleted = deleted - ?", (days * DAY,))
            connection.execute("UPDATE dropped SET dropped = dropped - ?", (days * DAY,))


def rows(path: Path) -> dict[str, int]:
    tables = ("notebooks", "runs", "spans", "texts", "gaps", "dropped")
    with closing(sqlite3.connect(path)) as connection:
        return {table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables}


def test_without_bounds_everything_stays(store: Store) -> None:
    runs = fill(store, 3)
    assert store.prune() == Pruned(0, 0)
    assert kept(store) == runs


def test_the_oldest_runs_go(path: Path) -> None:
    with closing(Store(path, max_runs=6)) as store:
        assert store.prune() == Pruned(0, 0)
        runs = fill(store, 10)
        before = disk_bytes(path)
        estimate = store.prune(dry_run=True)
        assert kept(store) == runs
        pruned = store.prune()
        assert pruned.runs == estimate.runs == 4
        assert 0.5 < estimate.bytes / pruned.bytes < 2
        assert kept(store) == runs[4:]
        assert disk_bytes(path) < before - pruned.bytes / 2
        assert [row.session_id for row in store.sessions()] == ["s9", "s8", "s7", "s6", "s5", "s4"]
        assert store.search("question 1") == []
        assert store.prune().runs == 0
        trace = store.trace(runs[-1])
        assert trace is not None
        assert trace.status == "ok"


def test_runs_go_when_they_are_too_old(path: Path) -> None:
    with closing(Store(path, max_days=30)) as store:
        runs = fill(store, 3)
        age(path, 31, *runs[1:2])
        age(path, 29, *runs[:1])
        assert store.prune().runs == 1
        assert kept(store) == [runs[0], runs[2]]


def test_runs_go_until_the_bytes_fit(path: Path) -> None:
    with closing(Store(path)) as store:
        runs = fill(store, 40)
    large = disk_bytes(path)
    with closing(Store(path, max_bytes=large // 2)) as store:
        pruned = store.prune()
        assert store.stats()["bytes"] <= large // 2
        assert 10 < pruned.runs < 30
        assert kept(store) == runs[pruned.runs :]
    with closing(Store(path, max_bytes=1)) as store:
        store.prune()
        assert kept(store) == runs[-5:]


def test_whoever_holds_most_gives_first(path: Path) -> None:
    with closing(Store(path, max_runs=16)) as store:
        few = fill(store, 7, store.notebook("few.ipynb"), subcalls=1)
        many = fill(store, 12, store.notebook("many.ipynb"), subcalls=1)
        assert store.prune().runs == 3
        assert kept(store) == [*few, *many[3:]]
    with closing(Store(path, max_runs=1)) as store:
        store.prune()
        assert kept(store) == [*few[-5:], *many[-5:]]


def test_what_a_large_notebook_takes_costs_no_other_one_its_runs(path: Path) -> None:
    with closing(Store(path)) as store:
        small = fill(store, 10, store.notebook("small.ipynb"), subcalls=1)
        large = fill(store, 10, store.notebook("large.ipynb"), subcalls=100)
    with closing(Store(path, max_bytes=disk_bytes(path) * 3 // 4)) as store:
        pruned = store.prune()
        assert 0 < pruned.runs <= 5
        assert kept(store) == [*small, *large[pruned.runs :]]


def test_a_huge_run_under_way_costs_no_other_one_its_place(path: Path) -> None:
    with closing(Store(path)) as store:
        runs = fill(store, 10)
    before = disk_bytes(path)
    with closing(Store(path, max_bytes=2 * before)) as store:
        huge = record(status=None, text="long text " * 40, subcalls=3_000)
        store.take("k", None, huge.events)
        assert disk_bytes(path) > 3 * before
        assert store.prune().runs == 0
        assert kept(store) == [*runs, huge.run_id]


def test_a_run_under_way_never_goes(path: Path) -> None:
    with closing(Store(path, max_runs=1, max_days=0.0, max_bytes=1)) as store:
        traces: list[Trace] = [record(status=None), record(), record(status=None), record()]
        for trace in traces:
            store.take("k", None, trace.events)
        age(path, 1_000, *(trace.run_id for trace in traces))
        assert store.prune().runs == 2
        assert kept(store) == [traces[0].run_id, traces[2].run_id]
        store.abandon("k")
        age(path, 1_000, *(trace.run_id for trace in traces))
        assert store.prune().runs == 2
        assert kept(store) == []


def test_what_belongs_to_nothing_goes_too(path: Path) -> None:
    with closing(Store(path, max_days=30)) as store:
        for name in ("empty", "asked", "copied", "merged", "live"):
            store.notebook(f"{name}.ipynb")
        asked = store.notebook_at("asked.ipynb")
        age(path, 31, fill(store, 2, asked)[0])
        store.copied("copied.ipynb", "copy.ipynb")
        store.moved("merged.ipynb", "live.ipynb")
        for name in ("empty", "asked", "copied"):
            store.deleted(f"{name}.ipynb")
        store.prune()
        assert rows(path)["notebooks"] == 6
        age(path, 2)
        store.prune()
        assert rows(path)["notebooks"] == 4  # asked, copied, copy, live
        (run,) = kept(store)
        store.delete_run(run)
        age(path, 31)
        store.prune()
        left = rows(path)
        assert (left["notebooks"], left["runs"], left["spans"], left["texts"], left["dropped"]) == (3, 0, 0, 0, 0)


def test_a_deleted_run_is_gone_with_all_of_it_and_stays_so(store: Store, path: Path) -> None:
    trace = record(subcalls=1_500)
    store.take("k", None, trace.events[10:])
    full = disk_bytes(path)
    assert store.delete_run(trace.run_id)
    assert not store.delete_run(trace.run_id)
    assert not store.delete_run("unknown")
    left = rows(path)
    assert (left["runs"], left["spans"], left["texts"], left["gaps"]) == (0, 0, 0, 0)
    assert disk_bytes(path) < full / 4
    assert store.take("k", None, trace.events) == ([], len(trace.events))
    assert store.run(trace.run_id) is None
    assert store.trace(trace.run_id) is None
    assert store.spans(trace.run_id) == []
    assert store.missing(trace.run_id) == []


def test_what_was_deleted_is_not_in_the_file_any_more(store: Store, path: Path) -> None:
    keep = record("a question")
    trace = record("the-password-is-hunter22", "hunter22", text="hunter22 " * 50)
    store.take("k", None, [*keep.events, *trace.events])
    store.delete_run(trace.run_id)
    store.close()
    assert [file.name for file in path.parent.iterdir() if b"hunter22" in file.read_bytes()] == []


def test_a_session_is_deleted_with_its_runs(store: Store) -> None:
    key = store.notebook("a.ipynb")
    for turn in range(3):
        store.take("k", key, record(session_id="s", turn=turn).events)
    other = record(session_id="t", turn=0)
    store.take("k", key, other.events)
    assert store.delete_session(key, "s") == 3
    assert store.delete_session(key, "s") == 0
    assert kept(store) == [other.run_id]


def test_others_write_and_read_while_the_store_is_pruned(path: Path) -> None:
    with closing(Store(path, max_runs=1)) as writing:
        fill(writing, 30, subcalls=200)
        failed: list[BaseException] = []
        pruned = threading.Event()
        traces = [record() for _ in range(1_000)]
        done = 0

        def prune() -> None:
            writing.prune()
            pruned.set()

        thread = threading.Thread(target=prune)
        thread.start()
        try:
            while not pruned.is_set() and done < len(traces):
                (change,), refused = writing.take("k", None, traces[done].events)
                assert change.whole
                assert not refused
                assert writing.stats()["journal"] == "wal"
                done += 1
        except BaseException as error:
            failed.append(error)
        thread.join(60)
        assert failed == []
        assert done > 3  # it did not have to wait for the end
        writing.vacuum()
        assert rows(path)["spans"] == sum(spans(writing, run) for run in kept(writing))


@pytest.mark.parametrize("crash", [0, 1, 2])
def test_a_deletion_that_was_cut_off_is_finished(path: Path, crash: int) -> None:
    with closing(Store(path)) as store:
        runs = fill(store, 3)
    with closing(sqlite3.connect(path)) as connection, connection:  # as a crash leaves it
        key = connection.execute("SELECT id FROM runs WHERE run_id = ?", (runs[crash],)).fetchone()[0]
        connection.execute("INSERT INTO dropped (run, run_id, dropped) VALUES (?, ?, 0)", (key, runs[crash]))
        connection.execute("DELETE FROM runs WHERE id = ?", (key,))
        connection.execute("DELETE FROM spans WHERE run = ? AND id % 2 = 0", (key,))
    with closing(Store(path)) as store:
        store.prune()
        assert rows(path)["spans"] == 2 * spans(store, runs[crash - 1])
        assert store.search("question")
