"""A log gives back the traces that were written to it, also when it is damaged, and says so."""

from __future__ import annotations

import gc
import json
from pathlib import Path
from typing import Any

import pytest

from rlm_jupyter.trace.files.jsonl import JSONLFile, LogReader
from rlm_jupyter.trace.files.opened import TraceVersionError, read_traces
from rlm_jupyter.trace.recorder import Recorder
from rlm_jupyter.trace.redaction import Redactor
from rlm_jupyter.trace.schema import RunEnd, RunStart, SubcallEnd, SubcallStart


def test_what_was_written_is_read_back(run: Any, tmp_path: Path) -> None:
    log = JSONLFile(tmp_path / "new" / "folder" / "rlm.jsonl")
    traces = [run.record(sinks=[log]), run.record(sinks=[log])]
    read = read_traces(log.path)
    assert [trace.events for trace in read] == [trace.events for trace in traces]
    assert read[0].to_markdown() == traces[0].to_markdown()
    assert read[0].to_jsonl() + read[1].to_jsonl() == log.path.read_text(encoding="utf-8")


def test_a_cut_last_line_leaves_the_partial_trace(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "rlm.jsonl"
    path.write_text(run.record().to_jsonl()[:-50], encoding="utf-8")
    with pytest.warns(UserWarning, match="could not be read and is left out"):
        (trace,) = read_traces(path)
    assert len(trace.iterations) == 3
    assert trace.status is None
    assert "damaged at line" in str(trace.damage)
    assert "damaged at line" in trace.to_markdown()


def test_a_damaged_line_in_the_middle_is_passed_over(run: Any, tmp_path: Path) -> None:
    lines = run.record().to_jsonl().splitlines()
    lines[4] = lines[4][:30] + "\x00\xff"
    path = tmp_path / "rlm.jsonl"
    path.write_text("\n".join([*lines, "", "not json"]), encoding="utf-8")
    with pytest.warns(UserWarning, match=r"lines 5, \d+ could not be read"):
        (trace,) = read_traces(path)
    assert trace.answer == "42"


def test_a_newer_log_is_refused_with_what_to_do(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "rlm.jsonl"
    newer = {**json.loads(run.record().to_jsonl().splitlines()[0]), "version": 99, "new_field": 1}
    path.write_text(json.dumps(newer) + "\n", encoding="utf-8")
    with pytest.raises(TraceVersionError, match="pip install -U rlm-jupyter"):
        read_traces(path)


def test_a_missing_log_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_traces(tmp_path / "none.jsonl")


def test_a_growing_log_is_read_once(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "rlm.jsonl"
    text = run.record().to_jsonl()
    half = len(text) // 2
    path.write_text(text[:half], encoding="utf-8")
    reader = LogReader(path)
    assert reader.read()
    assert not reader.read()
    with path.open("a", encoding="utf-8") as log:
        log.write(text[half:])
    assert reader.read()
    assert reader.damaged == ()
    assert reader.traces[0].to_jsonl() == text


def test_what_ends_after_its_run_is_written_too_and_no_file_stays_open(tmp_path: Path) -> None:
    log = JSONLFile(tmp_path / "rlm.jsonl")
    recorder = Recorder(Redactor(environ={}), [log])
    root = recorder.start(RunStart(question="q", model="m", backend="b", environment="e", max_iterations=1))
    call = recorder.start(SubcallStart(model="m", prompt=recorder.blob("p", 10)), root)
    recorder.end(root, RunEnd(), "interrupted")
    recorder.end(call, SubcallEnd(), "interrupted")
    del log, recorder
    gc.collect()  # a file that is still open warns here, and a warning fails the test
    (trace,) = read_traces(tmp_path / "rlm.jsonl")
    assert [span.status for span in trace.walk()] == ["interrupted", "interrupted"]
