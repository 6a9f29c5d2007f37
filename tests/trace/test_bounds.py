"""A trace stays small, whatever a model answers and whatever a foreign environment puts out."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from rlm_jupyter.trace.files.opened import read_traces
from rlm_jupyter.trace.recorder import Recorder
from rlm_jupyter.trace.redaction import Redactor
from rlm_jupyter.trace.schema import CodeEnd, CodeStart, ErrorRecord, RunEnd, RunStart

MEGABYTE = 1_000_000
LONG = "begin " + "x" * 3 * MEGABYTE + " end"


def record(code_end: CodeEnd) -> CodeEnd:
    recorder = Recorder(Redactor(["hunter22"], environ={}))
    recorder.end(recorder.start(CodeStart(code="go()", index=1)), code_end)
    payload = recorder.trace.events[-1].payload  # type: ignore[union-attr]
    assert isinstance(payload, CodeEnd)
    return payload


def display(**forms: Any) -> dict[str, Any]:
    data = {name.replace("_", "/"): value for name, value in forms.items()}
    return {"output_type": "display_data", "data": data, "metadata": {}}


def test_a_huge_answer_is_kept_by_head_and_tail_and_its_size(tmp_path: Any) -> None:
    recorder = Recorder(Redactor(environ={}))
    start = RunStart(question=LONG, model="m", backend="b", environment="e", max_iterations=1)
    root = recorder.start(start)
    code = recorder.start(CodeStart(code="FINAL_VAR('big')", index=1), root)
    recorder.end(code, CodeEnd(final_answer=LONG, notes=[LONG]))
    error = ErrorRecord(name="ValueError", message=LONG, traceback=LONG)
    recorder.end(root, RunEnd(answer=LONG, error=error, changes={"created": ["big"]}))

    trace = recorder.trace
    assert len(trace.to_jsonl()) < MEGABYTE
    assert len(json.dumps(trace.to_notebook())) < MEGABYTE
    assert trace.answer is not None
    assert trace.answer.startswith("begin xxx")
    assert trace.answer.endswith("xxx end")
    assert f"\n[... {len(LONG) - 100_000:,} characters left out ...]\n" in trace.answer
    (tmp_path / "log.jsonl").write_text(trace.to_jsonl(), encoding="utf-8")
    (read,) = read_traces(tmp_path / "log.jsonl")
    assert read.outcome is not None
    assert read.outcome.answer_size == len(LONG)


def test_an_answer_of_ordinary_length_is_kept_whole(make_run: Callable[..., Any]) -> None:
    answer = "a" * 100_000
    trace = make_run(answer=answer).record()
    assert trace.answer == answer
    assert trace.outcome.answer_size is None


def test_texts_among_the_outputs_keep_head_and_tail_in_whichever_shape_they_come() -> None:
    lines = [f"line {number:020}\n" for number in range(50_000)]
    end = record(
        CodeEnd(
            outputs=[
                {"output_type": "stream", "name": "stdout", "text": LONG},
                {"output_type": "stream", "name": "stdout", "text": lines},
                display(text_plain=LONG, text_markdown=lines),
                {"output_type": "error", "ename": "E", "evalue": LONG, "traceback": [line[:-1] for line in lines]},
            ],
            error=ErrorRecord(name="E", message="m", traceback=LONG),
        )
    )
    printed, listed, shown, failed = end.outputs
    for text in (printed["text"], listed["text"], *shown["data"].values(), failed["evalue"]):
        assert isinstance(text, str)
        assert len(text) < MEGABYTE + 100
        assert "characters left out ...]" in text
        assert text.startswith(("begin x", "line 0"))
        assert text.endswith(("x end", "49999\n"))
    assert isinstance(failed["traceback"], list)
    assert failed["traceback"][0] == lines[0][:-1]
    assert failed["traceback"][-1] == lines[-1][:-1]
    assert len("\n".join(failed["traceback"])) < MEGABYTE + 100
    assert len(end.model_dump_json()) < 7 * MEGABYTE


def test_what_half_of_would_be_worthless_is_kept_whole_or_named() -> None:
    page, image = "<p>" + "x" * 2 * MEGABYTE, b"\x89PNG" + bytes(2 * MEGABYTE)
    kept = record(CodeEnd(outputs=[display(text_html=page, image_png=image, text_plain="<Figure>")])).outputs[0]["data"]
    assert kept["text/html"] == page
    assert len(kept["image/png"]) > 2 * MEGABYTE
    assert kept["text/plain"] == "<Figure>"

    numbers = list(range(1_200_000))
    (named,) = record(
        CodeEnd(outputs=[display(text_html=3 * LONG, image_png=bytes(6 * MEGABYTE), application_json=numbers)])
    ).outputs
    assert list(named["data"]) == ["text/plain"]
    for line, form in zip(
        named["data"]["text/plain"].split("\n"), ["text/html", "image/png", "application/json"], strict=True
    ):
        assert line.startswith(f"[{form} left out of the trace: ")
        assert line.endswith(" characters]")


def test_secrets_are_taken_out_before_anything_is_cut() -> None:
    around = "x" * (2 * MEGABYTE // 3 - 4)  # the cut would go through the middle of it
    end = record(CodeEnd(outputs=[display(text_plain=f"{around}hunter22{'y' * MEGABYTE}")]))
    assert "hunt" not in end.outputs[0]["data"]["text/plain"]


def test_what_is_short_enough_is_kept_as_it_is() -> None:
    payload = CodeEnd(
        outputs=[display(text_plain="1", application_json={"a": [1]}), {"output_type": "stream", "text": ["a", "b"]}],
        notes=["a note"],
        final_answer="1",
    )
    assert record(payload) is payload
