"""Runs over REST: lists, the events of the spans, texts, deletion."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from jupyter_core.utils import ensure_async
from recorded_runs import Recorded, begun, recorded

from rlm_jupyter.trace.schema import Blob, SpanEnd, SpanStart
from rlm_jupyter.trace.trace import Trace, digests_in

from .conftest import KERNEL, Rest, escaped

EMPTY = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def spans(events: list[Recorded]) -> list[dict[str, Any]]:
    """What the spans' events are as JSON."""
    return [json.loads(event.model_dump_json()) for event in events if not isinstance(event, Blob)]


async def test_a_run_is_told_with_its_figures(rest: Rest) -> None:
    events = recorded("Which colour has the lamp?")
    run_id = rest.keep(events, "shelf/analysis.ipynb")
    run = await rest.get(f"runs/{run_id}")
    end = events[-1]
    assert isinstance(end, SpanEnd)
    assert (run["question"], run["answer"]) == ("Which colour has the lamp?", end.payload.answer)  # type: ignore[union-attr]
    assert (run["notebook"], run["status"], run["whole"], run["cut"]) == ("shelf/analysis.ipynb", "ok", True, False)
    assert (run["last_seq"], run["events"]) == (len(events) - 1, len(events))
    assert run["subcalls"] == sum(isinstance(e, SpanStart) and e.payload.kind == "subcall" for e in events)
    assert (run["began"], run["ended"]) == (events[0].started, end.ended)  # type: ignore[union-attr]
    assert run["steered"] is None


async def test_runs_are_listed_with_the_last_one_first_and_page_by_page(rest: Rest) -> None:
    first = rest.keep_conversation("one.ipynb", "Which colour has the lamp?", "And the door?")
    other = rest.keep_conversation("two.ipynb", "Who lives in the bath?")
    loose = rest.keep_conversation(None, "Where is the lamp?")
    every = [*first, *other, *loose][::-1]
    assert [run["run_id"] for run in (await rest.get("runs"))["runs"]] == every

    seen: list[str] = []
    before: dict[str, Any] = {}
    for _ in range(3):
        page = await rest.get("runs", limit=2, **before)
        seen += [run["run_id"] for run in page["runs"]]
        if page["next"] is None:
            break
        before = {"before": page["next"]}
    assert seen == every

    async def found(**query: Any) -> list[str]:
        return [run["run_id"] for run in (await rest.get("runs", **query))["runs"]]

    assert await found(notebook="one.ipynb") == first[::-1]
    assert await found(notebook="one.ipynb/../two.ipynb") == []
    session = (await rest.get(f"runs/{other[0]}"))["session_id"]
    assert await found(session=session) == other
    assert await found(status="ok") == every
    assert await found(status="running") == []
    assert await found(kernel="no-such-kernel") == []


async def test_the_events_of_the_spans_come_from_a_number_on(rest: Rest) -> None:
    events = recorded("Which colour has the lamp?")
    run_id = rest.keep(events)
    told = await rest.get(f"runs/{run_id}/spans")
    assert told["events"] == spans(events)
    assert (told["next"], told["more"], told["whole"], told["missing"]) == (len(events), False, True, [])

    paged: list[dict[str, Any]] = []
    page: dict[str, Any] = {"next": 0, "more": True}
    while page["more"]:
        page = await rest.get(f"runs/{run_id}/spans", since=page["next"], limit=4)
        assert len(page["events"]) <= 4
        paged += page["events"]
    assert paged == spans(events)
    assert page["next"] == len(events)
    later = await rest.get(f"runs/{run_id}/spans", since=len(events))
    assert (later["events"], later["next"], later["more"]) == ([], len(events), False)


async def test_a_run_under_way_is_told_as_far_as_it_came_and_what_is_missing(rest: Rest) -> None:
    events = recorded("Which colour has the lamp?")
    run_id = rest.keep([*events[:10], *events[12:20]])
    told = await rest.get(f"runs/{run_id}/spans")
    assert (told["status"], told["whole"], told["next"], told["missing"]) == (None, False, 20, [[10, 11]])
    rest.keep(events[10:12])
    late = await rest.get(f"runs/{run_id}/spans", since=10)
    assert late["events"] == spans(events[10:20])
    assert late["missing"] == []
    rest.keep(events[20:])
    assert (await rest.get(f"runs/{run_id}/spans", since=20))["whole"] is True


async def test_what_a_run_holds_is_searched(rest: Rest) -> None:
    events = recorded("Which colour has the lamp?")
    run_id = rest.keep(events)
    told = await rest.get(f"runs/{run_id}/search", q="LAMP")
    assert told["hits"][0] == {
        "span_id": "s1",
        "kind": "run",
        "found_in": "question",
        "excerpt": "Which colour has the lamp?",
        "hits": [[21, 25]],
    }
    assert told["more"] is False
    assert len(told["hits"]) > 3
    first = await rest.get(f"runs/{run_id}/search", q="lamp", limit=1)
    assert (first["hits"], first["more"]) == (told["hits"][:1], True)
    of_code = (await rest.get(f"runs/{run_id}/search", q="lamp", kind="code"))["hits"]
    assert of_code == [hit for hit in told["hits"] if hit["kind"] == "code"] != []
    assert (await rest.get(f"runs/{run_id}/search", q="zebra"))["hits"] == []
    for query in ({}, {"q": ""}, {"q": "x" * 501}, {"q": "x", "kind": "cell"}, {"q": "x", "limit": 2_001}):
        assert (await rest.ask("GET", f"runs/{run_id}/search", **query)).status == 400
    assert (await rest.ask("GET", f"runs/{'0' * 32}/search", q="lamp")).status == 404


async def test_a_run_says_how_many_iterations_it_may_take_and_where_its_trace_is(rest: Rest) -> None:
    services = rest.services
    (run_id,) = rest.keep_conversation("shelf.ipynb", "Which colour has the lamp?")
    (loose,) = rest.keep_conversation(None, "And the door?")
    start = json.loads(services.store.spans(run_id)[0])["payload"]
    run = await rest.get(f"runs/{run_id}")
    assert (run["max_iterations"], run["trace_notebook"]) == (start["max_iterations"], None)
    # A server before this one wrote it; then this one writes another, where that one was edited.
    contents: Any = rest.app.contents_manager
    await ensure_async(contents.save({"type": "notebook", "format": "json", "content": EMPTY}, "shelf.trace.ipynb"))
    assert (await rest.get(f"runs/{run_id}"))["trace_notebook"] == "shelf.trace.ipynb"
    await ensure_async(contents.save({"type": "notebook", "format": "json", "content": EMPTY}, "shelf.ipynb"))
    (change,), _ = services.store.take(KERNEL, services.store.notebook_at("shelf.ipynb"), recorded("Who?")[:1])
    services.trace_files.changed(change)
    await services.trace_files.flush()
    listed = {run["run_id"]: run["trace_notebook"] for run in (await rest.get("runs"))["runs"]}
    written = services.trace_files.path_of(services.store.notebook_at("shelf.ipynb"))
    assert written == "shelf.trace-2.ipynb"
    assert listed == {run_id: written, change.run_id: written, loose: None}
    found = (await rest.get("search", q="lamp"))["runs"]
    assert [run["trace_notebook"] for run in found] == [written]


async def test_the_texts_come_with_the_events_when_asked_for_and_one_by_one(rest: Rest) -> None:
    events = recorded("Which colour has the lamp?")
    run_id = rest.keep(events)
    told = await rest.get(f"runs/{run_id}/spans", texts="true")
    named = {digest for event in events if isinstance(event, SpanStart | SpanEnd) for digest in digests_in(event)}
    named -= {record.value for record in Trace(events).run.contexts}  # values in full are large, and not shown
    texts = {event.digest: event.text for event in events if isinstance(event, Blob)}
    assert {digest: text["text"] for digest, text in told["texts"].items()} == {each: texts[each] for each in named}
    assert "texts" not in await rest.get(f"runs/{run_id}/spans")
    digest = next(iter(texts))
    alone = await rest.get(f"runs/{run_id}/texts/{escaped(digest)}")
    text = {
        "digest": digest,
        "size": len(texts[digest]),
        "text": texts[digest],
        "cut": False,
        "media_type": None,
        "encoding": None,
    }
    assert alone == text
    unknown = await rest.ask("GET", f"runs/{run_id}/texts/sha256:{'0' * 32}")
    assert unknown.status == 404


async def test_a_long_answer_is_compressed_for_clients_that_take_it(rest: Rest) -> None:
    run_id = rest.keep(recorded("Which colour has the lamp?"))
    plain = await rest.ask("GET", f"runs/{run_id}/spans", texts="true")
    for accepted, packed in [("gzip", True), ("br, gzip;q=0.5", True), ("gzip;q=0", False), ("identity", False)]:
        headers = {**rest.header, "Accept-Encoding": accepted}
        answer = await rest.ask("GET", f"runs/{run_id}/spans?texts=true", headers=headers)
        assert ("Content-Encoding" in answer.headers) == packed
        assert (gzip.decompress(answer.body) if packed else answer.body) == plain.body
        assert answer.headers["Vary"] == "Accept-Encoding"


async def test_a_run_is_deleted_and_one_under_way_is_not(rest: Rest) -> None:
    over, open_run = recorded("Which colour has the lamp?"), begun(recorded("And the door?"))
    for events in (over, open_run):
        rest.keep(events, "shelf.ipynb")
    refused = await rest.ask("DELETE", f"runs/{open_run[0].run_id}")
    assert refused.status == 409
    assert "under way" in refused.json["message"]
    gone = await rest.ask("DELETE", f"runs/{over[0].run_id}")
    assert (gone.status, gone.body) == (204, b"")
    for path in (f"runs/{over[0].run_id}", f"runs/{over[0].run_id}/spans", f"runs/{over[0].run_id}/artifacts/html"):
        assert (await rest.ask("GET", path)).status == 404
    assert (await rest.ask("DELETE", f"runs/{over[0].run_id}")).status == 404
    assert [run["run_id"] for run in (await rest.get("runs"))["runs"]] == [open_run[0].run_id]


@pytest.mark.parametrize(
    "path",
    [
        "runs?limit=0",
        "runs?limit=501",
        "runs?limit=ten",
        "runs?limit=%D9%A1",  # a digit, and no ASCII
        "runs?limit=99999999999999999999999999",
        "runs?before=..%2F..%2Fetc",
        "runs?status=over",
        "runs?notebook=",
        "runs?notebook=%00",
        "runs?notebook=%FF",
        "runs?notebook=" + "a" * 5_000,
        "runs?session=' OR 1=1 --",
        "runs/..%2F..%2Fetc%2Fpasswd",
        "runs/%FF",
        "runs/none/spans",
        "runs/" + "0" * 32 + "/spans?since=-1",
        "runs/" + "0" * 32 + "/spans?texts=1",
        "runs/" + "0" * 32 + "/texts/md5:0",
        "search",
        "search?q=",
        "sessions?offset=9007199254740992",
        "sessions/%0A",
    ],
)
async def test_what_cannot_be_a_parameter_is_refused_with_a_reason(rest: Rest, path: str) -> None:
    answer = await rest.ask("GET", path.replace(" ", "%20").replace("'", "%27"))
    assert answer.status == 400, answer.body
    assert len(answer.json["message"]) > 10
    assert answer.headers["Content-Type"] == "application/json"


async def test_nothing_is_cached_nor_told_to_other_origins(rest: Rest) -> None:
    for path in ("health", "runs", "runs/none", "openapi.json"):
        answer = await rest.ask("GET", path, headers={**rest.header, "Origin": "https://elsewhere.example"})
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert "Etag" not in answer.headers
