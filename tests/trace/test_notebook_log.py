"""A trace notebook follows a log: at once in this process, soon in another."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import nbformat
import pytest

from rlm_jupyter.trace.notebooks.following import enable_trace_notebook, start_trace_writer, stop_trace_writer
from rlm_jupyter.trace.recorder import Recorder
from rlm_jupyter.trace.redaction import Redactor
from rlm_jupyter.trace.schema import SCHEMA_VERSION, RunStart


def runs_in(path: Path) -> int:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return sum("rlm-title" in cell.metadata.tags for cell in notebook.cells)


def test_the_notebook_is_there_when_the_run_ends(run: Any, tmp_path: Path) -> None:
    logger, handle = enable_trace_notebook(log_dir=tmp_path / "logs")
    assert str(handle.log_path) == logger.log_file_path
    assert handle.notebook_path.name == handle.log_path.name.replace(".jsonl", ".trace.ipynb")
    for count in (1, 2, 3):
        run.record(sinks=[logger.sink])
        assert runs_in(handle.notebook_path) == count
    stop_trace_writer(handle)
    stop_trace_writer(handle)
    run.record(sinks=[logger.sink])
    assert runs_in(handle.notebook_path) == 3


def test_the_notebook_may_stand_elsewhere(run: Any, tmp_path: Path) -> None:
    logger, handle = enable_trace_notebook(str(tmp_path), "mine", notebook_path=tmp_path / "here.ipynb")
    run.record(sinks=[logger.sink])
    assert handle.log_path.name.startswith("mine_")
    assert runs_in(tmp_path / "here.ipynb") == 1


def test_stopping_shows_a_run_under_way(tmp_path: Path) -> None:
    logger, handle = enable_trace_notebook(tmp_path)
    recorder = Recorder(Redactor(environ={}), [logger.sink])
    recorder.start(RunStart(question="Still?", model="m", backend="b", environment="e", max_iterations=1))
    assert not handle.notebook_path.exists()
    stop_trace_writer(handle)
    assert "running" in handle.notebook_path.read_text(encoding="utf-8")
    logger.close()


def test_a_log_of_another_process_is_followed(run: Any, tmp_path: Path) -> None:
    log = tmp_path / "theirs.jsonl"
    handle = start_trace_writer(log, tmp_path / "theirs.trace.ipynb")
    log.write_text(run.record().to_jsonl(), encoding="utf-8")
    assert handle.written.wait(30)
    assert runs_in(handle.notebook_path) == 1
    stop_trace_writer(handle)


def test_a_log_that_exists_already_is_shown_when_the_writer_stops(run: Any, tmp_path: Path) -> None:
    log = tmp_path / "old.jsonl"
    log.write_text(run.record().to_jsonl(), encoding="utf-8")
    handle = start_trace_writer(log)
    stop_trace_writer(handle)
    assert runs_in(tmp_path / "old.trace.ipynb") == 1


def test_a_log_that_cannot_be_read_ends_nothing(run: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    logger, handle = enable_trace_notebook(tmp_path)
    trace = run.record(sinks=[logger.sink])
    newer = trace.to_jsonl().replace(f'"version":{SCHEMA_VERSION}', '"version":99')
    with handle.log_path.open("a", encoding="utf-8") as log:
        log.write(newer)
    with caplog.at_level(logging.WARNING):
        assert run.record(sinks=[logger.sink]).status == "ok"
    assert "written by a newer rlm-jupyter" in caplog.text
