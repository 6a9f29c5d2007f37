"""A trace reads as Markdown, in the notebook and in a terminal."""

from __future__ import annotations

from typing import Any

import pytest
from live_kernel import LiveKernel

from rlm_jupyter.core.results import RLMChatCompletion
from rlm_jupyter.trace.artifacts.markdown import render, render_completion, to_markdown

SHOW_A_TRACE = """
from rlm_jupyter.trace.artifacts.markdown import render
from rlm_jupyter.trace.recorder import Recorder
from rlm_jupyter.trace.redaction import Redactor
from rlm_jupyter.trace.schema import RunEnd, RunStart

recorder = Recorder(Redactor(environ={}))
start = RunStart(question="What?", model="m", backend="b", environment="e", max_iterations=1)
recorder.end(recorder.start(start), RunEnd(answer="**That.**"))
render(recorder.trace)
"""


def test_it_has_the_shape_that_the_field_knows(run: Any) -> None:
    markdown = run.record().to_markdown()
    order = [
        '## Run Context\n\n```json\n{\n  "prompt": "What is the answer?"',
        "## Iteration 1\n\n### Model Response\n\nI look into it first.",
        "### Code Block 1\n\n```python\nprint(len(context))\ncontext[:9]\n```",
        "**stdout**\n\n```\n21\n```",
        "**result**\n\n```\n'the text '\n[text/html]\n```",
        "## Iteration 2",
        "**error**\n\n```\nTraceback ...\nZeroDivisionError\n```",
        "#### Model Calls (2)",
        "Is it here?",
        "#### Child Run",
        "##### Iteration 1",
        "## Iteration 3",
        "FINAL(42)",
        "## Answer\n\n42",
        "3 iterations · 2 sub-calls",
    ]
    places = [markdown.index(part) for part in order]
    assert places == sorted(places)


def test_several_turns_are_told_apart(run: Any) -> None:
    first, second = run.record(), run.record()
    markdown = to_markdown(first, second)
    assert markdown.count("\n\n---\n\n") == 1
    assert markdown.count("## Run Context") == 2


def test_a_partial_answer_is_called_so(run: Any) -> None:
    run.status = "interrupted"
    assert "## Partial Answer" in run.record().to_markdown()
    assert "interrupted" in run.record().to_markdown()


def test_without_a_notebook_it_is_printed(run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    trace = run.record()
    render(trace)
    assert capsys.readouterr().out == trace.to_markdown()
    completion = RLMChatCompletion("gpt-test", "q", "The **answer**.", trace.usage, 1.0, trace=trace)
    render_completion(completion)
    assert capsys.readouterr().out == "The **answer**.\n" + trace.to_markdown()


def test_a_huge_answer_is_printed_in_part(run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    run.answer = "x" * 20_000_000
    trace = run.record()
    render_completion(RLMChatCompletion("gpt-test", "q", run.answer, trace.usage, 1.0, trace=trace))
    printed = capsys.readouterr().out
    assert len(printed) < 150_000
    assert "Shown are 20,000 of 20,000,000 characters. The result has them all: result.response" in printed


def test_in_a_notebook_it_is_displayed() -> None:
    with LiveKernel(extension=False) as kernel:
        executed = kernel.ok(SHOW_A_TRACE)
    (shown,) = executed.of("display_data")
    assert "## Answer\n\n**That.**" in shown["content"]["data"]["text/markdown"]
    assert executed.stdout == ""
