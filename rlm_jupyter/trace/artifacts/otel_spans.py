"""A trace as OpenTelemetry's spans, with the attributes of OpenInference and of the GenAI conventions.

No dependency: this is what ``otlp`` writes as JSON, and what ``trace.otel`` sends with OpenTelemetry's own SDK. Ids
follow from those of the run and its spans, so that a run that is exported again is the same trace.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from rlm_jupyter.trace.schema import ErrorRecord, RunStart
from rlm_jupyter.trace.trace import Span, Trace

from .conversation import calls_of, runs_in
from .facts import error_of, status_text
from .otel_attributes import Attributes, Content, attributes_of, span_title

__all__ = ["Content", "OTelEvent", "OTelSpan", "otel_spans"]

StatusCode: TypeAlias = Literal["unset", "ok", "error"]

_LAST = 2**63 - 1  # what a span's times may be at most


@dataclass(frozen=True, slots=True)
class OTelEvent:
    """Something that happened while a span was open; ``time`` is in nanoseconds since the epoch."""

    name: str
    time: int
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class OTelSpan:
    """A span: ids in hexadecimal (32 and 16 digits), times in nanoseconds since the epoch."""

    trace_id: str
    span_id: str
    parent_id: str | None
    name: str
    kind: Literal["internal", "client"]
    started: int
    ended: int
    attributes: Attributes
    status: StatusCode
    message: str = ""
    events: Sequence[OTelEvent] = field(default=())


def otel_spans(trace: Trace, content: Content | None = None) -> list[OTelSpan]:
    """Return every span of the tree, parents first.

    Without ``content``, with all texts. A span that has not ended ends with the last thing that is known of the run,
    and its status is unset. Raises ``ValueError`` for a trace that has no run.
    """
    return _Spans(trace, content or Content()).all()


class _Spans:
    def __init__(self, trace: Trace, content: Content) -> None:
        _ = trace.run  # raises for a trace without one
        self._trace, self._content = trace, content
        self._trace_id = _identifier(trace.run_id, 32)
        self._session = trace.run.session_id
        moments = [span.end.ended if span.end is not None else span.start.started for span in trace.walk()]
        self._now = max(moments, default=0.0)

    def all(self) -> list[OTelSpan]:
        backends: dict[str, str] = {}
        attributes: dict[str, Attributes] = {}
        texts = self._content.texts_of(self._trace)
        for run in runs_in(self._trace):
            begun = run.start.payload
            backends[run.span_id] = begun.backend if isinstance(begun, RunStart) else ""
            for call, messages in calls_of(run):
                attributes[call.span_id] = texts.conversation(messages)
        spans = []
        for span, run_id in self._with_runs():
            told = attributes_of(self._trace, span, backends.get(run_id, ""), texts)
            spans.append(self._span(span, {**attributes.get(span.span_id, {}), **told}))
        return spans

    def _with_runs(self) -> list[tuple[Span, str]]:
        """Return each span and the id of the run that it belongs to, parents first."""
        found: list[tuple[Span, str]] = []
        pending = [(self._trace.root, "")] if self._trace.root is not None else []
        while pending:
            span, run_id = pending.pop()
            run_id = span.span_id if span.kind == "run" else run_id
            found.append((span, run_id))
            pending.extend((child, run_id) for child in reversed(span.children))
        return found

    def _span(self, span: Span, attributes: Mapping[str, str | int | float | bool | Sequence[str]]) -> OTelSpan:
        parent = span.start.parent_id if span is not self._trace.root else None
        started = _nanoseconds(span.start.started)
        ended = max(started, _nanoseconds(span.end.ended if span.end is not None else self._now))
        error = error_of(span)
        session = {"session.id": self._session, "gen_ai.conversation.id": self._session} if self._session else {}
        failed = {"error.type": error.name} if error is not None else {}
        return OTelSpan(
            trace_id=self._trace_id,
            span_id=self._span_id(span.span_id),
            parent_id=self._span_id(parent) if parent is not None else None,
            name=span_title(span),
            kind="client" if span.kind in ("model_call", "subcall") else "internal",
            started=started,
            ended=ended,
            attributes={name: _sendable(value) for name, value in {**attributes, **session, **failed}.items()},
            status="unset" if span.status is None else "ok" if span.status == "ok" else "error",
            message=_text(self._status_message(span, error)),
            events=[self._exception(error, ended)] if error is not None else [],
        )

    def _span_id(self, span_id: str) -> str:
        return _identifier(f"{self._trace.run_id}/{span_id}", 16)

    def _status_message(self, span: Span, error: ErrorRecord | None) -> str:
        if span.status in (None, "ok"):
            return ""
        if error is None:
            return status_text(span.status)
        return f"{error.name}: {error.message}" if self._content.errors else error.name

    def _exception(self, error: ErrorRecord, time: int) -> OTelEvent:
        told: dict[str, str] = {"exception.type": error.name}
        if self._content.errors:
            told["exception.message"] = error.message
            if error.traceback is not None:
                told["exception.stacktrace"] = error.traceback
        return OTelEvent("exception", time, {name: _text(value) for name, value in told.items()})


def _identifier(name: str, digits: int) -> str:
    return hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:digits]


def _text(text: str) -> str:
    """Return the text as UTF-8 can have it: half of a surrogate pair would have the whole export fail."""
    return text.encode("utf-8", "replace").decode()


def _sendable(value: str | int | float | bool | Sequence[str]) -> str | int | float | bool | Sequence[str]:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return max(-_LAST, min(value, _LAST))
    return value if isinstance(value, float | bool) else [_text(each) for each in value]


def _nanoseconds(seconds: float) -> int:
    """Return seconds as nanoseconds, to the microsecond: a float has no more of today's."""
    try:
        return min(max(0, round(seconds * 1_000_000) * 1000), _LAST)
    except (ValueError, OverflowError):  # no number, or an endless one
        return 0
