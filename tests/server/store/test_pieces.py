"""Replies while they come, pictures, and cached replies in the store."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from rlm_jupyter.core.pictures import Picture
from rlm_jupyter.server.refusal import Reason
from rlm_jupyter.server.store import Store
from rlm_jupyter.server.validation import read_events
from rlm_jupyter.trace.recorder import Recorder
from rlm_jupyter.trace.redaction import Redactor
from rlm_jupyter.trace.schema import (
    Blob,
    ModelCallEnd,
    ModelCallStart,
    RunEnd,
    RunStart,
    SpanText,
    SubcallEnd,
    SubcallStart,
    UsageRecord,
)
from rlm_jupyter.trace.trace import Trace

PICTURE = Picture("image/png", b"\x89PNG of a walrus")


def recorded(*, ends: bool) -> Trace:
    """A run with one call whose reply came slowly, and, if it ended, with a cached sub-call about a picture."""
    now = iter(range(1_700_000_000, 1_800_000_000))
    recorder = Recorder(Redactor(environ={}), clock=lambda: float(next(now)))
    root = recorder.start(RunStart(question="What?", model="m", backend="b", environment="local", max_iterations=3))
    call = recorder.start(ModelCallStart(model="m"), root)
    for piece in ("lost ", "lost ", None, "The walrus ", 'lives "there"\n', "and sings"):
        recorder.text(call, piece)
    if ends:
        usage = UsageRecord(input_tokens=10, output_tokens=5, cost=0.5)
        recorder.end(call, ModelCallEnd(reply=recorder.blob("The walrus sings", 100), usage=usage))
        prompt = recorder.blob("What is on it?", 100)
        asked = recorder.start(SubcallStart(model="small", prompt=prompt, images=[recorder.picture(PICTURE)]), root)
        recorder.end(asked, SubcallEnd(reply=prompt, cached=True, usage=usage))
        recorder.end(root, RunEnd(answer="42"))
    return recorder.trace


def pieces(trace: Trace | None) -> list[str]:
    assert trace is not None
    return [event.text for event in trace.events if isinstance(event, SpanText)]


def test_pieces_are_kept_under_their_numbers_in_whatever_order_they_come(store: Store) -> None:
    trace = recorded(ends=True)
    events = trace.events * 2
    random.Random(1).shuffle(events)
    for event in events:
        assert store.take("k", None, [event])[1] == 0
    kept = store.trace(trace.run_id)
    assert kept is not None
    assert kept.events == trace.events
    row = store.run(trace.run_id)
    assert row is not None
    assert row.whole
    other = next(event for event in trace.events if isinstance(event, SpanText)).model_copy(update={"text": "other"})
    assert store.take("k", None, [other])[1] == 1


def test_pages_have_the_pieces_of_what_is_not_here_as_a_whole(store: Store) -> None:
    under_way, over = recorded(ends=False), recorded(ends=True)
    for trace in (under_way, over):
        store.take("k", None, trace.events)
    told = Trace([*under_way.events[:2], *read_events(_json(store, under_way), Counter())])
    assert told.spans["s2"].text == 'The walrus lives "there"\nand '
    assert any('"event":"text"' in event for event in store.spans(under_way.run_id, 0, 100, None))
    assert not any('"event":"text"' in event for event in store.spans(over.run_id, 0, 100, None))
    excerpt = store.excerpt(over.run_id)
    assert pieces(excerpt) == []
    assert excerpt is not None
    assert PICTURE.digest in excerpt.blobs


def _json(store: Store, trace: Trace) -> list[dict[str, Any]]:
    import json

    return [json.loads(event) for event in store.spans(trace.run_id, 2, 100, None)]


def test_of_a_call_whose_kernel_died_it_is_shown_what_had_come(store: Store) -> None:
    trace = recorded(ends=False)
    store.take("k", None, trace.events)
    store.abandon("k")
    for kept in (store.trace(trace.run_id), store.excerpt(trace.run_id)):
        assert kept is not None
        assert kept.status == "interrupted"
        assert kept.spans["s2"].text == 'The walrus lives "there"\nand '
    assert any('"event":"text"' in event for event in store.spans(trace.run_id, 0, 100, None))


def test_of_a_reply_in_many_pieces_an_excerpt_has_the_beginning(store: Store) -> None:
    trace = recorded(ends=False)
    piece = trace.spans["s2"].texts[-1].model_copy(update={"text": "and ", "anew": False})
    last = trace.events[-1].seq
    more = [piece.model_copy(update={"seq": last + number}) for number in range(1, 2_500)]
    other = [each.model_copy(update={"span_id": "s99", "seq": each.seq + 2_500}) for each in more]
    store.take("k", None, [*trace.events, *more, *other])
    shown = store.excerpt(trace.run_id)
    assert shown is not None
    assert (len(pieces(shown)), shown.events[-1].seq) == (2_000, trace.spans["s2"].texts[0].seq + 1_999)


def test_requests_that_were_lost_are_of_unknown_price(store: Store) -> None:
    trace = recorded(ends=True)
    end = trace.spans["s2"].end
    assert end is not None
    lost = end.model_copy(update={"payload": end.payload.model_copy(update={"lost": 2, "retries": 2})})
    store.take("k", None, [lost if event is end else event for event in trace.events])
    row = store.run(trace.run_id)
    assert row is not None
    assert row.cost is None  # nobody knows the whole
    (usage,) = store.usage(trace.run_id)
    assert (usage.calls, usage.cost, usage.unpriced_calls) == (3, 0.5, 2)


def test_a_cached_reply_takes_nothing(store: Store) -> None:
    trace = recorded(ends=True)
    store.take("k", None, trace.events)
    (usage,) = store.usage(trace.run_id)
    assert (usage.model, usage.calls, usage.input_tokens, usage.cost) == ("m", 1, 10, 0.5)
    row = store.run(trace.run_id)
    assert row is not None
    assert (row.input_tokens, row.output_tokens, row.cost) == (10, 5, 0.5)


def test_a_picture_is_given_out_as_what_it_is_and_not_searched(store: Store) -> None:
    trace = recorded(ends=True)
    store.take("k", None, trace.events)
    text = store.text(trace.run_id, PICTURE.digest)
    assert text is not None
    assert (text.media_type, text.text, text.size) == ("image/png", PICTURE.base64, len(PICTURE.data))
    assert store.search_run(trace.run_id, PICTURE.base64[:8]).found == ()


def test_what_is_deleted_leaves_no_piece(store: Store, path: Path) -> None:
    trace = recorded(ends=True)
    store.take("k", None, trace.events)
    store.delete_run(trace.run_id)
    store.prune()
    store.close()
    assert b"lives" not in path.read_bytes()


@pytest.mark.parametrize(
    ("odd", "reason"),
    [
        ({"media_type": "image/svg+xml"}, Reason.VALUE),
        ({"media_type": "text/html"}, Reason.VALUE),
        ({"text": "<svg>"}, Reason.VALUE),
        ({"text": "aGk"}, Reason.VALUE),
        ({"text": "aGk=" * 400_000}, Reason.VALUE),
        ({"media_type": 7}, Reason.SCHEMA),
    ],
)
def test_what_is_no_picture_is_refused(odd: dict[str, Any], reason: Reason) -> None:
    blob = next(event for event in recorded(ends=True).events if isinstance(event, Blob) and event.media_type)
    refused: Counter[Reason] = Counter()
    assert read_events([blob.model_dump()], refused) == [blob]
    assert read_events([{**blob.model_dump(), **odd}], refused) == []
    assert refused == {reason: 1}


@pytest.mark.parametrize(
    ("odd", "reason"),
    [
        ({"span_id": "x"}, Reason.VALUE),
        ({"at": -1.0}, Reason.VALUE),
        ({"at": float("nan")}, Reason.VALUE),
        ({"text": "x" * 300_000}, Reason.VALUE),
        ({"text": "\ud800"}, Reason.VALUE),
        ({"seq": 10**9}, Reason.VALUE),
        ({"anew": "yes"}, Reason.SCHEMA),
        ({"payload": {}}, Reason.SCHEMA),
    ],
)
def test_what_is_no_piece_is_refused(odd: dict[str, Any], reason: Reason) -> None:
    piece = next(event for event in recorded(ends=True).events if isinstance(event, SpanText))
    refused: Counter[Reason] = Counter()
    assert read_events([piece.model_dump()], refused) == [piece]
    assert read_events([{**piece.model_dump(), **odd}], refused) == []
    assert refused == {reason: 1}
