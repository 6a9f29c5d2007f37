"""A tree of runs stands in one trace: each child can be taken out of it, and the whole counts every call once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rlm_jupyter.trace.files.opened import read_traces
from rlm_jupyter.trace.recorder import Recorder
from rlm_jupyter.trace.redaction import Redactor
from rlm_jupyter.trace.schema import (
    CodeEnd,
    CodeStart,
    Event,
    IterationStart,
    ModelCallStart,
    RunEnd,
    RunStart,
    SpanEnd,
    SubcallEnd,
    SubcallStart,
    UsageRecord,
)
from rlm_jupyter.trace.trace import Trace


def start_run(recorder: Recorder, parent: str | None = None, question: str = "What?") -> str:
    payload = RunStart(question=question, model="m", backend="b", environment="local", max_iterations=3)
    return recorder.start(payload, parent)


def start_code(recorder: Recorder, run: str) -> str:
    return recorder.start(CodeStart(code="rlm_query('x')", index=1), recorder.start(IterationStart(number=1), run))


def call(recorder: Recorder, parent: str, prompt: str = "p") -> str:
    return recorder.start(SubcallStart(model="m", prompt=recorder.blob(prompt, 100)), parent)


def batch(make_run: Callable[..., Any], make_block: Callable[..., Any], children: int, width: int = 8) -> Any:
    """A run whose only block starts children that print their own number and ask a model about it."""
    runs = [
        make_run(
            question=f"question {number}",
            answer=f"answer {number}",
            iterations=[(f"reply {number}", [make_block(f"print({number})", stdout(number), [(f"p{number}", "r")])])],
        )
        for number in range(children)
    ]
    block = make_block("rlm_query_batched(prompts)", children=runs, width=width)
    return make_run(iterations=[("go", [block]), ("FINAL(42)", [])])


def stdout(number: int) -> list[dict[str, Any]]:
    return [{"output_type": "stream", "name": "stdout", "text": f"output {number}\n"}]


def test_a_child_that_ran_beside_others_holds_what_is_its_own_and_nothing_else(
    make_run: Callable[..., Any], make_block: Callable[..., Any]
) -> None:
    trace = batch(make_run, make_block, 64).record()
    assert len(trace.children) == 64
    assert [span.start.payload.number for span in trace.iterations] == [1, 2]
    for span in trace.children:
        part = trace.part(span.span_id)
        number = part.run.index
        assert (part.run.question, part.answer, part.status) == (f"question {number}", f"answer {number}", "ok")
        assert part.root is not None
        assert part.root.start is span.start
        assert len(part.iterations) == 1
        outputs = [each.end.payload.outputs for each in part.walk() if each.kind == "code"]
        assert outputs == [stdout(number)]
        texts = {blob.text for blob in part.blobs.values()}
        assert {f"reply {number}", f"p{number}"} <= texts
        assert not texts & {f"reply {other}" for other in range(64) if other != number}


def test_taking_every_child_out_costs_what_the_children_hold(
    make_run: Callable[..., Any], make_block: Callable[..., Any]
) -> None:
    small, large = (batch(make_run, make_block, count).record() for count in (4, 64))
    sizes = {len(large.part(child.span_id).events) for child in large.children}
    assert sizes == {len(small.part(child.span_id).events) for child in small.children}
    assert len(sizes) == 1


def test_a_child_is_taken_out_without_looking_at_its_siblings(
    make_run: Callable[..., Any], make_block: Callable[..., Any]
) -> None:
    trace = batch(make_run, make_block, 64).record()
    first, *others = trace.children
    for other in others:
        other.children.clear()  # whoever looked there would miss them
        trace.spans[other.span_id].end = None
    trace.events.clear()
    part = trace.part(first.span_id)
    assert part.answer == f"answer {part.run.index}"
    assert len(part.subcalls) == 1


def test_a_child_alone_is_a_trace_like_any_other(run: Any, tmp_path: Path) -> None:
    trace = run.record()
    (child,) = trace.children
    part = trace.part(child.span_id)
    assert part.run_id == trace.run_id
    assert "What is in the half?" in part.to_markdown()
    assert "What is the answer?" not in part.to_markdown()
    assert part.mimebundle()["text/plain"] == "A text."
    (tmp_path / "child.jsonl").write_text(part.to_jsonl(), encoding="utf-8")
    (read,) = read_traces(tmp_path / "child.jsonl")
    assert read.events == part.events
    assert trace.part("s999").root is None


def test_every_call_of_the_tree_is_counted_once(make_run: Callable[..., Any], make_block: Callable[..., Any]) -> None:
    priced = UsageRecord(input_tokens=100, output_tokens=10, cost=0.001)
    grandchild = make_run(iterations=[("FINAL(1)", [])], usage=priced)
    child = make_run(
        iterations=[("go", [make_block("rlm_query('x')", children=[grandchild])]), ("FINAL(2)", [])], usage=priced
    )
    block = make_block("go()", calls=[("p", "r")] * 2, children=[child, child])
    trace = make_run(iterations=[("go", [block]), ("FINAL(3)", [])], usage=priced).record()
    assert len(trace.children) == 4
    calls = 2 + 2 + 2 * (2 + 1)
    assert trace.usage.total_calls == calls
    assert trace.usage.total_cost == pytest.approx(0.001 * calls)
    (one, *_) = trace.children
    assert trace.part(one.span_id).usage.total_calls == 3


def test_a_run_that_ends_leaves_nothing_open_and_nothing_comes_after_it() -> None:
    seen: list[Event] = []
    recorder = Recorder(Redactor(environ={}), [seen.append])
    root = start_run(recorder)
    code = start_code(recorder, root)
    child = start_run(recorder, code)
    late = call(recorder, start_code(recorder, child))
    recorder.end(root, RunEnd(answer="done"))

    count = len(seen)
    recorder.end(late, SubcallEnd(reply=recorder.blob("too late", 100)))
    dropped = start_run(recorder, code)
    recorder.end(call(recorder, dropped), SubcallEnd())
    recorder.end(dropped, RunEnd())
    assert len(seen) == count
    assert isinstance(seen[-1], SpanEnd)
    assert seen[-1].span_id == root
    assert [event.seq for event in seen] == list(range(count))
    assert [span.status for span in recorder.trace.walk()] == ["ok", *["interrupted"] * 6]
    assert recorder.trace.part(dropped).events == []


def test_children_that_many_threads_leave_behind_leave_nothing_open() -> None:
    recorder = Recorder(Redactor(environ={}))
    root = start_run(recorder)
    code = start_code(recorder, root)
    begun, over = threading.Barrier(9), threading.Event()

    def child() -> None:
        run = start_run(recorder, code)
        begun.wait(30)
        while not over.is_set():
            recorder.end(call(recorder, start_code(recorder, run)), SubcallEnd())
        for _ in range(50):
            recorder.end(call(recorder, start_code(recorder, run)), SubcallEnd())
        recorder.end(run, RunEnd())

    threads = [threading.Thread(target=child) for _ in range(8)]
    for thread in threads:
        thread.start()
    begun.wait(30)
    recorder.end(root, RunEnd(), "interrupted")
    over.set()
    for thread in threads:
        thread.join()
    events = recorder.trace.events
    assert isinstance(events[-1], SpanEnd)
    assert events[-1].span_id == root
    assert [event.seq for event in events] == list(range(len(events)))
    assert all(span.status is not None for span in recorder.trace.spans.values())


def test_a_call_that_nobody_claims_belongs_to_the_run() -> None:
    recorder = Recorder(Redactor(environ={}))
    root = start_run(recorder)
    span = recorder.start(SubcallStart(model="m", prompt=recorder.blob("p", 100)))
    recorder.end(span, SubcallEnd(usage=UsageRecord(input_tokens=5)))
    recorder.end(root, RunEnd())
    assert recorder.trace.usage.total_input_tokens == 5
    assert "Model Calls (1)" in recorder.trace.to_markdown()


def test_a_child_of_another_process_is_grafted_into_its_place(run: Any) -> None:
    elsewhere = run.record().events
    seen: list[Event] = []
    recorder = Recorder(Redactor(environ={}), [seen.append])
    root = start_run(recorder)
    code = start_code(recorder, root)
    spans = [recorder.graft(elsewhere, code, batch="b1", index=index) for index in range(2)]
    recorder.end(code, CodeEnd())
    recorder.end(root, RunEnd(answer="done"))

    trace = recorder.trace
    assert [event.seq for event in seen] == list(range(len(seen)))
    assert {event.run_id for event in seen} == {recorder.run_id}
    assert [child.span_id for child in trace.spans[code].children] == spans
    for index, span in enumerate(spans):
        part, whole = trace.part(span), Trace(elsewhere)
        assert (part.run.batch, part.run.index) == ("b1", index)
        assert part.answer == whole.answer
        assert [each.kind for each in part.walk()] == [each.kind for each in whole.walk()]
        assert [each.start.started for each in part.walk()] == [each.start.started for each in whole.walk()]
        assert part.usage == whole.usage
        assert set(part.blobs) == set(whole.blobs)
    assert len({span.span_id for span in trace.walk()}) == len(list(trace.walk()))


def test_a_grafted_child_keeps_none_of_this_processs_secrets(run: Any) -> None:
    run.question = "Is hunter22 a password?"
    run.iterations[0] = ("hunter22 it is", run.iterations[0][1])
    recorder = Recorder(Redactor(["hunter22"], environ={}))
    part = recorder.trace.part(recorder.graft(run.record().events, start_run(recorder)))
    assert "hunter22" not in recorder.trace.to_jsonl()
    assert part.run.question == "Is [redacted] a password?"
    assert "[redacted] it is" in part.to_markdown()


def test_a_grafted_child_that_died_on_the_way_ends_as_interrupted(run: Any) -> None:
    recorder = Recorder(Redactor(environ={}))
    root = start_run(recorder)
    span = recorder.graft(run.record().events[:5], root)
    assert {each.status for each in recorder.trace.spans[span].walk()} == {"interrupted"}
    assert recorder.trace.spans[root].status is None
    assert recorder.trace.part(recorder.graft([], root)).root is None
    with pytest.raises(ValueError, match="begin with the start of its run"):
        recorder.graft(run.record().events[1:2], root)
    recorder.end(root, RunEnd())
    count = len(recorder.trace.events)
    recorder.graft(run.record().events, root)
    assert len(recorder.trace.events) == count


def test_a_log_from_before_there_were_children_is_read(run: Any, tmp_path: Path) -> None:
    lines = run.record().to_jsonl()
    for name in ("batch", "index"):
        lines = lines.replace(f'"depth":0,"{name}":null,', '"depth":0,')
    lines = lines.replace('"purpose":"answer",', "").replace(',"rejected":null', "")
    assert "purpose" not in lines
    (tmp_path / "old.jsonl").write_text(lines, encoding="utf-8")
    (trace,) = read_traces(tmp_path / "old.jsonl")
    assert trace.to_markdown() == run.record().to_markdown()
    assert isinstance(trace.iterations[0].children[0].start.payload, ModelCallStart)
