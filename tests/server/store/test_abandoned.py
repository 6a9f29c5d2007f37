"""Runs whose kernel died end as interrupted, and what comes late of them still counts."""

from __future__ import annotations

import json
from pathlib import Path

from recorded_runs import record

from rlm_jupyter.server.store import Store
from rlm_jupyter.trace.schema import Blob, SpanStart
from rlm_jupyter.trace.trace import Trace


def test_the_open_runs_of_a_kernel_end(store: Store) -> None:
    over, open_run, other = record(), record(status=None, session_id="s"), record(status=None)
    store.take("k", None, [*over.events, *open_run.events])
    store.take("another", None, other.events)
    (change,) = store.abandon("k")
    assert (change.run_id, change.kernel_id, change.session_id) == (open_run.run_id, "k", "s")
    assert (change.status, change.began, change.ended, change.whole) == ("interrupted", False, True, False)
    assert store.abandon("k") == store.abandon("unknown") == []
    row, untouched = store.run(open_run.run_id), store.run(other.run_id)
    assert row is not None
    assert untouched is not None
    assert untouched.status is None
    assert (row.status, row.whole, row.last_seq) == ("interrupted", False, change.last_seq)
    assert row.ended is not None
    assert row.error is None
    assert row.events == change.last_seq + 1


def test_its_trace_is_complete(store: Store) -> None:
    trace = record(status=None)
    store.take("k", None, trace.events)
    (change,) = store.abandon("k")
    kept = store.trace(trace.run_id)
    assert kept is not None
    assert kept.status == "interrupted"
    assert [event.seq for event in kept.events] == list(range(change.last_seq + 1))
    assert kept.events[: len(trace.events)] == trace.events
    assert all(span.end is not None and span.end.ended >= span.start.started for span in kept.spans.values())
    assert kept.outcome is not None
    assert kept.outcome.error is not None
    assert kept.events[-1].event == "end"
    assert kept.root is not None
    assert kept.events[-1] is kept.root.end
    assert json.loads(store.spans(trace.run_id, change.last_seq)[0])["span_id"] == "s1"


def test_what_comes_late_wins(store: Store) -> None:
    whole = record(subcalls=3)
    for cut in range(1, len(whole.events)):
        trace = record(subcalls=3)
        store.take("k", None, trace.events[:cut])
        store.abandon("k")
        for number in range(cut, len(trace.events)):
            (change,), refused = store.take("k", None, trace.events[number : number + 1])
            assert refused == 0
            late = store.trace(trace.run_id)
            assert late is not None
            assert late.events[: number + 1] == trace.events[: number + 1]
            assert change.status == late.status
            assert change.last_seq == late.events[-1].seq == len(late.events) - 1
        assert (change.status, change.ended, change.whole) == ("ok", True, True)
        kept = store.trace(trace.run_id)
        assert kept is not None
        assert kept.events == trace.events


def test_a_replay_and_a_stranger_change_nothing_of_it(store: Store) -> None:
    trace = record(status=None)
    store.take("k", None, trace.events)
    store.abandon("k")
    before = store.trace(trace.run_id)
    assert store.take("another", None, trace.events[:3]) == ([], 3)
    assert store.take("k", None, [trace.events[0].model_copy(update={"version": 99})]) == ([], 1)
    (change,), _ = store.take("k", None, trace.events[:3])
    assert (change.status, change.ended, change.whole) == ("interrupted", False, False)
    after = store.trace(trace.run_id)
    assert before is not None
    assert after is not None
    assert after.events == before.events


def test_a_run_of_which_only_a_part_came_ends_as_well(store: Store) -> None:
    trace = record()
    texts = [event for event in trace.events if isinstance(event, Blob)]
    store.take("k", None, texts)
    (change,) = store.abandon(None)
    assert change.status == "interrupted"
    store.take("k", None, trace.events[:1])
    kept = store.trace(trace.run_id)
    assert kept is not None
    assert kept.status == "interrupted"
    starts = [event for event in trace.events if isinstance(event, SpanStart)]
    store.take("k", None, starts)
    kept = store.trace(trace.run_id)
    assert kept is not None
    assert {span.status for span in kept.spans.values()} == {"interrupted"}
    assert len(kept.spans) == len(starts)


def test_a_server_ends_only_what_nobody_listens_to(path: Path) -> None:
    mine, theirs, left, alive = (record(status=None) for _ in range(4))
    gone, here, there = Store(path), Store(path), Store(path)
    gone.take("left", None, left.events)
    gone.take("alive", None, alive.events)
    there.take("theirs", None, theirs.events)
    assert here.abandon(None) == []
    gone.close()
    here.take("mine", None, mine.events)
    changes = here.abandon(None, alive=["alive"])
    assert {change.kernel_id for change in changes} == {"left", "mine"}
    there.close()
    assert [change.kernel_id for change in here.abandon(None, alive=["alive"])] == ["theirs"]
    here.close()
    assert sorted(file.name for file in path.parent.iterdir()) == [path.name]


def test_a_run_that_goes_on_beyond_a_restart_belongs_to_the_server_that_hears_it(path: Path) -> None:
    trace: Trace = record(status=None)
    first = Store(path)
    first.take("k", None, trace.events[:3])
    first.close()
    second, third = Store(path), Store(path)
    second.take("k", None, trace.events[3:])
    assert third.abandon(None) == []
    second.close()
    assert len(third.abandon(None)) == 1
    third.close()
