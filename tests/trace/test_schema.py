"""The schema of a trace is published as JSON Schema, and every line of a trace is as it says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError
from recorded_runs import record, recorded

from rlm_jupyter.trace.published import published_schema
from rlm_jupyter.trace.schema import SCHEMA_VERSION, json_schema
from rlm_jupyter.trace.trace import Trace

PUBLISHED = Path(__file__).parents[2] / "docs" / "schema"


def test_every_line_of_a_trace_is_as_the_schema_says() -> None:
    Draft202012Validator.check_schema(json_schema())
    validator = Draft202012Validator(json_schema())
    for trace in (record(), record(status=None), Trace(recorded("Which colour has the lamp?"))):
        lines = [json.loads(line) for line in trace.to_jsonl().splitlines()]
        for line in lines:
            validator.validate(line)
        with pytest.raises(ValidationError):
            validator.validate({**lines[0], "else": 1})


def test_whoever_changes_what_was_published_changes_it_for_nobody_else() -> None:
    json_schema().clear()
    assert json_schema()["$defs"]


def test_what_is_published_is_what_is_written(run: Any) -> None:
    text = (PUBLISHED / f"trace-{SCHEMA_VERSION}.json").read_text(encoding="utf-8")
    assert text == published_schema(), "run make generate"
    validator = Draft202012Validator(json.loads(text))
    old = (Path(__file__).parent / "samples" / "trace-1.jsonl").read_text(encoding="utf-8")
    kinds = set()
    for line in map(json.loads, (run.record().to_jsonl() + old).splitlines()):
        validator.validate(line)
        kinds.add((line["event"], line.get("payload", {}).get("kind")))
    payloads = ("run", "iteration", "model_call", "code", "subcall")
    spans = {(event, kind) for event in ("start", "end") for kind in payloads}
    assert kinds == {*spans, ("blob", None), ("text", None)}
