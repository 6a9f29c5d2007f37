"""Another recorder's events as this one tells them: without the secrets that it knows of."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias, TypeVar

from pydantic import BaseModel

from rlm_jupyter.core.digest import bytes_digest, text_digest

from .schema import (
    Blob,
    CodeStart,
    ContextRecord,
    Event,
    ModelCallEnd,
    ModelCallStart,
    RunStart,
    SpanStart,
    SpanText,
    SubcallEnd,
    SubcallStart,
)
from .trace import digests_in
from .values import value_digest, whole_text

__all__ = ["retold"]

_Payload = TypeVar("_Payload", bound=BaseModel)
_Names: TypeAlias = Mapping[str, str]


def retold(
    events: Iterable[Event],
    clean: Callable[[Any], Any],
    redact: Callable[[str], str],
    takes: Callable[[str, str], bool],
) -> list[Event]:
    """Return the events with payloads that are ``clean`` and texts that are redacted, which are named anew then.

    What is whole gets the name of what it holds, whatever it was called: nothing takes the place of something else.
    ``takes`` says of a value, by its digest and its text, whether the trace holds it in full: one that is changed by
    redaction would be another one, and is left out.
    """
    told = [event for event in events if not isinstance(event, SpanText)]  # it comes together with the whole
    values = {
        digest
        for event in told
        if isinstance(event, SpanStart) and isinstance(event.payload, RunStart | CodeStart)
        for digest in digests_in(event)
    }
    names: dict[str, str] = {}
    blobs = {at: _blob(event, values, names, redact, takes) for at, event in enumerate(told) if isinstance(event, Blob)}
    here = {blob.digest for blob in blobs.values() if blob is not None}
    left_out = values & {event.digest for event in told if isinstance(event, Blob)} - here
    kept: list[Event] = []
    for at, event in enumerate(told):
        if not isinstance(event, Blob):
            kept.append(event.model_copy(update={"payload": _renamed(clean(event.payload), names, left_out)}))
        elif (blob := blobs[at]) is not None:
            kept.append(blob)
    return kept


def _blob(
    blob: Blob,
    values: set[str],
    names: dict[str, str],
    redact: Callable[[str], str],
    takes: Callable[[str, str], bool],
) -> Blob | None:
    """Return the text, and note its new name; None of a value that is not taken, and of what is not what it says."""
    if blob.media_type is not None:
        return blob if _is_picture(blob) else None
    if blob.encoding is not None or blob.digest in values:
        return blob if _is_taken(blob, takes) else None
    text = redact(blob.text)
    digest = blob.digest if blob.cut and text == blob.text else text_digest(text)
    names[blob.digest] = digest
    return blob.model_copy(update={"digest": digest, "text": text})


def _is_picture(blob: Blob) -> bool:
    try:
        return blob.cut or bytes_digest(base64.b64decode(blob.text, validate=True)) == blob.digest
    except ValueError:
        return False


def _is_taken(blob: Blob, takes: Callable[[str, str], bool]) -> bool:
    try:
        text = whole_text(blob)
        return not blob.cut and value_digest(text) == blob.digest and takes(blob.digest, text)
    except ValueError:  # it is damaged
        return False


def _renamed(payload: _Payload, names: _Names, left_out: set[str]) -> _Payload:
    """Return the payload with the names that the texts have here."""
    changed: dict[str, Any] = {}
    if isinstance(payload, RunStart):
        changed["contexts"] = _without(payload.contexts, left_out)
    elif isinstance(payload, CodeStart):
        changed["inputs"] = _without(payload.inputs, left_out)
    elif isinstance(payload, ModelCallStart):
        changed["added"] = [
            message.model_copy(update={"digest": names.get(message.digest, message.digest)})
            for message in payload.added
        ]
    elif isinstance(payload, SubcallStart):
        changed["prompt"] = names.get(payload.prompt, payload.prompt)
    elif isinstance(payload, ModelCallEnd | SubcallEnd):
        for name in ("reply", "reasoning"):
            digest = getattr(payload, name)
            if digest in names:
                changed[name] = names[digest]
    return payload.model_copy(update=changed) if changed else payload


def _without(records: list[ContextRecord], left_out: set[str]) -> list[ContextRecord]:
    """Return the records of contexts, of which these values are not here."""
    return [record.model_copy(update={"value": None}) if record.value in left_out else record for record in records]
