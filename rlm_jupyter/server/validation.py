"""Says whether what a kernel tells can be what it seems: every value of a message within its bounds."""

from __future__ import annotations

import math
import re
import time
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

from pydantic import ValidationError

from rlm_jupyter.core.pictures import MEDIA_TYPES
from rlm_jupyter.trace.schema import (
    SCHEMA_VERSION,
    Blob,
    CodeStart,
    Event,
    ModelCallEnd,
    ModelCallStart,
    RunStart,
    SpanStart,
    SpanText,
    SubcallEnd,
    SubcallStart,
    event_adapter,
)
from rlm_jupyter.trace.values import VALUE_LIMIT
from rlm_jupyter.trace.wire import AskSession, AskSessions, AskTrace, Events, Hello, Question, Steered, from_kernel

from .parsing import BREATH
from .refusal import Reason, RefusedError
from .store.events import SEQ_LIMIT

if TYPE_CHECKING:
    from rlm_jupyter.trace.schema import EndPayload, StartPayload

__all__ = ["COMM_ID", "EVENTS_LIMIT", "Event", "Message", "read_events", "read_message", "run_ids"]

Message: TypeAlias = Hello | Events | Steered | Question

EVENTS_LIMIT = 100_000
"""Events of a message."""

COMM_ID = re.compile(r"rlm_jupyter-[0-9a-f]{2,64}", re.ASCII)

_NAME = re.compile(r"[0-9A-Za-z_.+-]{1,64}", re.ASCII)
_SESSION_ID = re.compile(r"[0-9A-Za-z_-]{1,64}", re.ASCII)
_is_span_id = re.compile(r"s[0-9]{1,9}", re.ASCII).fullmatch
_is_digest = re.compile(r"sha256:[0-9a-f]{32}", re.ASCII).fullmatch
_is_run_id = lru_cache(64)(re.compile(r"[0-9a-f]{32}", re.ASCII).fullmatch)

_DEPTH = 100
_INT_LIMIT = 2**63
_LATEST = 32_503_680_000.0  # the year 3000

_LINE_LIMIT = 1_000
"""Characters of what is one line in a display, such as a model's name."""

_TEXT_LIMIT = 250_000
"""Characters of a text; the kernel keeps 100,000 of one, in a notation that may be longer."""

_CODE_LIMIT = 2_500_000

_REVIEW_LIMIT = 500_000
"""Characters of a block that waits for a decision: as many as may be sent back when it was edited."""

_PICTURE_LIMIT = 1_400_000
"""Characters of a picture in base64; the kernel sends none of more than 1 MB."""

_REPLIES = (ModelCallEnd, SubcallEnd)

_is_base64 = re.compile(r"[A-Za-z0-9+/]*={0,2}", re.ASCII).fullmatch

_NOTES_LIMIT = 100
"""Things that are odd about one reply, and pictures of one message."""

_EVENT_LIMIT = 20_000_000
"""Characters of all texts of an event; the kernel sends none of more than 16 MB."""

_LIMITS = {
    **dict.fromkeys(("model", "backend", "environment", "batch", "cell_id"), _LINE_LIMIT),
    **dict.fromkeys(("response_model", "response_id", "finish_reason"), _LINE_LIMIT),
    **dict.fromkeys(("code", "proposed"), _CODE_LIMIT),
}
"""Characters of fields that are not just texts."""

_STRIDE = 250
"""Events after which other threads may run, above all the event loop; it takes a few milliseconds to validate them."""


def read_message(data: Any) -> tuple[Message, int]:
    """Return a message, and how many of its events are none at all. Raises ``RefusedError``.

    The events themselves are not looked at: ``read_events`` does that.
    """
    if not isinstance(data, dict):
        raise RefusedError(Reason.MALFORMED)
    if data.get("type") == "events":
        return _batch(data)
    _measure(data)
    try:
        message = from_kernel.validate_python(data, strict=True)
    except ValidationError:
        raise RefusedError(Reason.SCHEMA) from None
    _check_message(message)
    return message, 0


def _batch(data: dict[str, Any]) -> tuple[Events, int]:
    events = data.get("events")
    if not isinstance(events, list) or len(data) != 2:
        raise RefusedError(Reason.SCHEMA)
    if len(events) > EVENTS_LIMIT:
        raise RefusedError(Reason.COUNT)
    told = [event for event in events if type(event) is dict]
    return Events.model_construct(events=told), len(events) - len(told)


def read_events(raw: Sequence[dict[str, Any]], refused: Counter[Reason]) -> list[Event]:
    """Return the events that are sound, and count the others; one that is not does not harm its neighbours."""
    events: list[Event] = []
    for number, each in enumerate(raw, 1):
        try:
            events.append(_event(each))
        except RefusedError as refusal:
            refused[refusal.reason] += 1
        if number % _STRIDE == 0:
            time.sleep(BREATH)
    return events


def run_ids(raw: Sequence[dict[str, Any]]) -> set[str]:
    """Return the ids of the runs of which these events seem to be."""
    told = (each.get("run_id") for each in raw)
    return {run_id for run_id in told if isinstance(run_id, str) and _is_run_id(run_id) is not None}


def _event(raw: dict[str, Any]) -> Event:
    size = _measure(raw)
    try:
        event = event_adapter.validate_python(raw, strict=True)
    except ValidationError:
        raise RefusedError(Reason.SCHEMA) from None
    if isinstance(event, Blob):
        sound = _is_digest(event.digest) and 0 <= event.size < _INT_LIMIT and _is_blob(event, size)
    elif isinstance(event, SpanText):
        sound = _is_span_id(event.span_id) and 0 < event.at < _LATEST and size <= _TEXT_LIMIT
    elif isinstance(event, SpanStart):
        parent = event.parent_id
        sound = _is_span_id(event.span_id) and (parent is None or _is_span_id(parent)) and 0 < event.started < _LATEST
    else:
        sound = _is_span_id(event.span_id) and 0 < event.ended < _LATEST
    if not (
        sound and 1 <= event.version <= SCHEMA_VERSION and 0 <= event.seq <= SEQ_LIMIT and _is_run_id(event.run_id)
    ):
        raise RefusedError(Reason.VALUE)
    if event.event in ("start", "end"):
        _check_payload(event.payload, size)
    return event


def _is_blob(blob: Blob, size: int) -> bool:
    """Return whether the text is no longer than a text may be; a picture is checked for what it is as well."""
    if blob.media_type is None and blob.encoding is None:
        return size <= _TEXT_LIMIT
    is_base64 = len(blob.text) % 4 == 0 and _is_base64(blob.text) is not None
    if blob.encoding is not None:
        is_value = blob.media_type is None and not blob.cut and blob.size <= VALUE_LIMIT
        return is_value and is_base64  # of what length, is any event's limit
    return blob.media_type in MEDIA_TYPES and size <= _PICTURE_LIMIT and is_base64


def _check_payload(payload: StartPayload | EndPayload, size: int) -> None:
    for name, value in payload.__dict__.items():
        kind = type(value)
        if kind is int:
            _require(value >= 0)
        elif kind is str and size > _LINE_LIMIT:
            _require(len(value) <= _LIMITS.get(name, _TEXT_LIMIT))
    if isinstance(payload, SubcallStart):
        _require(_is_digest(payload.prompt) and (not payload.images or _are_digests(payload.images)))
    elif isinstance(payload, _REPLIES):
        _require(payload.reply is None or _is_digest(payload.reply))
        _require(payload.reasoning is None or _is_digest(payload.reasoning))
        if payload.notes:
            _require(len(payload.notes) <= _NOTES_LIMIT and all(len(note) <= _TEXT_LIMIT for note in payload.notes))
        _require(all(value is None or value >= 0 for value in payload.usage.__dict__.values()))
    elif isinstance(payload, RunStart):
        _require(payload.session_id is None or _fits(_SESSION_ID, payload.session_id))
        _require(all(each.value is None or _is_digest(each.value) for each in payload.contexts))
    elif isinstance(payload, CodeStart):
        _require(all(each.value is None or _is_digest(each.value) for each in payload.inputs))
    elif isinstance(payload, ModelCallStart):
        _require(all(_is_digest(each.digest) and len(each.role) <= _LINE_LIMIT for each in payload.added))
        _require(all(_are_digests(each.images) for each in payload.added if each.images))


def _are_digests(names: Sequence[str]) -> bool:
    return len(names) <= _NOTES_LIMIT and all(_is_digest(name) for name in names)


def _check_message(message: Message) -> None:
    if isinstance(message, Hello):
        _require(0 < message.protocol < 1_000 and _fits(_SESSION_ID, message.load_id) and _fits(_NAME, message.version))
    elif isinstance(message, AskSessions):
        _require(_fits(_SESSION_ID, message.request_id))
    elif isinstance(message, AskSession):
        wanted = message.session_id
        _require(_fits(_SESSION_ID, message.request_id) and (wanted is None or _fits(_SESSION_ID, wanted)))
    elif isinstance(message, AskTrace):
        wanted_run, session = message.run_id, message.session_id
        _require(_fits(_SESSION_ID, message.request_id) and 0 <= message.since <= SEQ_LIMIT)
        _require(all(each is None or _fits(_SESSION_ID, each) for each in (wanted_run, session)))
    elif isinstance(message, Steered):
        _require(_is_run_id(message.run_id) is not None and 0 <= message.notes < SEQ_LIMIT)
        if message.review is not None:
            review = message.review
            _require(_fits(_SESSION_ID, review.review_id) and len(review.code) <= _REVIEW_LIMIT)
            _require(0 <= review.iteration < SEQ_LIMIT and 0 <= review.index < SEQ_LIMIT)


def _measure(values: dict[str, Any]) -> int:
    """Return how many characters all texts have. Raises ``RefusedError`` when JSON values are too deep or too long.

    The same for what JSON parsers let through although it is none: infinite numbers, integers beyond any use, and
    halves of characters.
    """
    size, level = 0, list(values.values())
    for _ in range(_DEPTH):
        deeper: list[Any] = []
        for value in level:
            kind = type(value)
            if kind is str:
                size += len(value)
                if not value.isascii():
                    _require(_is_text(value))
            elif kind is dict:
                if value:
                    deeper.extend(value)
                    deeper.extend(value.values())
            elif kind is list:
                deeper.extend(value)
            elif kind is float:
                _require(math.isfinite(value))
            elif kind is int:
                _require(-_INT_LIMIT < value < _INT_LIMIT)
        if not deeper:
            break
        level = deeper
    else:
        raise RefusedError(Reason.VALUE)
    if size > _EVENT_LIMIT:
        raise RefusedError(Reason.SIZE)
    return size


def _is_text(value: str) -> bool:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _fits(pattern: re.Pattern[str], value: str) -> bool:
    return pattern.fullmatch(value) is not None


def _require(sound: object) -> None:
    if not sound:
        raise RefusedError(Reason.VALUE)
