"""A run shows itself everywhere: in a terminal, in a notebook, and in our own renderer."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from recorded_runs import recorded

from rlm_jupyter.trace.artifacts.bundle import OUTPUT_VERSION, RUN_MIME_TYPE
from rlm_jupyter.trace.artifacts.shapes import RunBundle
from rlm_jupyter.trace.schema import ErrorRecord, UsageRecord
from rlm_jupyter.trace.trace import Trace

RENDERER = Path(__file__).parents[3] / "labextension/src/renderer/bundle.ts"


def test_the_renderer_knows_what_is_written() -> None:
    assert f"const VERSION = {OUTPUT_VERSION};" in RENDERER.read_text()


def test_it_has_the_answer_in_every_form(run: Any) -> None:
    run.answer = "It is **42**."
    bundle = run.record().mimebundle()
    assert list(bundle) == ["text/plain", "text/markdown", "text/html", RUN_MIME_TYPE]
    assert bundle["text/plain"] == "It is **42**."
    assert bundle["text/markdown"].startswith("It is **42**.\n\n*answered")
    assert "<strong>42</strong>" in bundle["text/html"]
    assert bundle[RUN_MIME_TYPE]["answer"] == "It is **42**."


def test_an_unknown_cost_is_unknown_and_never_nothing(run: Any) -> None:
    run.iterations[1][1][0].children.clear()
    bundle = run.record().mimebundle()
    assert "cost unknown" in bundle["text/html"]
    assert bundle[RUN_MIME_TYPE]["usage"] == {"calls": 5, "input_tokens": 500, "output_tokens": 50, "cost": None}
    run.usage = UsageRecord()
    silent = run.record().mimebundle()
    assert "tokens unknown" in silent["text/html"]
    assert silent[RUN_MIME_TYPE]["usage"]["input_tokens"] is None
    run.usage = UsageRecord(input_tokens=1, output_tokens=1, cost=0.002)
    assert "cost $0.0100" in run.record().mimebundle()["text/html"]


def test_a_run_without_an_answer_says_why(run: Any) -> None:
    run.answer, run.status = None, "error"
    run.error = ErrorRecord(name="ClientError", message="401: the key was refused")
    bundle = run.record().mimebundle()
    assert bundle["text/plain"] == "[failed: ClientError: 401: the key was refused]"
    assert "401: the key was refused" in bundle["text/html"]
    assert bundle[RUN_MIME_TYPE]["error"] == {"name": "ClientError", "message": "401: the key was refused"}


def test_the_tree_is_capped_and_says_how_much_it_left_out(
    make_run: Callable[..., Any], make_block: Callable[..., Any]
) -> None:
    block = make_block("go()", calls=[("prompt", "reply")] * 2_000)
    bundle = make_run(iterations=[("go", [block])]).record().mimebundle()
    view = bundle[RUN_MIME_TYPE]
    assert len(view["spans"]) == 500
    assert view["spans_left_out"] == 2_004 - 500
    assert view["spans"][0] == {
        "id": "s1",
        "parent": None,
        "kind": "run",
        "name": "What is the answer?",
        "started": view["started"],
        "ended": view["ended"],
        "status": "ok",
    }
    assert len(json.dumps(view)) < 100_000


def test_html_needs_nothing_from_elsewhere_and_brings_no_colour_that_hides_text(run: Any) -> None:
    html = run.record().mimebundle()["text/html"]
    assert not any(word in html for word in ("<script", "<style", "<link", "src=", "http"))
    assert "#fff" not in html
    assert "color:inherit" in html


def test_a_huge_answer_is_shown_in_part_and_the_reader_told_where_the_whole_is(run: Any) -> None:
    run.answer = "It begins. " + "x" * 20_000_000 + " It ends."
    bundle = run.record().mimebundle()
    assert len(json.dumps(bundle)) < 150_000
    told = "Shown are 20,000 of 20,000,020 characters. The result has them all: result.response"
    view = bundle[RUN_MIME_TYPE]
    assert view["answer_left_out"] == told
    assert bundle["text/plain"].endswith(f"\n\n{told}")
    assert f"\n\n*{told}*\n\n" in bundle["text/markdown"]
    assert f">{told}</p>" in bundle["text/html"]
    for form in (bundle["text/plain"], bundle["text/markdown"], bundle["text/html"], view["answer"]):
        assert "It begins. xxx" in form
        assert "xxx It ends." in form
        assert "[... 19,980,020 characters left out ...]" in form.replace("\\", "")


def test_a_huge_partial_answer_is_with_the_error(run: Any) -> None:
    run.answer, run.status = "x" * 30_000, "limit"
    run.error = ErrorRecord(name="BudgetExceededError", message="The budget is spent. " + "y" * 50_000)
    bundle = run.record().mimebundle()
    assert len(json.dumps(bundle)) < 150_000
    assert "Shown are 20,000 of 30,000 characters. The exception has them all" in bundle["text/plain"]
    assert "BudgetExceededError: The budget is spent." in bundle["text/plain"]


def test_an_answer_of_ordinary_length_is_shown_whole(run: Any) -> None:
    run.answer = "x" * 20_000
    bundle = run.record().mimebundle()
    assert bundle["text/plain"] == run.answer
    assert bundle[RUN_MIME_TYPE]["answer"] == run.answer
    assert bundle[RUN_MIME_TYPE]["answer_left_out"] is None


def test_our_own_type_is_what_its_schema_says(run: Any) -> None:
    schema = RunBundle.model_json_schema(mode="serialization")
    validator = Draft202012Validator(schema)
    events = recorded("Which colour has the lamp?")
    traces = [run.record(), Trace(events), Trace(events[:1]), Trace(events[: len(events) // 2])]
    run.status, run.error = "error", ErrorRecord(name="ClientError", message="no")
    for trace in (*traces, run.record()):
        told = json.loads(json.dumps(trace.mimebundle()[RUN_MIME_TYPE]))
        validator.validate(told)
        assert list(told) == list(schema["properties"])
