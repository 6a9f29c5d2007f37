"""A server may be killed at any moment: what was stored is there, and the file is sound."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from recorded_runs import record

from rlm_jupyter.server.store import Store

TESTS = Path(__file__).parents[2]
KILLS = 20

WRITER = """
import sys
from pathlib import Path
from recorded_runs import record
from rlm_jupyter.server.store import Store

store = Store(Path(sys.argv[1]), max_runs=int(sys.argv[2]))
for number in range(100_000):
    trace = record(f"question {number}", subcalls=50, text="text " * 50)
    for first in range(0, len(trace.events), 10):
        (change,), refused = store.take("k", store.notebook("a.ipynb"), trace.events[first:first + 10])
        assert not refused
        print(trace.run_id, change.last_seq, flush=True)
    if number % 4 == 3:
        store.prune()
"""


def killed_writer(path: Path, max_runs: int, batches: int) -> dict[str, int]:
    """Let a process write, kill it after so many batches, and return the last number of each run that it had stored."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS.parent), str(TESTS)])}
    command = [sys.executable, "-c", WRITER, str(path), str(max_runs)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(batches)]
        process.kill()
        lines += process.stdout.readlines()
    told = [line.split() for line in lines if line.endswith("\n")]
    return {run_id: int(last) for run_id, last in told}


def test_every_batch_that_was_stored_is_there_after_a_kill(path: Path) -> None:
    chance = random.Random(5)
    stored: dict[str, int] = {}
    for number in range(KILLS):
        # Every fourth time the store is small, so that runs are being deleted, too.
        max_runs = 2 if number % 4 == 3 else 100_000
        new = killed_writer(path, max_runs, chance.randrange(1, 120))
        stored |= new
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        with closing(Store(path)) as store:
            rows = {row.run_id: row for row in store.runs(limit=10_000)}
            expected = stored if max_runs > 2 else {run: stored[run] for run in rows if run in stored}
            assert expected
            for run_id, last in expected.items():
                assert rows[run_id].last_seq >= last
                assert store.missing(run_id) == []
            for run_id in expected.keys() & new.keys():
                trace = store.trace(run_id)
                assert trace is not None
                assert [event.seq for event in trace.events] == list(range(rows[run_id].last_seq + 1))
            changes = store.abandon(None)
            assert {change.run_id for change in changes} == {run for run, row in rows.items() if row.status is None}
            for change in changes:
                assert store.delete_run(change.run_id)
                stored.pop(change.run_id, None)
            stored = {run: last for run, last in stored.items() if run in rows}
            late = record()
            assert store.take("k", None, late.events)[0][0].whole
            stored[late.run_id] = len(late.events) - 1
