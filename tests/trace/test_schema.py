"""The schema of a trace is published as JSON Schema, and every line of a trace is as it says."""

from __future__ import annotations

import json

import pytest
from jsonschema import Draft202012Validator, ValidationError
from recorded_runs import record, recorded

from rlm_jupyter.trace.schema import json_schema
from rlm_jupyter.trace.trace import Trace


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
