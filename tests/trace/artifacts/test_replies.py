"""What was odd about a reply, what the model thought and where the reply comes from is told wherever a run is."""

from __future__ import annotations

import io

import nbformat
import pytest

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
from rlm_jupyter.trace.verbose import VerbosePrinter

USAGE = UsageRecord(input_tokens=100, output_tokens=10, cost=0.5)


def recorded(printed: io.StringIO | None = None, *, ends: bool = True) -> Trace:
    """A run whose model thought aloud, and whose sub-calls were cached; or one whose kernel died in its second call."""
    now = iter(range(1_700_000_000, 1_800_000_000))
    sinks = [VerbosePrinter(printed)] if printed is not None else []
    recorder = Recorder(Redactor(["hunter2-hunter2"], environ={}), sinks, clock=lambda: float(next(now)))
    root = recorder.start(RunStart(question="What?", model="m", backend="b", environment="local", max_iterations=3))
    iteration = recorder.start(IterationStart(number=1), root)
    sampling = {"temperature": 0.2, "extra_headers": {"X-Key": "hunter2-hunter2"}}
    call = recorder.start(ModelCallStart(model="m", sampling=sampling), iteration)
    thoughts = recorder.blob("Is it <b>red</b>?", 100)
    notes = ["The server told no usage <script>."]
    reply = recorder.blob("I look.", 100)
    recorder.end(call, ModelCallEnd(reply=reply, reasoning=thoughts, notes=notes, usage=USAGE))
    code = recorder.start(CodeStart(code="llm_query('Which?')", index=1), iteration)
    for _ in range(2):
        asked = recorder.start(SubcallStart(model="m", prompt=recorder.blob("Which?", 100)), code)
        recorder.end(asked, SubcallEnd(reply=recorder.blob("Red.", 100), cached=True, usage=USAGE))
    recorder.end(code, CodeEnd())
    recorder.end(iteration, IterationEnd())
    if ends:
        recorder.end(root, RunEnd(answer="Red."))
    else:
        second = recorder.start(IterationStart(number=2), root)
        call = recorder.start(ModelCallStart(model="m"), second)
        for piece in ("It is ", "as red ", "as"):
            recorder.text(call, piece)
    return recorder.trace


def as_notebook(trace: Trace) -> str:
    notebook = trace.to_notebook()
    nbformat.validate(nbformat.from_dict(notebook))
    return "\n\n".join(cell["source"] for cell in notebook["cells"])


@pytest.mark.parametrize("form", [Trace.to_markdown, as_notebook])
def test_a_reader_is_told(form: object) -> None:
    assert callable(form)
    told = form(recorded())
    assert "**note**: The server told no usage &lt;script&gt;." in told
    assert "<summary>reasoning</summary>\n\n```text\nIs it <b>red</b>?\n```" in told
    assert "temperature=0.2" in told
    assert told.count("*cached: no server was asked for this reply*") == 2
    assert "hunter2" not in told


def test_what_is_cached_took_nothing() -> None:
    trace = recorded()
    told = trace.mimebundle()["text/markdown"]
    assert "2 calls cached" in told
    assert "100 tokens in, 10 out" in told
    assert (trace.usage.total_calls, trace.usage.total_cost) == (1, 0.5)


def test_the_printer_tells_it_too() -> None:
    printed = io.StringIO()
    recorded(printed)
    lines = printed.getvalue().splitlines()
    assert "    note: The server told no usage <script>." in lines
    assert "    2 sub-calls · 2 cached · 0 tokens in, 0 out" in lines


@pytest.mark.parametrize("form", [Trace.to_markdown, as_notebook])
def test_of_a_call_without_an_end_it_is_shown_what_had_come(form: object) -> None:
    assert callable(form)
    assert "It is as red" in form(recorded(ends=False))
