"""One line of a log and the event that it tells of, whoever wrote it; nothing is believed unchecked."""

from __future__ import annotations

import math
import re
from typing import Any

from pydantic import BaseModel, ValidationError

from rlm_jupyter.trace.schema import (
    SCHEMA_VERSION,
    Blob,
    CodeEnd,
    Event,
    ModelCallStart,
    RunStart,
    SpanStart,
    SpanText,
    SubcallStart,
    event_adapter,
)

from .versions import refuse_newer, upgraded

__all__ = ["LINE_LIMIT", "event_of", "is_dense", "stored_event"]

LINE_LIMIT = 64_000_000
"""Bytes of a line. A block's largest output is 7 MB, and few blocks show ten of that size."""

_CONTAINERS = 1_000_000
"""Lists and objects of a line, each of which takes 60 bytes and more when it is read; brackets in texts count too."""

_SMALL = 1_000_000  # bytes; what has fewer cannot have too many

_is_run_id = re.compile(r"[0-9A-Za-z_-]{1,64}", re.ASCII).fullmatch
_is_span_id = re.compile(r"[0-9A-Za-z_-]{1,20}", re.ASCII).fullmatch

_LATEST = 32_503_680_000.0  # the year 3000
_LARGEST = 2**53  # above it JSON's readers differ


def event_of(line: bytes, source: str) -> Event | None:
    """Return the event of a line; None when there is none in it, or one that cannot be what it says.

    ``source`` names the file in an error. Raises ``TraceVersionError`` when a newer version wrote the line.
    """
    if len(line) > LINE_LIMIT or is_dense(line, _CONTAINERS):
        return None
    event = stored_event(line, source)
    return event if event is not None and _is_sound(event) else None


def stored_event(line: bytes, source: str) -> Event | None:
    """Return the event of a line as ``event_of`` does, also when its numbers and ids are none that a recorder writes.

    It is for lines that were looked at before, when they came in.
    """
    try:
        event = event_adapter.validate_json(line)
    except ValidationError:
        event = None
    return event if event is not None and event.version == SCHEMA_VERSION else _of_another_version(line, source)


def is_dense(text: bytes, containers: int) -> bool:
    """Return whether JSON may hold more lists and objects than this."""
    return len(text) > _SMALL and text.count(b"[") + text.count(b"{") > containers


def _of_another_version(line: bytes, source: str) -> Event | None:
    from pydantic_core import from_json  # unlike json.loads, it bounds how deep values are

    try:
        fields = from_json(line)
    except ValueError:
        return None
    if not isinstance(fields, dict):
        return None
    refuse_newer(fields.get("version"), source)
    try:
        return event_adapter.validate_python(upgraded(fields))
    except ValueError:
        return None


def _is_sound(event: Event) -> bool:
    """Return whether ids and times are such, and numbers no larger than any use."""
    if not 0 <= event.seq < _LARGEST or not _is_run_id(event.run_id):
        return False
    if isinstance(event, Blob):
        return 0 <= event.size < _LARGEST
    if not _is_span_id(event.span_id):
        return False
    if isinstance(event, SpanText):
        return 0 <= event.at < _LATEST
    time = event.started if isinstance(event, SpanStart) else event.ended
    return 0 <= time < _LATEST and _has_sound_numbers(event.payload)


def _has_sound_numbers(payload: BaseModel) -> bool:
    for value in payload.__dict__.values():
        if isinstance(value, int) and abs(value) >= _LARGEST:
            return False
        if isinstance(value, float) and not math.isfinite(value):
            return False
        if isinstance(value, BaseModel) and not _has_sound_numbers(value):
            return False
        if isinstance(value, list) and not all(
            _has_sound_numbers(each) for each in value if isinstance(each, BaseModel)
        ):
            return False
    if isinstance(payload, CodeEnd):
        return _is_finite(payload.outputs)
    if isinstance(payload, RunStart):
        return _is_finite(payload.settings)
    return not isinstance(payload, ModelCallStart | SubcallStart) or _is_finite(payload.sampling)


def _is_finite(value: Any) -> bool:
    """Return whether plain values hold no infinite number, which JSON has no word for."""
    pending = [value]
    while pending:
        each = pending.pop()
        if isinstance(each, dict):
            pending.extend(each.values())
        elif isinstance(each, list):
            pending.extend(each)
        elif isinstance(each, float) and not math.isfinite(each):
            return False
    return True
