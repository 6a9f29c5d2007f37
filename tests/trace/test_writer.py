"""A trace notebook is kept up to date, and what is not ours to change is not changed."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest

from rlm_jupyter.trace.artifacts.notebook import to_notebook
from rlm_jupyter.trace.notebooks.writer import TraceNotebook, trace_path_for
from rlm_jupyter.trace.trace import Trace


def titles(path: Path) -> list[str]:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return [cell.source.split("\n")[0] for cell in notebook.cells if "rlm-title" in cell.metadata.tags]


def test_a_notebook_has_its_trace_beside_it(tmp_path: Path) -> None:
    assert trace_path_for(tmp_path / "analysis.ipynb") == tmp_path / "analysis.trace.ipynb"
    assert trace_path_for("v1.2.ipynb") == Path("v1.2.trace.ipynb")
    assert trace_path_for("script.py") == Path("script.py.trace.ipynb")
    assert trace_path_for(tmp_path / "analysis.trace.ipynb") is None
    assert trace_path_for(tmp_path / "analysis.trace-2.ipynb") is None


def test_each_write_replaces_the_last(make_run: Callable[..., Any], tmp_path: Path) -> None:
    notebook = TraceNotebook(tmp_path / "new" / "a.trace.ipynb")
    first = make_run("First?").record()
    assert notebook.write([first]) == notebook.path
    assert notebook.write([first, make_run("Second?").record()]) == notebook.path
    assert titles(notebook.path) == ["# First?", "# Second?"]
    assert [path.name for path in notebook.path.parent.iterdir()] == ["a.trace.ipynb"]  # nothing half-written is left


def test_only_the_new_run_costs_anything(run: Any, tmp_path: Path) -> None:
    notebook = TraceNotebook(tmp_path / "a.trace.ipynb")
    traces: list[Trace] = []

    def calls_of_next_write() -> int:
        traces.append(run.record())
        calls = 0

        def count(frame: object, event: str, argument: object) -> None:
            nonlocal calls
            calls += event in ("call", "c_call")

        sys.setprofile(count)
        notebook.write(traces)
        sys.setprofile(None)
        return calls

    calls = [calls_of_next_write() for _ in range(30)]
    assert calls[-1] < 1.5 * calls[2]  # the first ones also import


def test_the_file_holds_what_the_traces_tell_also_when_an_earlier_one_grew(run: Any, tmp_path: Path) -> None:
    notebook = TraceNotebook(tmp_path / "a.trace.ipynb")
    run.question = 'Is "ü" one\u2028line?\n    Yes.'
    events = run.record().events
    growing, other = Trace(events[:8]), run.record()
    notebook.write([growing, other])
    for event in events[8:]:
        growing.add(event)
    path = notebook.write([growing, other])
    assert path is not None
    expected = to_notebook([growing, other])
    assert path.read_text(encoding="utf-8") == json.dumps(expected, indent=1, ensure_ascii=False) + "\n"
    counts = [cell["execution_count"] for cell in expected["cells"] if cell["cell_type"] == "code"]
    assert counts == [None, 1, 2, None, None, 3, 4, None]  # the cells that play the runs and report are not numbered


def test_a_run_that_is_no_longer_in_memory_stays_in_the_file(make_run: Callable[..., Any], tmp_path: Path) -> None:
    notebook = TraceNotebook(tmp_path / "a.trace.ipynb")
    traces = [make_run(f"Number {number}?").record() for number in range(4)]
    for number in range(4):
        notebook.write(traces[max(0, number - 1) : number + 1])  # a bounded journal
    assert titles(notebook.path) == [f"# Number {number}?" for number in range(4)]


def test_an_earlier_session_is_kept_in_front(make_run: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "a.trace.ipynb"
    for question in ("Monday?", "Tuesday?", "Wednesday?"):
        session = TraceNotebook(path)
        trace = make_run(question).record()
        session.write([])
        session.write([trace])
        session.write([trace, make_run("And then?").record()])
    assert titles(path) == ["# Monday?", "# And then?", "# Tuesday?", "# And then?", "# Wednesday?", "# And then?"]


def test_two_sessions_at_the_same_time_lose_nothing(make_run: Callable[..., Any], tmp_path: Path) -> None:
    one, two = TraceNotebook(tmp_path / "a.trace.ipynb"), TraceNotebook(tmp_path / "a.trace.ipynb")
    mine, yours = make_run("Mine?").record(), make_run("Yours?").record()
    one.write([mine])
    two.write([yours])
    one.write([mine, make_run("Mine again?").record()])
    two.write([yours])
    assert sorted(titles(one.path)) == ["# Mine again?", "# Mine?", "# Yours?"]


@pytest.mark.parametrize(
    "content",
    [
        b'{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}',
        b'{"cells": [], "metadata": {"rlm_jupyter": {"digest": 3}}}',
        b'{"cells": 1, "metadata": {"rlm_jupyter": {"digest": "x"}}}',
        b"[]",
        b"",
        b"\xff\xfe not json",
        b'{"cells": [{"cell_type": "code", "sour',
    ],
)
def test_a_file_that_is_not_ours_stays_as_it_is(run: Any, tmp_path: Path, content: bytes) -> None:
    theirs = tmp_path / "a.trace.ipynb"
    theirs.write_bytes(content)
    (tmp_path / "a.trace-2.ipynb").write_bytes(content)
    notebook = TraceNotebook(theirs)
    trace = run.record()
    assert notebook.write([trace]) == tmp_path / "a.trace-3.ipynb"
    assert notebook.write([trace]) == tmp_path / "a.trace-3.ipynb"
    assert theirs.read_bytes() == content
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.trace-2.ipynb", "a.trace-3.ipynb", "a.trace.ipynb"]


def edit(path: Path, change: Callable[[dict[str, Any]], None]) -> str:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    change(notebook)
    path.write_text(json.dumps(notebook), encoding="utf-8")
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "change",
    [
        lambda notebook: notebook["cells"][0].update(source="# My own words"),
        lambda notebook: notebook["cells"].append({**notebook["cells"][0], "id": "mine", "metadata": {}}),
        lambda notebook: notebook["cells"].pop(),
        lambda notebook: notebook["cells"][4]["outputs"].clear(),
        lambda notebook: notebook["cells"][4]["metadata"]["tags"].append("keep"),
        lambda notebook: notebook["cells"].reverse(),
    ],
    ids=["source", "new cell", "fewer cells", "outputs", "tags", "order"],
)
def test_what_the_user_edited_is_kept_and_the_next_name_is_used(
    run: Any, tmp_path: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    notebook = TraceNotebook(tmp_path / "a.trace.ipynb")
    trace = run.record()
    path = notebook.write([trace])
    assert path is not None
    edited = edit(path, change)
    assert notebook.write([trace]) == tmp_path / "a.trace-2.ipynb"
    assert path.read_text(encoding="utf-8") == edited
    assert TraceNotebook(path).write([trace]) == tmp_path / "a.trace-2.ipynb"  # another session ends up there too
    assert titles(tmp_path / "a.trace-2.ipynb") == ["# What is the answer?"]


def test_running_all_and_saving_in_lab_is_no_edit(run: Any, tmp_path: Path) -> None:
    def save_in_lab(notebook: dict[str, Any]) -> None:
        playing = [cell for cell in notebook["cells"] if "rlm-resume" in cell["metadata"]["tags"]]
        assert playing
        for cell in playing:
            told = {"output_type": "stream", "name": "stdout", "text": "Playing “What is the answer?”\n"}
            cell |= {"execution_count": 7, "outputs": [told]}
        notebook["metadata"]["language_info"]["version"] = "3.12.1"
        for number, cell in enumerate(notebook["cells"]):
            cell["source"] = cell["source"].splitlines(keepends=True)
            cell["metadata"]["trusted"] = True
            if cell.get("execution_count") is not None:
                cell["execution_count"] = number + 50
            for output in cell.get("outputs", []):
                if "text" in output:
                    output["text"] = output["text"].splitlines(keepends=True)
                if "text/html" in output.get("data", {}):
                    output["data"]["text/html"] = output["data"]["text/html"].splitlines(keepends=True)

    notebook = TraceNotebook(tmp_path / "a.trace.ipynb")
    trace = run.record()
    path = notebook.write([trace])
    assert path is not None
    edit(path, save_in_lab)
    assert notebook.write([trace, run.record()]) == path
    assert len(titles(path)) == 2


def test_a_folder_that_cannot_be_written_is_said_once_and_ends_nothing(
    run: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("not a folder")
    notebook = TraceNotebook(tmp_path / "file" / "a.trace.ipynb")
    with caplog.at_level(logging.WARNING):
        assert notebook.write([run.record()]) is None
        assert notebook.write([run.record()]) is None
    (record,) = caplog.records
    assert "could not be written" in record.getMessage()
    assert "The run goes on." in record.getMessage()
    with pytest.raises(OSError, match="file"):
        notebook.save([run.record()])


def test_a_link_stays_a_link(run: Any, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "a.trace.ipynb"
    link.symlink_to(tmp_path / "elsewhere" / "real.trace.ipynb")
    TraceNotebook(link).write([run.record()])
    assert link.is_symlink()
    assert titles(tmp_path / "elsewhere" / "real.trace.ipynb")


def test_what_another_program_writes_while_runs_are_rendered_is_kept(
    make_run: Callable[..., Any], tmp_path: Path
) -> None:
    path = tmp_path / "a.trace.ipynb"
    mine, yours = make_run("Mine?").record(), make_run("Yours?").record()
    TraceNotebook(path).save([make_run("Before?").record()])

    class Hurried(Trace):
        """A trace during whose rendering another program writes the file."""

        @property
        def run_id(self) -> str:
            TraceNotebook(path).save([yours])
            return super().run_id

    TraceNotebook(path).save([Hurried(mine.events)])
    assert titles(path) == ["# Before?", "# Yours?", "# Mine?"]


def test_a_full_file_is_kept_and_the_next_one_begun(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.trace.ipynb"
    first = TraceNotebook(path)
    first.save([run.record()])
    monkeypatch.setattr("rlm_jupyter.trace.notebooks.draft._FULL", 1_000)
    assert first.save([run.record()]) == path  # a session stays with its file
    assert TraceNotebook(path).save([run.record()]) == tmp_path / "a.trace-2.ipynb"
    assert len(titles(path)) == 2
