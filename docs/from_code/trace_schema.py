"""trace-schema.md: the events of a trace, and what our MIME types hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic.json_schema import models_json_schema

from rlm_jupyter.magics.live import LIVE_MIME_TYPE
from rlm_jupyter.trace.artifacts import shapes
from rlm_jupyter.trace.artifacts.bundle import RUN_MIME_TYPE
from rlm_jupyter.trace.schema import SCHEMA_VERSION, json_schema

from .fields import meaning
from .json_types import Schemas, fields_table
from .markdown import code, paragraphs, prose

__all__ = ["trace_schema_page"]

_EVENTS = ("SpanStart", "SpanEnd", "SpanText", "Blob")
_PAYLOADS = ("Run", "Iteration", "ModelCall", "Code", "Subcall")


def trace_schema_page() -> str:
    """Return the page."""
    named = json_schema()["$defs"]
    schemas = Schemas(named, lambda name: f"#{name.lower()}")
    payloads = [f"{name}{end}" for name in _PAYLOADS for end in ("Start", "End")]
    records = [name for name in named if name not in (*_EVENTS, *payloads)]

    def told(names: tuple[str, ...] | list[str]) -> Iterator[str]:
        for name in names:
            yield from _model(schemas, name, named[name])

    return paragraphs(
        "# The trace's schema",
        f"A trace is a run told as events: a log has one a line, in JSON. This is version {SCHEMA_VERSION}; the [JSON "
        f"Schema](../schema/trace-{SCHEMA_VERSION}.json) says the same to programs. Files of earlier versions open.",
        "Times are seconds since the epoch, money is in US dollars, tokens are counted by the model's server, and "
        "`null` means that it is not known. A *digest* names a [Blob](#blob): long texts are written once. Names "
        "follow OpenTelemetry's GenAI conventions where there is one.",
        "## Events",
        *told(_EVENTS),
        "## Payloads",
        "What a span is about when it opens, and what came of it when it closes, told apart by `kind`.",
        *told(payloads),
        "## Records",
        *told(records),
        "## MIME types",
        "A cell's output has the run as `text/plain`, `text/markdown` and `text/html`, and in short for our own "
        "renderer. Fields are added to these; none changes its meaning.",
        *_mime_types(),
    )


def _model(schemas: Schemas, name: str, schema: dict[str, Any]) -> Iterator[str]:
    yield f"### {name}"
    yield prose(schema.get("description"))
    yield fields_table(schemas, schema, lambda field, _: meaning(name, field), absent="empty")


def _mime_types() -> Iterator[str]:
    models = (shapes.RunBundle, shapes.LiveBundle)
    _, generated = models_json_schema([(model, "serialization") for model in models], ref_template="{model}")
    named = generated["$defs"]
    schemas = Schemas(named, lambda name: f"#{name.lower()}")
    types = {"RunBundle": RUN_MIME_TYPE, "LiveBundle": LIVE_MIME_TYPE}
    for name in (*types, *(name for name in named if name not in types)):
        if name in types:
            yield f"{code(types[name])} is a {code(name)}:"
        yield from _model(schemas, name, named[name])
