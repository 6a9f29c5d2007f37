"""A trace as OTLP's JSON: the body of a request to ``v1/traces`` that any OpenTelemetry collector takes.

The encoding is that of the OTLP specification ("JSON Protobuf Encoding"): names in lowerCamelCase, ids in hexadecimal,
enums as numbers, 64-bit integers as strings.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from rlm_jupyter.trace.trace import Trace

from .otel_attributes import Attributes
from .otel_spans import Content, OTelEvent, OTelSpan, otel_spans

__all__ = ["SCOPE", "SERVICE", "otlp_request", "to_otlp"]

SCOPE = "rlm_jupyter"
"""The name of what made the spans."""

SERVICE = "rlm-jupyter"
"""The name of the service that they are shown under."""

_KINDS = {"internal": 1, "client": 3}
_STATUS = {"unset": 0, "ok": 1, "error": 2}


def to_otlp(trace: Trace, *, capture_content: bool = True) -> str:
    """Return the trace as one line of JSON. Raises ``ValueError`` for a trace that has no run."""
    content = Content(inputs=capture_content, outputs=capture_content)
    return json.dumps(otlp_request(otel_spans(trace, content)), ensure_ascii=False) + "\n"


def otlp_request(spans: Sequence[OTelSpan]) -> dict[str, Any]:
    """Return the spans as an ``ExportTraceServiceRequest``."""
    resource = {"attributes": _attributes({"service.name": SERVICE})}
    scope_spans = [{"scope": {"name": SCOPE}, "spans": [_span(span) for span in spans]}]
    return {"resourceSpans": [{"resource": resource, "scopeSpans": scope_spans}]}


def _span(span: OTelSpan) -> dict[str, Any]:
    told: dict[str, Any] = {"traceId": span.trace_id, "spanId": span.span_id}
    if span.parent_id is not None:
        told["parentSpanId"] = span.parent_id
    told |= {
        "name": span.name,
        "kind": _KINDS[span.kind],
        "startTimeUnixNano": str(span.started),
        "endTimeUnixNano": str(span.ended),
        "attributes": _attributes(span.attributes),
    }
    if span.events:
        told["events"] = [_event(event) for event in span.events]
    status: dict[str, Any] = {"code": _STATUS[span.status]}
    return {**told, "status": {**status, "message": span.message} if span.message else status}


def _event(event: OTelEvent) -> dict[str, Any]:
    return {"timeUnixNano": str(event.time), "name": event.name, "attributes": _attributes(event.attributes)}


def _attributes(attributes: Attributes) -> list[dict[str, Any]]:
    return [{"key": name, "value": _value(value)} for name, value in attributes.items()]


def _value(value: str | int | float | bool | Sequence[str]) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, str):
        return {"stringValue": value}
    return {"arrayValue": {"values": [{"stringValue": each} for each in value]}}
