"""What a person took away is not brought back, and what is too large for a trace notebook stands beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest

from rlm_jupyter.trace.artifacts import play_cell
from rlm_jupyter.trace.files.opened import read_traces
from rlm_jupyter.trace.files.recording import pack, unpack
from rlm_jupyter.trace.notebooks.draft import recordings_in
from rlm_jupyter.trace.notebooks.writer import TraceNotebook
from rlm_jupyter.trace.trace import Trace


def titles(path: Path) -> list[str]:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return [cell.source.split("\n")[0] for cell in notebook.cells if "rlm-title" in cell.metadata.tags]


@pytest.mark.parametrize("take", [Path.unlink, lambda path: path.rename(path.with_name("mine.ipynb"))])
def test_runs_of_a_file_that_was_taken_away_are_not_written_again(
    make_run: Callable[..., Any], tmp_path: Path, take: Callable[[Path], Any]
) -> None:
    notebook = TraceNotebook(tmp_path / "a.trace.ipynb")
    traces = [make_run(f"Number {number}?").record() for number in range(4)]
    notebook.write(traces[:2])
    take(notebook.path)
    left = sorted(tmp_path.iterdir())
    notebook.write(traces[:2])
    assert sorted(tmp_path.iterdir()) == left
    notebook.write(traces[:3])
    notebook.write(traces[:4])
    assert titles(notebook.path) == ["# Number 2?", "# Number 3?"]
    assert notebook.save(traces) == notebook.path  # this is asked for
    assert titles(notebook.path) == [f"# Number {number}?" for number in (2, 3, 0, 1)]


def test_earlier_sessions_are_taken_away_with_the_file_and_a_run_under_way_goes_on(
    make_run: Callable[..., Any], tmp_path: Path
) -> None:
    path = tmp_path / "a.trace.ipynb"
    TraceNotebook(path).write([make_run("Monday?").record()])
    notebook = TraceNotebook(path)
    done, events = make_run("Tuesday?").record(), make_run("Going on?").record().events
    under_way = Trace(events[:-1])
    notebook.write([done, under_way])
    assert titles(path) == ["# Monday?", "# Tuesday?", "# Going on?"]
    path.unlink()
    under_way.add(events[-1])
    notebook.write([done, under_way])
    assert titles(path) == ["# Going on?"]


def test_a_large_recording_is_a_file_beside_the_notebook(
    make_run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(play_cell, "INSIDE", 100)
    whole = make_run("Large?", iterations=[("go", [])] * 3).record()
    trace = Trace(whole.events[:-1])
    notebook = TraceNotebook(tmp_path / "new" / "a.trace.ipynb")

    def play() -> str:
        cells = nbformat.read(notebook.path, as_version=4).cells
        return next(str(cell.source) for cell in cells if "rlm-resume" in cell.metadata.tags)

    notebook.write([trace])
    assert "has not ended" in play()
    trace.add(whole.events[-1])
    recording = pack(trace)
    file = tmp_path / "new" / recording.file_name
    notebook.write([trace])
    assert f'play(file="{recording.file_name}", digest="{recording.digest}")' in play()
    assert unpack(file.read_bytes()).events == trace.events

    file.write_bytes(b"somebody's own words")
    notebook.write([trace, make_run("Another?").record()])
    assert file.read_bytes() == b"somebody's own words"  # and play tells that it is another one
    file.write_bytes(recording.data)
    trace.add(make_run("Large?").record().events[1].model_copy(update={"run_id": trace.run_id, "seq": 900}))
    notebook.write([trace])
    assert not file.exists()  # the notebook names another one now
    assert (file.parent / pack(trace).file_name).exists()


def test_a_recording_is_whole_and_stays_as_long_as_a_notebook_is_played_from_it(
    make_run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(play_cell, "INSIDE", 100)
    trace = make_run("Large?", iterations=[("go", [])] * 3).record()

    def tell_more() -> None:
        more = {"run_id": trace.run_id, "seq": trace.events[-1].seq + 1, "span_id": f"s{len(trace.events)}"}
        begun = next(event for event in trace.events if event.event == "start" and event.payload.kind == "iteration")
        trace.add(begun.model_copy(update=more))

    def recordings() -> set[str]:
        return {path.name for path in tmp_path.glob("*.rlm")}

    first = pack(trace)
    (tmp_path / first.file_name).write_bytes(first.data[:100])  # whoever wrote it was killed
    notebook = TraceNotebook(tmp_path / "a.trace.ipynb")
    notebook.write([trace])
    assert (tmp_path / first.file_name).read_bytes() == first.data
    copy = tmp_path / "mine.ipynb"
    copy.write_bytes(notebook.path.read_bytes())
    tell_more()
    notebook.write([trace])
    assert recordings() == {first.file_name, pack(trace).file_name}  # the copy is played from the first
    second = pack(trace)
    formatted = nbformat.read(notebook.path, as_version=4)
    formatted.cells[2].source = formatted.cells[2].source.replace('file="', '\n    file="').replace(", d", ",\n    d")
    nbformat.write(formatted, notebook.path)
    tell_more()
    assert notebook.write([trace]) == tmp_path / "a.trace-2.ipynb"
    assert recordings() == {first.file_name, second.file_name, pack(trace).file_name}
    assert read_traces(tmp_path / "a.trace.ipynb")[0].events == trace.events[:-1]
    assert recordings_in((tmp_path / "a.trace.ipynb").read_bytes()) == [second.file_name]
