"""Of a huge run a notebook shows the beginning and counts the rest, and is as small as a browser can bear."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import nbformat
import pytest
from recorded_runs import record

from rlm_jupyter.server.store import Store
from rlm_jupyter.trace.files.recording import PartialTraceError, pack
from rlm_jupyter.trace.notebooks.writer import TraceNotebook
from rlm_jupyter.trace.recorder import Recorder
from rlm_jupyter.trace.redaction import Redactor
from rlm_jupyter.trace.schema import (
    CodeEnd,
    CodeStart,
    IterationEnd,
    IterationStart,
    ModelCallEnd,
    ModelCallStart,
    RunEnd,
    RunStart,
    SubcallEnd,
    SubcallStart,
    UsageRecord,
)
from rlm_jupyter.trace.trace import Trace

USAGE = UsageRecord(input_tokens=10, output_tokens=2, cost=0.001)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "store.sqlite3")
    yield store
    store.close()


def kept(store: Store, trace: Trace) -> Trace:
    """Return what the store makes of the trace for a notebook."""
    for first in range(0, len(trace.events), 5_000):
        store.take("k", None, trace.events[first : first + 5_000])
    excerpt = store.excerpt(trace.run_id)
    assert excerpt is not None
    return excerpt


def huge(blocks: int, calls: int, children: Sequence[int] = (), size: int = 10) -> Recorder:
    """A run under way: in each block so many sub-calls, and child runs with so many each."""
    recorder = Recorder(Redactor(environ={}))
    base = {"model": "m", "backend": "b", "environment": "local", "max_iterations": blocks}
    root = recorder.start(RunStart(question="How many?", **base))

    def ask(parent: str, count: int) -> None:
        for number in range(count):
            prompt = recorder.blob(f"prompt {parent} {number}".ljust(size, "."), 4_000)
            call = recorder.start(SubcallStart(model="s", prompt=prompt), parent)
            reply = recorder.blob(f"reply {parent} {number}".ljust(size, "."), 4_000)
            recorder.end(call, SubcallEnd(reply=reply, usage=USAGE), "ok" if number else "error")

    for number in range(blocks):
        iteration = recorder.start(IterationStart(number=number + 1), root)
        call = recorder.start(ModelCallStart(model="m"), iteration)
        recorder.end(call, ModelCallEnd(reply=recorder.blob(f"step {number}", 1_000), usage=USAGE))
        block = recorder.start(CodeStart(code=f"step = {number}", index=1), iteration)
        ask(block, calls)
        for count in children:
            child = recorder.start(RunStart(question="And here?", depth=1, **base), block)
            below = recorder.start(IterationStart(number=1), child)
            ask(recorder.start(CodeStart(code="ask()", index=1), below), count)
            recorder.end(child, RunEnd(answer="y"))
        recorder.end(block, CodeEnd())
        recorder.end(iteration, IterationEnd())
    return recorder


def test_of_a_run_of_common_size_nothing_is_left_out(store: Store) -> None:
    trace = record("What is it?")
    excerpt = kept(store, trace)
    assert excerpt.events == trace.events
    assert excerpt.omitted == {}
    assert excerpt.to_notebook() == trace.to_notebook()


def test_counts_and_sums_are_those_of_the_whole(store: Store) -> None:
    recorder = huge(3, 120, [1, 60] * 60)
    excerpt, whole = kept(store, recorder.trace), recorder.trace
    assert len(excerpt.events) < len(whole.events) / 3
    assert excerpt.extent == len([event for event in whole.events if event.event != "blob"]) + len(excerpt.blobs)
    told, expected = excerpt.to_notebook()["cells"], whole.to_notebook()["cells"]
    assert [cell["id"] for cell in told] == [cell["id"] for cell in expected]
    assert told[:2] == expected[:2]
    assert "| sub-calls | 11,340 |" in told[1]["source"]
    calls = [[cell["source"] for cell in cells if cell["id"].endswith("-calls")] for cells in (told, expected)]
    assert calls[0] == calls[1]
    assert "120 model calls · 1,200 tokens in, 240 out · 1 failed" in calls[0][0]
    assert "… and 70 more" in calls[0][0]
    children = next(cell["source"] for cell in told if cell["id"].endswith("-children"))
    assert "### Child Runs (120)" in children
    assert "… and 20 more, which the store or the log holds." in children
    assert "What 100 more child runs did" in children
    assert "### Child Runs (120)" in excerpt.to_markdown()


def test_a_run_that_goes_on_is_rendered_anew_though_the_same_is_shown_of_it(store: Store, tmp_path: Path) -> None:
    recorder = huge(1, 200)
    earlier = Trace(recorder.trace.events[:-40])
    first, later = kept(store, earlier), kept(store, recorder.trace)
    assert {span.span_id for span in first.walk()} == {span.span_id for span in later.walk()}
    notebook = TraceNotebook(tmp_path / "a.trace.ipynb")
    notebook.save([first])
    assert f"{len(earlier.subcalls)} model calls" in notebook.path.read_text()
    notebook.save([later])
    assert "200 model calls" in notebook.path.read_text()


@pytest.mark.parametrize(("blocks", "calls"), [(2, 10_000), (2_000, 10)])
def test_a_huge_run_makes_a_small_notebook(store: Store, blocks: int, calls: int) -> None:
    recorder = huge(blocks, calls, size=1_000)
    recorder.end("s1", RunEnd(answer="20,000"))
    excerpt = kept(store, recorder.trace)
    notebook = excerpt.to_notebook()
    nbformat.validate(nbformat.from_dict(notebook))
    assert len(json.dumps(notebook, indent=1)) < 20_000_000
    assert "20,000 sub-calls" in notebook["cells"][0]["source"]
    assert any("the store or the log holds" in cell["source"] for cell in notebook["cells"])


def test_a_run_whose_beginning_is_missing_or_unknown_has_none(store: Store) -> None:
    trace = record("What is it?")
    store.take("k", None, trace.events[1:])
    assert store.excerpt(trace.run_id) is None
    assert store.excerpt("nobody") is None
    assert store.excerpt("'; DROP TABLE runs; --") is None


def test_a_run_that_ended_is_taken_as_a_whole_so_that_it_can_be_played_again(store: Store) -> None:
    recorder = huge(2, 200)
    assert kept(store, Trace(recorder.trace.events)).omitted
    recorder.end("s1", RunEnd(answer="many"))
    whole = kept(store, recorder.trace)
    assert whole.omitted == {}
    assert whole.events == recorder.trace.events


def test_a_run_of_which_something_never_came_is_not_taken_for_the_whole(store: Store) -> None:
    trace = record("What is it?")
    lost = next(event for event in trace.events if event.event == "start" and event.payload.kind == "subcall")
    store.take("k", None, [event for event in trace.events if event is not lost])
    for partial in (store.excerpt(trace.run_id), store.trace(trace.run_id)):
        assert partial is not None
        assert partial.damage == "Events of this run are missing: 1 never came from its kernel."
        with pytest.raises(PartialTraceError, match="1 never came"):
            pack(partial)
    store.take("k", None, [lost])
    for whole in (store.excerpt(trace.run_id), store.trace(trace.run_id)):
        assert whole is not None
        assert whole.damage is None
        assert pack(whole) == pack(trace)


def test_what_a_run_that_ended_tells_in_code_and_outputs_counts_too(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rlm_jupyter.server.store.excerpt._WHOLE_SIZE", 500_000)
    small, large = huge(1, 60), huge(1, 60)
    for recorder, code in ((small, "x"), (large, "x" * 500_000)):
        recorder.end(recorder.start(CodeStart(code=code, index=2), "s1"), CodeEnd())
        recorder.end("s1", RunEnd(answer="many"))
    assert kept(store, small.trace).omitted == {}
    assert kept(store, large.trace).omitted
