"""The notebook of a trace is valid, tagged, and says what happened."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import nbformat

from rlm_jupyter.trace.artifacts.notebook import to_notebook
from rlm_jupyter.trace.files.jsonl import LogReader
from rlm_jupyter.trace.recorder import Recorder
from rlm_jupyter.trace.redaction import Redactor
from rlm_jupyter.trace.schema import CodeStart, IterationStart, RunStart
from rlm_jupyter.trace.trace import Trace


def cells_with(notebook: dict[str, Any], *tags: str) -> list[dict[str, Any]]:
    return [cell for cell in notebook["cells"] if set(tags) <= set(cell["metadata"]["tags"])]


def test_it_is_a_valid_notebook_and_the_same_each_time(run: Any) -> None:
    trace = run.record()
    notebook = trace.to_notebook()
    nbformat.validate(notebook)
    assert notebook == to_notebook([Trace(trace.events)])
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids)
    assert all(ids)
    assert notebook["metadata"]["rlm_jupyter"]["run_ids"] == [trace.run_id]


def test_a_reader_finds_question_answer_prose_code_outputs_and_sub_calls(run: Any) -> None:
    notebook = run.record().to_notebook()
    (title,) = cells_with(notebook, "rlm", "rlm-title")
    assert title["source"].startswith("# What is the answer?")
    assert "42" in title["source"]
    assert "answered" in title["source"]
    (facts,) = cells_with(notebook, "rlm", "rlm-metadata")
    for fact in ("| model | gpt-test |", "| environment | jupyter |", "| cost | unknown |", "| sub-calls | 2 |"):
        assert fact in facts["source"]

    (prose,) = cells_with(notebook, "rlm", "iteration-1", "role-assistant")
    assert prose["source"] == "## Iteration 1\n\nI look into it first.\n\nThen I ask."
    (code,) = cells_with(notebook, "rlm", "iteration-1", "role-code")
    assert code["source"] == "print(len(context))\ncontext[:9]"
    assert code["execution_count"] == 1
    assert [output["output_type"] for output in code["outputs"]] == ["stream", "execute_result"]
    assert code["outputs"][1]["execution_count"] == 1
    assert code["outputs"][1]["data"] == {"text/plain": "'the text '", "text/html": "<b>'the text '</b>"}

    (failed,) = cells_with(notebook, "iteration-2", "role-code")
    assert failed["outputs"][-1]["ename"] == "ZeroDivisionError"
    (unrun,) = cells_with(notebook, "iteration-2", "role-assistant")
    assert "never()" in unrun["source"]  # the block that was not run stays to be seen
    calls, child = cells_with(notebook, "rlm", "iteration-2", "role-llm-calls")
    assert calls["source"].startswith("<details>\n<summary>2 model calls · 200 tokens in, 20 out</summary>")
    assert "Is it here?" in calls["source"]
    assert "### Child Run" in child["source"]
    assert "print(1)" in child["source"]
    assert len(cells_with(notebook, "role-code")) == 2
    assert "raises-exception" in failed["metadata"]["tags"]
    assert "raises-exception" not in code["metadata"]["tags"]


def test_many_sub_calls_are_counted_and_the_first_are_shown(
    make_run: Callable[..., Any], make_block: Callable[..., Any]
) -> None:
    block = make_block(
        "llm_query_batched(p)", calls=[(f"prompt {n} " + "x" * 10_000, f"reply {n}.") for n in range(200)]
    )
    notebook = make_run(iterations=[("go", [block])]).record().to_notebook()
    (calls,) = cells_with(notebook, "role-llm-calls")
    assert "200 model calls" in calls["source"]
    assert "reply 49." in calls["source"]
    assert "reply 50." not in calls["source"]
    assert "and 150 more" in calls["source"]
    assert len(calls["source"]) < 200_000


def test_turns_of_a_session_stand_in_one_notebook(run: Any) -> None:
    run.session_id = "session-1"
    notebook = to_notebook([run.record(), run.record(), Trace()])
    nbformat.validate(notebook)
    assert len(cells_with(notebook, "rlm-title")) == 2
    assert notebook["metadata"]["rlm_jupyter"]["session_id"] == "session-1"
    assert [cell["execution_count"] for cell in cells_with(notebook, "role-code")] == [1, 2, 3, 4]


def test_a_run_under_way_can_be_shown_at_any_event(run: Any) -> None:
    events = run.record().events
    for count in range(len(events)):
        trace = Trace(events[:count])
        nbformat.validate(trace.to_notebook())
        if trace.root is not None:
            trace.to_markdown()
            json.dumps(trace.mimebundle())


def test_widgets_are_left_out_and_streams_are_joined(
    make_run: Callable[..., Any], make_block: Callable[..., Any]
) -> None:
    widget = {"application/vnd.jupyter.widget-view+json": {"model_id": "x"}, "text/plain": "IntSlider()"}
    outputs = [
        {"output_type": "stream", "name": "stdout", "text": "a\n"},
        {"output_type": "stream", "name": "stdout", "text": ["b\n", "c\n"]},
        {"output_type": "display_data", "data": widget, "metadata": {}, "transient": {"display_id": "d"}},
    ]
    notebook = make_run(iterations=[("go", [make_block("show()", outputs)])]).record().to_notebook()
    nbformat.validate(notebook)
    (code,) = cells_with(notebook, "role-code")
    stream, shown = code["outputs"]
    assert stream["text"] == "a\nb\nc\n"
    assert shown["data"] == {"text/plain": "IntSlider()"}


def test_ids_stay_valid_whatever_wrote_the_log() -> None:
    recorder = Recorder(Redactor(environ={}))
    recorder.run_id = "run/" + "ü" * 100
    run = recorder.start(RunStart(question="", model="m", backend="b", environment="e", max_iterations=1))
    recorder.start(CodeStart(code="1", index=1), recorder.start(IterationStart(number=1), run))
    nbformat.validate(recorder.trace.to_notebook())


def test_the_notebook_of_a_log_is_that_of_its_trace(run: Any, tmp_path: Any) -> None:
    trace = run.record()
    (tmp_path / "log.jsonl").write_text(trace.to_jsonl(), encoding="utf-8")
    reader = LogReader(tmp_path / "log.jsonl")
    reader.read()
    assert to_notebook(reader.traces) == trace.to_notebook()


def test_what_a_browser_could_not_show_is_counted_and_said_to_be_elsewhere(
    make_run: Callable[..., Any], make_block: Callable[..., Any]
) -> None:
    shown = {"output_type": "display_data", "data": {"text/html": "<p>" + "x" * 5_000_000}, "metadata": {}}
    small = {"output_type": "stream", "name": "stdout", "text": "small\n"}
    asked = [(f"prompt {number} ".ljust(2_000, "."), "reply ".ljust(2_000, ".")) for number in range(50)]
    blocks = [make_block(f"step({number})", [shown], asked) for number in range(30)]
    blocks[-1].outputs = [small]
    notebook = make_run(iterations=[("go", [block]) for block in blocks]).record().to_notebook()
    nbformat.validate(notebook)
    assert len(json.dumps(notebook)) < 20_000_000
    code = cells_with(notebook, "role-code")
    assert [cell["source"] for cell in code] == [f"step({number})" for number in range(30)]
    assert code[0]["outputs"] == [shown]
    (told,) = code[28]["outputs"]
    assert "1 output of 5,000" in told["text"]
    assert "the store or the log holds it" in told["text"]
    assert code[29]["outputs"] == [small]
    calls = cells_with(notebook, "role-llm-calls")
    assert len(calls) == 30
    assert "prompt 49 " in calls[0]["source"]
    assert calls[29]["source"].startswith("*50 model calls")
    assert "the store or the log holds it" in calls[29]["source"]


def test_iterations_beyond_what_a_browser_shows_are_counted(
    make_run: Callable[..., Any], make_block: Callable[..., Any]
) -> None:
    iterations = [("go", [make_block("x" * 100_000)]) for _ in range(100)]
    notebook = make_run(iterations=iterations).record().to_notebook()
    nbformat.validate(notebook)
    assert len(json.dumps(notebook)) < 20_000_000
    assert 30 < len(cells_with(notebook, "role-code")) < 100
    (left_out,) = cells_with(notebook, "rlm-left-out")
    assert f"and {100 - len(cells_with(notebook, 'role-code'))} more steps" in left_out["source"]
    assert "100, of at most" in cells_with(notebook, "rlm-metadata")[0]["source"]


def test_runs_nested_a_thousand_deep_can_be_shown() -> None:
    recorder = Recorder(Redactor(environ={}))
    parent = None
    for depth in range(1_000):
        start = RunStart(question="?", model="m", backend="b", environment="e", max_iterations=1, depth=depth)
        parent = recorder.start(start, parent)
    nbformat.validate(recorder.trace.to_notebook())
    assert "999 child runs" in recorder.trace.to_markdown()


def test_it_is_paired_with_no_text_file_by_jupytext(run: Any) -> None:
    assert run.record().to_notebook()["metadata"]["jupytext"] == {"formats": "ipynb"}
