"""The JSON Schema of a trace as it is published: ``python -m rlm_jupyter.trace.published`` writes it."""

from __future__ import annotations

import json
import sys

from .schema import SCHEMA_VERSION, json_schema

__all__ = ["published_schema"]


def published_schema() -> str:
    """Return the JSON Schema of a line of a trace in JSON lines, as the file of its version in the docs has it."""
    told = json_schema()
    schema, title = told.pop("$schema"), told.pop("title")
    about = f"A line of an rlm-jupyter trace in JSON lines, version {SCHEMA_VERSION} of the schema."
    return json.dumps({"$schema": schema, "title": title, "description": about, **told}, indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(published_schema())
