"""Writes a run down: redacted, numbered without a gap, and handed to whoever listens."""

from __future__ import annotations

import base64
import logging
import math
import secrets
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias, TypeVar

from pydantic import BaseModel

from rlm_jupyter.core.observation import head_and_tail

from .bounds import bounded
from .context_record import PREVIEW_LIMIT
from .digest import text_digest
from .redaction import Redactor
from .schema import (
    Blob,
    CodeEnd,
    CodeStart,
    ContextRecord,
    Event,
    IterationEnd,
    IterationStart,
    ModelCallEnd,
    ModelCallStart,
    RunEnd,
    RunStart,
    SpanEnd,
    SpanStart,
    Status,
    SubcallEnd,
    SubcallStart,
    UsageRecord,
)
from .trace import Trace

__all__ = ["Recorder", "Sink"]

Sink: TypeAlias = Callable[[Event], None]
"""Called with each event, in order, on the thread where it happened."""

_Start: TypeAlias = RunStart | IterationStart | ModelCallStart | CodeStart | SubcallStart
_End: TypeAlias = RunEnd | IterationEnd | ModelCallEnd | CodeEnd | SubcallEnd
_Payload = TypeVar("_Payload", bound=BaseModel)

_log = logging.getLogger(__name__)

_REFERENCES = frozenset({"kind", "digest", "prompt", "reply"})
"""Fields of the schema that hold a constant or a digest, in which nothing can hide."""


class Recorder:
    """Records one run, with its children and sub-calls. Safe to use from any thread; costs are per event.

    Of texts that are too long it keeps head and tail, once the secrets are out of them (``bounds``).
    """

    def __init__(
        self, redactor: Redactor, sinks: Iterable[Sink] = (), *, clock: Callable[[], float] = time.time
    ) -> None:
        self.redactor = redactor
        self.trace = Trace()
        # Sortable: 12 digits of milliseconds since the epoch, then 20 of chance.
        self.run_id = f"{int(clock() * 1000):012x}{secrets.token_hex(10)}"
        self._sinks = list(sinks)
        self._clock = clock
        self._lock = threading.RLock()

    def start(self, payload: _Start, parent_id: str | None = None) -> str:
        """Record that a span opens, and return its id."""
        clean = bounded(self._redacted(payload))
        with self._lock:
            span_id = f"s{len(self.trace.spans) + 1}"
            event = SpanStart(
                run_id=self.run_id,
                seq=len(self.trace.events),
                span_id=span_id,
                parent_id=parent_id,
                started=self._clock(),
                payload=clean,
            )
            self._emit(event)
        return span_id

    def end(self, span_id: str, payload: _End, status: Status = "ok") -> None:
        """Record that a span closes."""
        clean = bounded(self._redacted(payload))
        with self._lock:
            event = SpanEnd(
                run_id=self.run_id,
                seq=len(self.trace.events),
                span_id=span_id,
                ended=self._clock(),
                status=status,
                payload=clean,
            )
            self._emit(event)

    def blob(self, text: str, limit: int) -> str:
        """Record a text, unless it is here already, and return the digest of the redacted whole.

        Of more than ``limit`` characters, head and tail are recorded.
        """
        clean = self._text(text)
        digest = text_digest(clean)
        with self._lock:
            if digest not in self.trace.blobs:
                cut = len(clean) > limit
                kept = head_and_tail(clean, limit) if cut else clean
                seq = len(self.trace.events)
                self._emit(Blob(run_id=self.run_id, seq=seq, digest=digest, size=len(clean), text=kept, cut=cut))
        return digest

    def _emit(self, event: Event) -> None:
        self.trace.add(event)
        for sink in tuple(self._sinks):
            try:
                sink(event)
            except Exception as error:  # noqa: BLE001 - whoever watches a run must not be able to end it
                self._sinks.remove(sink)
                name = getattr(sink, "__qualname__", type(sink).__qualname__)
                reason = self.redactor.redact(f"{type(error).__name__}: {error}")
                _log.warning("%s no longer gets the events of this run, because it raised %s", name, reason)

    def _redacted(self, payload: _Payload) -> _Payload:
        """Return the payload without secrets: itself when it holds none."""
        changed = {}
        for name, value in payload.__dict__.items():
            if name in _REFERENCES:
                continue
            clean = self._clean(value)
            if clean is not value:
                changed[name] = clean
        if isinstance(payload, ContextRecord):
            preview = changed.get("preview", payload.preview)
            if len(preview) > PREVIEW_LIMIT:
                changed["preview"] = f"{preview[:PREVIEW_LIMIT]}…"
        return payload.model_copy(update=changed) if changed else payload

    def _clean(self, value: Any) -> Any:
        """Return the value as plain JSON holds it and without secrets: itself when nothing is to be changed."""
        if isinstance(value, str):
            return self._text(value)
        if value is None or isinstance(value, bool | int):
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else str(value)  # JSON has no word for the others
        if isinstance(value, UsageRecord):
            return value
        if isinstance(value, BaseModel):
            return self._redacted(value)
        if isinstance(value, dict):
            pairs = {self._clean(str(key)): self._clean(each) for key, each in value.items()}
            same = all(old is new for old, new in zip(_flat(value), _flat(pairs), strict=True))
            return value if same and len(pairs) == len(value) else pairs
        if isinstance(value, list | tuple):
            items = [self._clean(each) for each in value]
            same = isinstance(value, list) and all(old is new for old, new in zip(value, items, strict=True))
            return value if same else items
        if isinstance(value, bytes):
            return base64.b64encode(value).decode("ascii")  # as nbformat holds images
        return self._text(str(value))  # a display may hold anything; a trace holds JSON

    def _text(self, text: str) -> str:
        if not text.isascii():
            try:
                text.encode("utf-8")
            except UnicodeEncodeError:  # a lone surrogate: JSON in UTF-8 has no way to write it
                text = text.encode("utf-8", "backslashreplace").decode("utf-8")
        return self.redactor.redact(text)


def _flat(mapping: dict[Any, Any]) -> list[Any]:
    return [*mapping.keys(), *mapping.values()]
