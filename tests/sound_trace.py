"""What is true of every trace: it is exported to every format, is found sound, and is one with itself."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
from jsonschema import Draft202012Validator

from rlm_jupyter import read_traces
from rlm_jupyter.trace.artifacts.formats import FORMATS
from rlm_jupyter.trace.files.recording import pack, unpack
from rlm_jupyter.trace.schema import json_schema
from rlm_jupyter.trace.trace import Trace
from rlm_jupyter.trace.verify import verify
from rlm_jupyter.trace.verify.file import verify_file

__all__ = ["assert_sound"]

SCHEMA = Draft202012Validator(json_schema())


def assert_sound(trace: Trace, folder: Path) -> None:
    """Assert all that is true of every trace but that it replays."""
    assert verify(trace) == []
    for line in trace.to_jsonl().splitlines():
        SCHEMA.validate(json.loads(line))
    assert trace.diff(trace).same
    assert trace.diff(unpack(pack(trace).data)).same
    for name, form in FORMATS.items():
        written = Path(trace.export(name, folder / f"run{form.extension}"))
        assert form.render(trace) == written.read_text("utf-8")
    notebook = folder / "run.trace.ipynb"
    nbformat.validate(nbformat.read(notebook, as_version=4))
    for path in (notebook, folder / "run.jsonl"):
        assert verify_file(path) == []
        (again,) = read_traces(path)
        assert again.diff(trace).same
