"""Every event under its number, once, whatever the order; nothing that a kernel says breaks or spoils the store."""

from __future__ import annotations

import json
import random
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from recorded_runs import record

from rlm_jupyter.server.refusal import Reason
from rlm_jupyter.server.store import Store
from rlm_jupyter.server.store.events import SEQ_LIMIT
from rlm_jupyter.server.validation import read_events
from rlm_jupyter.trace.schema import (
    Blob,
    CodeEnd,
    Event,
    IterationStart,
    ModelCallEnd,
    RunEnd,
    RunStart,
    SpanEnd,
    SpanStart,
    SpanText,
    SubcallEnd,
    SubcallStart,
    UsageRecord,
)
from rlm_jupyter.trace.trace import Trace

RUN = "0" * 32


def start(seq: int, span: str, payload: Any, parent: str | None = "s1", run: str = RUN, at: float = 1.0) -> SpanStart:
    return SpanStart(run_id=run, seq=seq, span_id=span, parent_id=parent, started=at, payload=payload)


def end(seq: int, span: str, payload: Any, run: str = RUN, at: float = 2.0) -> SpanEnd:
    return SpanEnd(run_id=run, seq=seq, span_id=span, ended=at, status="ok", payload=payload)


def root(seq: int = 0, run: str = RUN, **fields: Any) -> SpanStart:
    begin = RunStart(question="What?", model="m", backend="b", environment="local", max_iterations=1, **fields)
    return start(seq, "s1", begin, parent=None, run=run)


def take(store: Store, *events: Event, kernel: str = "k") -> int:
    """Store the events and return how many were refused."""
    return store.take(kernel, None, events)[1]


def test_a_run_says_which_one_it_takes_up_again(store: Store) -> None:
    later = "1" * 32
    assert take(store, root(), root(run=later, resumes=RUN)) == 0
    assert {run.run_id: run.resumes for run in store.runs()} == {RUN: None, later: RUN}


def test_a_run_is_told_as_it_was_recorded(store: Store) -> None:
    trace = record(session_id="s", turn=0, cell_id="c")
    (began,), refused = store.take("k", None, trace.events[:1])
    (grew,), _ = store.take("k", None, trace.events[1:-1])
    (ended,), _ = store.take("k", None, trace.events[-1:])
    last = len(trace.events) - 1
    assert refused == 0
    assert (began.began, began.ended, began.status, began.last_seq, began.session_id) == (True, False, None, 0, "s")
    assert (grew.began, grew.ended, grew.status, grew.last_seq, grew.whole) == (False, False, None, last - 1, False)
    assert (ended.began, ended.ended, ended.status, ended.last_seq, ended.whole) == (False, True, "ok", last, True)
    row = store.run(trace.run_id)
    assert row is not None
    assert (row.question, row.answer, row.model, row.status) == ("What is it?", "42", "m", "ok")
    assert (row.session_id, row.turn, row.cell_id, row.kernel_id) == ("s", 0, "c", "k")
    assert (row.iterations, row.subcalls, row.children, row.events, row.whole) == (1, 2, 1, last + 1, True)
    assert row.input_tokens == trace.usage.total_input_tokens == 30
    assert row.cost == pytest.approx(trace.usage.total_cost)
    assert store.missing(trace.run_id) == []


def test_events_may_come_in_any_order_and_again(store: Store) -> None:
    chance = random.Random(1)
    for _ in range(30):
        trace = record(subcalls=8)
        events = list(trace.events) * 2
        chance.shuffle(events)
        changes = []
        while events:
            size = chance.randrange(1, 12)
            batch, events = events[:size], events[size:]
            told, refused = store.take("k", None, batch)
            assert refused == 0
            changes += told
        assert sum(change.began for change in changes) == sum(change.ended for change in changes) == 1
        assert changes[-1].whole
        kept = store.trace(trace.run_id)
        assert kept is not None
        assert kept.events == trace.events
        assert store.missing(trace.run_id) == []
        row = store.run(trace.run_id)
        assert row is not None
        usage = store.usage(trace.run_id)
        assert {each.model: each.calls for each in usage} == {"m": 1, "small": 16}
        assert row.input_tokens == sum(each.input_tokens for each in usage) == trace.usage.total_input_tokens
        assert row.cost == pytest.approx(sum(each.cost or 0 for each in usage))


def test_what_is_missing_is_named_as_ranges(store: Store) -> None:
    trace = record(subcalls=4)
    events, last = trace.events, len(trace.events) - 1
    store.take("k", None, [events[0], events[5], events[6], events[last]])
    assert store.missing(trace.run_id) == [(1, 4), (7, last - 1)]
    assert store.missing(trace.run_id, 1) == [(1, 4)]
    (change,), _ = store.take("k", None, [events[2], events[4], events[7], events[last - 1]])
    assert (change.status, change.whole) == ("ok", False)
    assert store.missing(trace.run_id) == [(1, 1), (3, 3), (8, last - 2)]
    (change,), _ = store.take("k", None, [events[1], events[3], *events[8 : last - 1]])
    assert change.whole
    assert store.missing(trace.run_id) == store.missing("unknown") == []


def test_the_first_event_under_a_number_stays(store: Store) -> None:
    trace = record()
    store.take("k", None, trace.events)
    for event in trace.events:
        if isinstance(event, Blob):
            other: Event = event.model_copy(update={"text": "other"})
        elif isinstance(event, SpanEnd):
            other = event.model_copy(update={"ended": event.ended + 1})
        elif isinstance(event, SpanText):
            other = event.model_copy(update={"text": "other"})
        else:
            other = event.model_copy(update={"started": event.started - 1})
        assert take(store, other) == 1
        elsewhere = event.model_copy(update={"seq": len(trace.events)})
        assert take(store, elsewhere) == 1  # the same span, or text, under another number
    kept = store.trace(trace.run_id)
    assert kept is not None
    assert kept.events == trace.events


def test_a_replay_of_a_whole_run_says_once_more_that_it_is_whole(store: Store) -> None:
    trace = record()
    store.take("k", None, trace.events)
    (change,), refused = store.take("k", None, trace.events[3:5])
    assert (change.began, change.ended, change.whole, refused) == (False, False, True, 0)


def test_a_run_belongs_to_the_kernel_that_began_it(store: Store) -> None:
    trace = record()
    store.take("k", None, trace.events[:4])
    changes, refused = store.take("another", None, trace.events[4:])
    assert (changes, refused) == ([], len(trace.events) - 4)
    row = store.run(trace.run_id)
    assert row is not None
    assert (row.events, row.kernel_id, row.status) == (4, "k", None)


def test_events_of_several_runs_come_in_one_batch(store: Store) -> None:
    one, other = record("one"), record("other")
    mixed = [event for pair in zip(one.events, other.events, strict=True) for event in pair]
    changes, _ = store.take("k", None, mixed)
    assert [(change.run_id, change.whole) for change in changes] == [(one.run_id, True), (other.run_id, True)]


@pytest.mark.parametrize(
    "event",
    [
        root(seq=-1),
        root(seq=10_000_001),
        root(seq=2**70),
        root(run=""),
        root(run="../../etc/passwd"),
        root(run="a\0b"),
        root(run="x" * 1_000),
        root(run="\ud800"),
        start(0, "s1", IterationStart(number=1), parent=None),
        start(0, "s1", root().payload, parent="s0"),
        start(1, "s2", IterationStart(number=1), parent=None),
        start(1, "s2", IterationStart(number=1), parent="s2"),
        start(1, "\0", IterationStart(number=1)),
        start(1, "s2", IterationStart(number=1), at=float("nan")),
        start(1, "s2", IterationStart(number=1), at=float("inf")),
        start(1, "s2", SubcallStart(model="\ud800", prompt="p")),
        end(1, "s1", CodeEnd()),
        end(1, "s2", CodeEnd(), at=float("-inf")),
        Blob(run_id=RUN, seq=1, digest="sha256:\0", size=1, text="t"),
        Blob(run_id=RUN, seq=1, digest="sha256:1", size=2**80, text="t"),
        Blob(run_id=RUN, seq=1, digest="sha256:1", size=-1, text="t"),
        Blob(run_id=RUN, seq=1, digest="sha256:1", size=1, text="half \ud83d of it"),
        Blob(run_id=RUN, seq=1, digest="sha256:1", size=1, text="t", version=2**64),
    ],
)
def test_what_no_recorder_writes_is_refused_and_harms_nothing_beside_it(store: Store, event: Event) -> None:
    good = record()
    changes, refused = store.take("k", None, [*good.events[:3], root(run="1" * 32), event, *good.events[3:]])
    assert refused == 1
    assert changes[0].whole
    kept = store.trace(good.run_id)
    assert kept is not None
    assert kept.events == good.events


def test_odd_values_are_kept_as_they_are_and_counted_as_unknown(store: Store) -> None:
    huge = UsageRecord(input_tokens=2**70, output_tokens=-5, cost=float("inf"))
    events: list[Event] = [
        root(turn=2**70, session_id="x" * 1_000, cell_id="\0"),
        start(1, "s2", SubcallStart(model="m\0m", prompt="sha256:0", index=2**70)),
        end(2, "s2", SubcallEnd(retries=2**70, usage=huge)),
        Blob(run_id=RUN, seq=3, digest="sha256:0", size=3, text="a\0b"),
        end(4, "s1", RunEnd(answer="NUL \0 here", changes={"\0": ["\0"]})),
    ]
    assert take(store, *events) == 0
    row = store.run(RUN)
    assert row is not None
    assert (row.turn, row.session_id, row.cell_id, row.answer, row.whole) == (None, None, None, "NUL \0 here", True)
    assert (row.input_tokens, row.output_tokens, row.cost) == (0, 0, None)
    text = store.text(RUN, "sha256:0")
    assert text is not None
    assert text.text == "a\0b"
    assert [json.loads(line)["seq"] for line in store.spans(RUN)] == [0, 1, 2, 4]
    kept = store.trace(RUN)
    assert kept is not None
    assert kept.events[:2] + kept.events[3:] == events[:2] + events[3:]
    assert take(store, *events) == 0
    assert [row.run_id for row in store.search("here")] == [RUN]


def test_spans_of_a_kind_end_as_that_kind(store: Store) -> None:
    assert take(store, root(), start(1, "s2", IterationStart(number=1)), end(2, "s2", ModelCallEnd())) == 1
    assert take(store, end(3, "s3", ModelCallEnd()), start(4, "s3", IterationStart(number=2))) == 1


def test_nothing_is_made_of_a_run_whose_beginning_is_missing(store: Store) -> None:
    trace = record()
    store.take("k", None, trace.events[1:])
    assert store.trace(trace.run_id) is None
    row = store.run(trace.run_id)
    assert row is not None
    assert (row.question, row.status, row.whole) == ("", "ok", False)
    assert store.missing(trace.run_id) == [(0, 0)]
    (change,), _ = store.take("k", None, trace.events[:1])
    assert (change.began, change.ended, change.whole) == (True, False, True)
    kept = store.trace(trace.run_id)
    assert kept is not None
    assert kept.events == trace.events


def test_spans_are_read_from_a_number_on_and_in_pages(store: Store) -> None:
    trace = record(subcalls=20)
    store.take("k", None, trace.events)
    told = [event.model_dump(mode="json") for event in trace.events if not isinstance(event, Blob)]
    assert [json.loads(line) for line in store.spans(trace.run_id)] == told
    pages, since = [], 0
    while page := [json.loads(line) for line in store.spans(trace.run_id, since, 7)]:
        pages += page
        since = page[-1]["seq"] + 1
    assert pages == told
    assert len(store.spans(trace.run_id, most=1)) == 2
    assert store.spans(trace.run_id, 2**80, 2**80) == store.spans("unknown") == []
    assert store.text(trace.run_id, "sha256:none") is store.text("\ud800", "\ud800") is None


def test_texts_are_kept_once_with_their_size(store: Store) -> None:
    trace = record(text="long " * 1_000)
    store.take("k", None, trace.events)
    for digest, blob in trace.blobs.items():
        text = store.text(trace.run_id, digest)
        assert text is not None
        assert (text.digest, text.seq, text.size, text.cut, text.text) == (
            *(digest, blob.seq, blob.size, blob.cut, blob.text),
        )
    assert any(blob.cut for blob in trace.blobs.values())


def test_taking_in_an_event_costs_the_same_however_many_there_were(store: Store, path: Path) -> None:
    trace = record(subcalls=2_000)
    steps: list[int] = []
    events = trace.events
    for first in range(0, len(events), 100):
        connection = store._database._open()
        before, counted = connection.total_changes, len(events[first : first + 100])
        store.take("k", None, events[first : first + 100])
        steps.append((connection.total_changes - before) * 100 // counted)
    assert max(steps[1:-1]) - min(steps[1:-1]) <= 2
    plans = sqlite3.connect(path)
    queries = {
        "SELECT id FROM runs WHERE run_id = '1'",
        "SELECT first, last FROM gaps WHERE run = 1 AND first <= 5 ORDER BY first DESC LIMIT 1",
        "SELECT id FROM spans WHERE run = 1 AND span_id = 's1'",
        "SELECT id FROM spans WHERE run = 1 AND start_seq = 1",
        "SELECT id FROM spans WHERE run = 1 AND end_seq = 1",
        "SELECT id FROM texts WHERE run = 1 AND seq = 1",
    }
    for query in queries:
        plan = [row[3] for row in plans.execute(f"EXPLAIN QUERY PLAN {query}")]
        assert all(step.startswith("SEARCH") for step in plan), (query, plan)
    plans.close()


def test_a_trace_grows_with_its_run(store: Store) -> None:
    trace = record()
    for number, event in enumerate(trace.events, 1):
        store.take("k", None, [event])
        kept = store.trace(trace.run_id)
        assert kept is not None
        assert kept.events == Trace(trace.events[:number]).events


def test_what_is_let_in_has_a_number_that_can_be_stored(store: Store) -> None:
    event = record().events[0].model_dump(mode="json")
    told = [{**event, "seq": SEQ_LIMIT + 1}, {**event, "seq": SEQ_LIMIT}]
    refused: Counter[Reason] = Counter()
    (highest,) = read_events(told, refused)
    assert (highest.seq, refused.total()) == (SEQ_LIMIT, 1)
    assert store.take("k", None, [highest])[1] == 0
