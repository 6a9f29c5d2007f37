"""What the user told the model stands in each artifact where the model was told it, and can do nothing there."""

from __future__ import annotations

import pytest
from markdown_it import MarkdownIt

from rlm_jupyter.trace.recorder import Recorder
from rlm_jupyter.trace.redaction import Redactor
from rlm_jupyter.trace.schema import IterationEnd, IterationStart, ModelCallEnd, ModelCallStart, RunEnd, RunStart
from rlm_jupyter.trace.trace import Trace

HOSTILE = "</details><script>alert(1)</script>\n\n# *Not* a title ![p](https://tracker.example/p.png) \x1b[31m"


@pytest.fixture
def trace() -> Trace:
    """A run of three iterations whose user spoke before the second and before the closing one."""
    recorder = Recorder(Redactor(environ={}))
    start = RunStart(question="Which?", model="m", backend="openai", environment="jupyter", max_iterations=2)
    run = recorder.start(start)
    for number, notes in enumerate(([], ["Mind the walrus.", HOSTILE], ["Be brief."]), 1):
        iteration = recorder.start(IterationStart(number=number, closing=number == 3, notes=notes), run)
        call = recorder.start(ModelCallStart(model="m"), iteration)
        recorder.end(call, ModelCallEnd(reply=recorder.blob(f"reply {number}", 1_000)))
        recorder.end(iteration, IterationEnd(answered=number == 3))
    recorder.end(run, RunEnd(answer="one"))
    return recorder.trace


def in_order(text: str, *pieces: str) -> bool:
    places = [text.find(piece) for piece in pieces]
    return -1 not in places and places == sorted(places)


STEPS = (
    "Iteration 1",
    "reply 1",
    "Iteration 2",
    "The user said: Mind the walrus.",
    "The user said: &lt;/details",
    "reply 2",
    "Iteration 3 (asked for the final answer)",
    "The user said: Be brief.",
    "reply 3",
)


def test_in_markdown(trace: Trace) -> None:
    shown = str(MarkdownIt("js-default", {"html": True}).render(trace.to_markdown()))
    assert in_order(shown, *STEPS)
    assert "<script" not in shown
    assert "<img" not in shown
    assert "<em>Not</em>" not in shown
    assert "\x1b" not in trace.to_markdown()


def test_in_the_notebook(trace: Trace) -> None:
    cells = [cell["source"] for cell in trace.to_notebook()["cells"] if "role-assistant" in cell["metadata"]["tags"]]
    shown = [str(MarkdownIt("js-default", {"html": True}).render(cell)) for cell in cells]
    assert in_order("".join(shown), *STEPS)
    assert not any(each in "".join(shown) for each in ("<script", "<img", "<em>Not</em>", "\x1b"))
    assert cells[0] == "## Iteration 1\n\nreply 1"


def test_in_html(trace: Trace) -> None:
    shown = trace.mimebundle()["text/html"]
    assert in_order(shown, *STEPS)
    assert not any(each in shown for each in ("<script", "<img", "\x1b"))
