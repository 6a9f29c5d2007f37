"""Traces that are damaged: an error or what can be read of them, and never a crash, a hang or code that is run."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import nbformat
import pytest
from damaged import TRAP, Damaged
from recorded_runs import conversation, record

from rlm_jupyter.cli.printed import run_list, run_text
from rlm_jupyter.trace.artifacts.formats import FORMATS
from rlm_jupyter.trace.diff import diff
from rlm_jupyter.trace.files.opened import Bounds, open_traces, read_traces
from rlm_jupyter.trace.trace import Trace
from rlm_jupyter.trace.verify.file import verify_file

MANY = int(os.environ.get("RLM_JUPYTER_DAMAGED", "200"))
"""How many files; a larger number looks further."""

TIGHT = Bounds(lines=300_000, unpacked=80_000_000)

SEED = int(os.environ.get("RLM_JUPYTER_SEED", "7"))


@pytest.fixture(scope="module")
def good() -> list[Trace]:
    old = read_traces(Path(__file__).parent / "samples/trace-1.jsonl")
    return [record(), record(status=None), *old, *map(Trace, conversation("Where does the walrus live?").values())]


def look_at(trace: Trace, other: Trace) -> None:
    """Do with a trace all that may be done with one that nobody vouches for."""
    for form in FORMATS.values():
        text = form.export(trace)
        if form.name == "notebook":
            nbformat.validate(nbformat.reads(text, as_version=4))
    for child in trace.children[:3]:
        trace.part(child.span_id).to_markdown()
    diff(trace, other).to_dict()
    str(diff(other, trace))
    run_text(trace)
    run_list([trace])


@pytest.mark.timeout(600)
def test_damaged_traces_give_an_error_or_a_part(good: list[Trace], tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.delenv(TRAP, raising=False)
    notebooks = [trace.to_notebook() for trace in good]
    opened = refused = 0
    for number, (name, content) in enumerate(Damaged(good, notebooks, SEED).files(MANY)):
        path = tmp_path / "damaged"
        path.write_bytes(content)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                assert all(str(finding) for finding in verify_file(path, TIGHT)), name
            traces = open_traces(path, TIGHT).traces
        except ValueError:
            refused += 1
            continue
        for trace in traces:
            try:
                look_at(trace, good[number % len(good)])
            except Exception as error:
                error.add_note(f"The file is number {number}, {name}.") if hasattr(error, "add_note") else None
                raise
        opened += 1
    assert opened > MANY / 4
    assert refused > MANY / 10
    assert TRAP not in os.environ
