"""Files of traces are opened by what they hold, and nothing else is."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest
from recorded_runs import record

from rlm_jupyter import RLMChatCompletion, RLMError
from rlm_jupyter.core.usage import UsageSummary
from rlm_jupyter.trace.artifacts.notebook import to_notebook
from rlm_jupyter.trace.files.jsonl import LogReader
from rlm_jupyter.trace.files.opened import Bounds, TraceFileError, TraceVersionError, read_traces, traces_of
from rlm_jupyter.trace.files.recording import pack
from rlm_jupyter.trace.schema import SCHEMA_VERSION
from rlm_jupyter.trace.trace import Trace

OLD = Path(__file__).parent / "samples" / "trace-1.jsonl"

ELSEWHERE = "ab" * 12 + ".rlm"


@pytest.fixture(scope="module")
def trace() -> Trace:
    return record()


def beside(folder: Path, trace: Trace, name: str = "", data: bytes | None = None) -> Path:
    """A notebook whose recording is a file, and that file."""
    recording = pack(trace)
    (folder / recording.file_name).write_bytes(recording.data if data is None else data)
    source = f'rlm_jupyter.play(file="{name or recording.file_name}", digest="{recording.digest}")'
    cell = {"cell_type": "code", "metadata": {"tags": ["rlm", "rlm-resume"]}, "source": source}
    path = folder / "a.trace.ipynb"
    path.write_text(json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    return path


def test_every_sort_of_file_gives_the_traces_back(trace: Trace, tmp_path: Path) -> None:
    log, other = trace.to_jsonl().encode(), record("Another?")
    files = {
        "a.jsonl": log,
        "a.jsonl.gz": gzip.compress(log),
        "a.trace.ipynb": json.dumps(trace.to_notebook()).encode(),
        "a.rlm": pack(trace).data,
        "a.txt": gzip.compress(json.dumps(trace.to_notebook(), indent=1).encode()),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        (read,) = read_traces(tmp_path / name)
        assert (read.events, read.damage) == (trace.events, None), name
    (tmp_path / "two.ipynb").write_text(json.dumps(to_notebook([trace, other])))
    (tmp_path / "two.jsonl").write_bytes(log + other.to_jsonl().encode())
    for name in ("two.ipynb", "two.jsonl"):
        assert [each.run_id for each in read_traces(tmp_path / name)] == [trace.run_id, other.run_id]


def test_a_recording_beside_a_notebook_is_found_and_checked(trace: Trace, tmp_path: Path) -> None:
    (read,) = read_traces(beside(tmp_path, trace))
    assert read.events == trace.events
    with pytest.raises(TraceFileError, match="its digest is another"):
        read_traces(beside(tmp_path, trace, data=b"something else"))


def test_nothing_out_of_the_notebooks_folder_is_opened(trace: Trace, tmp_path: Path) -> None:
    folder = tmp_path / "notebooks"
    folder.mkdir()
    (tmp_path / ELSEWHERE).write_bytes(pack(trace).data)
    with pytest.raises(TraceFileError, match="without a recording"):
        read_traces(beside(folder, trace, f"../{ELSEWHERE}"))
    (folder / ELSEWHERE).symlink_to(tmp_path / ELSEWHERE)
    with pytest.raises(TraceFileError, match="there is no such file beside it"):
        read_traces(beside(folder, trace, ELSEWHERE))


def test_a_log_in_another_order_and_with_lines_twice_is_put_in_order(trace: Trace, tmp_path: Path) -> None:
    lines = trace.to_jsonl().splitlines(keepends=True)
    (tmp_path / "a.jsonl").write_text("".join([*reversed(lines), *lines]))
    (read,) = read_traces(tmp_path / "a.jsonl")
    assert (read.events, read.damage) == (trace.events, None)
    assert read.to_markdown() == trace.to_markdown()


def test_what_is_missing_is_said(trace: Trace, tmp_path: Path) -> None:
    lines = trace.to_jsonl().splitlines(keepends=True)
    (tmp_path / "a.jsonl").write_text("".join([*lines[:4], "broken\n", *lines[5:]]))
    with pytest.warns(UserWarning, match="line 5 could not be read"):
        (read,) = read_traces(tmp_path / "a.jsonl")
    assert "damaged at line 5" in str(read.damage)
    assert read.answer == trace.answer


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"Once upon a time", "holds no run"),
        (b"[" * 3_000_000, "holds no run"),
        (b'{"event":"start","payload":' + b"[" * 3_000_000, "holds no run"),
        (b'{"cells":' + b"[" * 3_000_000, "not opened"),
        (b'{"cells":' + b"[" * 300_000, "no whole notebook"),
        (b'{"cells": [], "nbformat": 4}', "without a recording"),
        (b"\x1f\x8b\x08 no", "is damaged"),
        (b"\x78\x9c no", "is damaged"),
        (gzip.compress(b"\n" * 2_000, mtime=0), "more than 1,000 lines"),
        (gzip.compress(b"x" * 20_000_000, mtime=0), "more than 10,000,000 bytes"),
        (b"\n" * 200_000, "has 200,000 bytes; a file of traces may have 100,000"),
    ],
)
def test_what_is_no_trace_is_refused_with_what_to_do(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(content)
    file = 100_000 if said.startswith("has") else 1_000_000_000
    with pytest.raises(TraceFileError, match=said):
        read_traces(path, Bounds(lines=1_000, unpacked=10_000_000, file=file))


def test_more_events_and_runs_than_a_file_may_hold_are_refused(trace: Trace, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(trace.to_jsonl() + record().to_jsonl())
    with pytest.raises(TraceFileError, match="more than 10 events"):
        read_traces(path, Bounds(events=10))
    with pytest.raises(TraceFileError, match="more than 1 runs"):
        read_traces(path, Bounds(runs=1))


def test_what_recordings_take_is_counted_together_and_each_is_unpacked_once(tmp_path: Path) -> None:
    traces = [record(f"Question {number}?") for number in range(3)]
    ids = [trace.run_id for trace in traces]
    notebook = to_notebook(traces)
    notebook["cells"] *= 5
    path = tmp_path / "a.trace.ipynb"
    path.write_text(json.dumps(notebook))
    assert [trace.run_id for trace in read_traces(path)] == ids
    events, size = len(traces[0].events), len(traces[0].to_jsonl())
    for bounds, said in (
        (Bounds(events=2 * events), f"more than {2 * events:,} events"),
        (Bounds(unpacked=2 * size), "larger than"),
        (Bounds(notebook=1_000), "larger than the 1,000 bytes"),
    ):
        with pytest.raises(TraceFileError, match=said):
            read_traces(path, bounds)
    (tmp_path / "a.rlm").write_bytes(pack(traces[0]).data)
    with pytest.raises(TraceFileError, match="larger than the 100 bytes"):
        read_traces(tmp_path / "a.rlm", Bounds(notebook=100))
    lines = [json.loads(line) for line in record().to_jsonl().splitlines()]
    lines[0]["payload"]["settings"] = {"many": [[]] * 1_000}
    (tmp_path / "a.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    with pytest.raises(TraceFileError, match="more than 200 events"):
        read_traces(tmp_path / "a.jsonl", Bounds(events=200))


def test_one_line_of_a_newer_version_is_damage(trace: Trace, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    for at in (0, 9):
        lines = trace.to_jsonl().splitlines(keepends=True)
        lines[at] = lines[at].replace(f'"version":{SCHEMA_VERSION}', f'"version":{SCHEMA_VERSION + 1}')
        path.write_text("".join([*lines, record().to_jsonl()]))
        with pytest.warns(UserWarning, match=f"line {at + 1} could not be read"):
            found = read_traces(path)
        assert len(found) == (1 if at == 0 else 2)
    assert "damaged at line 10" in str(found[0].damage)
    follower = LogReader(path)
    assert follower.read()
    assert (len(follower.traces), follower.damaged) == (2, (10,))


def test_what_is_no_ordinary_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(TraceFileError, match="is no ordinary file"):
        read_traces(tmp_path / "pipe")
    with pytest.raises(TraceFileError, match="is a folder"):
        read_traces(tmp_path)
    with pytest.raises(FileNotFoundError):
        read_traces(tmp_path / "nowhere.jsonl")


def test_whatever_has_a_trace_will_do(trace: Trace, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(trace.to_jsonl())
    result = RLMChatCompletion("m", "p", "42", UsageSummary(), 1.0, trace=trace)
    for source in (trace, result, RLMError("no", trace=trace), [trace], str(tmp_path / "a.jsonl")):
        assert [each.run_id for each in traces_of(source)] == [trace.run_id]
    wrong: list[tuple[Any, str]] = [
        (3, "not of type int"),
        (RLMError("no"), "not of type RLMError"),
        (Trace(), "No run"),
    ]
    for nothing, said in wrong:
        with pytest.raises(TraceFileError, match=said):
            traces_of(nothing)


def test_a_log_of_the_first_version_opens(tmp_path: Path, trace: Trace) -> None:
    (old,) = read_traces(OLD)
    assert {event.version for event in old.events} == {SCHEMA_VERSION}
    assert (old.answer, len(old.iterations), len(old.subcalls), len(old.children)) == ("42", 3, 2, 1)
    assert old.usage.total_input_tokens == 700
    (tmp_path / "mixed.jsonl").write_text(OLD.read_text() + trace.to_jsonl())
    assert [each.run_id for each in read_traces(tmp_path / "mixed.jsonl")] == [old.run_id, trace.run_id]


@pytest.mark.parametrize("change", [{}, {"more": 1}, {"event": "new"}])
def test_a_newer_file_says_what_to_do(trace: Trace, tmp_path: Path, change: dict[str, Any]) -> None:
    first, *rest = trace.to_jsonl().splitlines(keepends=True)
    newer = {**json.loads(first), "version": SCHEMA_VERSION + 1, **change}
    (tmp_path / "a.jsonl").write_text("".join([f"{json.dumps(newer)}\n", *rest]))
    with pytest.raises(TraceVersionError, match="pip install -U rlm-jupyter"):
        read_traces(tmp_path / "a.jsonl")
