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

from rlm_jupyter.core.digest import text_digest
from rlm_jupyter.core.observation import head_and_tail
from rlm_jupyter.core.pictures import Picture

from .bounds import bounded
from .context_record import PREVIEW_LIMIT
from .grafting import retold
from .live_text import LiveText
from .redaction import LONG, Redactor
from .schema import (
    ROOT_SPAN,
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
    SpanText,
    Status,
    SubcallEnd,
    SubcallStart,
    UsageRecord,
)
from .trace import Span, Trace
from .values import compressed, value_digest
from .values.room import ValueRoom

__all__ = ["PICTURE_LIMIT", "Recorder", "Sink", "writable"]

PICTURE_LIMIT = 1_000_000
"""Bytes of a picture that a trace holds; of a larger one it holds the digest."""

Sink: TypeAlias = Callable[[Event], None]
"""Called with each event, in order, on the thread where it happened."""

_Start: TypeAlias = RunStart | IterationStart | ModelCallStart | CodeStart | SubcallStart
_End: TypeAlias = RunEnd | IterationEnd | ModelCallEnd | CodeEnd | SubcallEnd
_Payload = TypeVar("_Payload", bound=BaseModel)

_log = logging.getLogger(__name__)

_TEXT_INTERVAL = 0.25  # seconds between two events that tell of one reply

_MARGIN = 65_536
"""Characters, more than a secret has."""

_NOWHERE = "s0"
"""The id of every span that is not recorded, because what it belongs to is over."""

_ENDS: dict[str, Callable[[], _End]] = {
    "run": RunEnd,
    "iteration": IterationEnd,
    "model_call": ModelCallEnd,
    "code": CodeEnd,
    "subcall": SubcallEnd,
}

_HARMLESS = frozenset({int, bool, UsageRecord})

_REFERENCES = frozenset({"kind", "digest", "prompt", "reply", "reasoning", "images"})
"""Fields of the schema that hold a constant or a digest, in which nothing can hide."""


class Recorder:
    """Records one run, with its children and sub-calls. Safe to use from any thread; costs are per event.

    Nothing follows the end of a run: what is still open in it ends with it, and what comes later is dropped.

    Of texts that are too long it keeps head and tail, once the secrets are out of them (``bounds``). Of values it holds
    ``record_limit`` characters in full, as they are written, in all.
    """

    def __init__(
        self,
        redactor: Redactor,
        sinks: Iterable[Sink] = (),
        *,
        clock: Callable[[], float] = time.time,
        record_limit: int = 0,
    ) -> None:
        self.redactor = redactor
        self.trace = Trace()
        self.trace.vouched = True
        # Sortable: 12 digits of milliseconds since the epoch, then 20 of chance.
        self.run_id = f"{int(clock() * 1000):012x}{secrets.token_hex(10)}"
        self._sinks = list(sinks)
        self._clock = clock
        self._lock = threading.RLock()
        self._live: dict[str, LiveText] = {}
        self._values = ValueRoom(record_limit, redactor)
        self._waiting: list[dict[str, Any]] = []

    def start(self, payload: _Start, parent_id: str | None = None) -> str:
        """Record that a span opens, and return its id; one of no parent stands below the run itself.

        In a run that is over nothing is recorded any more.
        """
        clean = bounded(self._redacted(payload))
        with self._lock:
            return self._open(clean, parent_id, self._clock())

    def end(self, span_id: str, payload: _End, status: Status = "ok") -> None:
        """Record that a span closes, once; with a run, what is still open in it."""
        clean = bounded(self._redacted(payload))
        with self._lock:
            span = self.trace.spans.get(span_id)
            if span is not None and span.end is None and span.kind == "run":
                self._end_below(span, "interrupted")
            self._close(span_id, clean, status, self._clock())

    def text(self, span_id: str, piece: str | None) -> None:
        """Take in a piece of the reply to a model call that is under way; None takes back all that came.

        A reply that takes its time is told while it comes, four times a second at most and never more than came since.
        """
        now = self._clock()
        live = self._live.get(span_id)
        if live is None:
            live = self._begin_text(span_id, now)
        if piece is None:
            if live is not None and live.clear():
                self._tell(span_id, live, "", anew=True)
        elif live is not None:
            live.add(piece)
            if abs(now - live.told_at) >= _TEXT_INTERVAL:  # clocks are set back at times
                live.told_at = now
                if more := live.more():
                    self._tell(span_id, live, more)

    def came(self, span_id: str, limit: int) -> str | None:
        """Record as a text what has come of the reply to a call that is broken off, and return its digest.

        None when nothing came, or the call has its end.
        """
        live = self._live.get(span_id)
        text = live.broken_off() if live is not None else ""
        return self.blob(text, limit) if text else None

    def graft(
        self,
        events: Iterable[Event],
        parent_id: str | None = None,
        *,
        batch: str | None = None,
        index: int | None = None,
    ) -> str:
        """Record a child run that another process or an earlier run recorded, below this span; return its new id.

        A single call that an earlier run's code had made is taken in as well.
        Spans and events are numbered as this run's, and what the child left open ends as interrupted; times stay those
        of the other process. ``batch`` and ``index`` say its slot, which that process did not know. Without any event
        nothing is recorded. Raises ``ValueError`` when the events do not begin with a run.
        """
        told = retold(events, lambda payload: bounded(self._redacted(payload)), self._text, self._values.takes)
        if not told:
            return _NOWHERE
        first = next((event for event in told if isinstance(event, SpanStart)), None)
        if first is None or not isinstance(first.payload, RunStart | SubcallStart):
            msg = "A child's events begin with the start of its run, and these do not: hand over all that its sink got."
            raise ValueError(msg)
        ids: dict[str | None, str] = {}
        with self._lock:
            slot = {"batch": batch, "index": index} if batch is not None else {}
            begin = first.payload.model_copy(update=slot)
            root = ids[first.span_id] = self._open(begin, parent_id, first.started)
            if root == _NOWHERE:
                return root
            for event in told:
                if isinstance(event, Blob):
                    form = {"media_type": event.media_type, "encoding": event.encoding}
                    self._keep(event.digest, event.text, event.size, cut=event.cut, **form)
                elif isinstance(event, SpanEnd):
                    self._close(ids.get(event.span_id, _NOWHERE), event.payload, event.status, event.ended)
                elif isinstance(event, SpanStart) and event is not first:
                    ids[event.span_id] = self._open(event.payload, ids.get(event.parent_id, root), event.started)
            self.end(root, RunEnd(), "interrupted")
        return root

    def blob(self, text: str, limit: int) -> str:
        """Record a text, unless it is here already, and return the digest of the redacted whole (``Redactor.named``).

        Of more than ``limit`` characters, head and tail are recorded.
        """
        whole = writable(text)
        named = self.redactor.named(whole)
        digest = text_digest(named)
        with self._lock:
            if digest not in self.trace.blobs:
                cut, size = len(named) > limit, len(named)
                clean = self._ends(whole, limit) if size > LONG else named
                self._keep(digest, head_and_tail(clean, limit, size) if cut else clean, size, cut=cut)
        return digest

    def value(self, value: Any) -> str | None:
        """Record a value in full, unless it is here already, and return its name (``value_digest``).

        None when it is no plain data, when a secret stands in it, and when it does not fit in what is left of the
        ``record_limit``. The text comes behind the start of the run.
        """
        text = self._values.text_of(value)
        if text is None:
            return None
        digest = value_digest(text)
        known = self._values.holds(digest)
        if not self._values.takes(digest, text):
            return None
        if not known:
            blob = {"digest": digest, "size": len(text), **compressed(text)}
            with self._lock:
                if self.trace.root is None:
                    self._waiting.append(blob)
                else:
                    self._keep(**blob)
        return digest

    @property
    def values_left(self) -> int:
        """How many characters of values the trace still takes."""
        return self._values.left

    def picture(self, picture: Picture) -> str:
        """Record a picture, unless it is here already, and return the digest of its bytes.

        Of one that is larger than ``PICTURE_LIMIT`` only the digest is recorded.
        """
        digest, size = picture.digest, len(picture.data)
        with self._lock:
            if digest not in self.trace.blobs:
                cut = size > PICTURE_LIMIT
                self._keep(digest, "" if cut else picture.base64, size, cut=cut, media_type=picture.media_type)
        return digest

    def _begin_text(self, span_id: str, now: float) -> LiveText | None:
        with self._lock:
            span = self.trace.spans.get(span_id)
            if span is None or span.end is not None:  # what comes late is dropped
                return None
            return self._live.setdefault(span_id, LiveText(self.redactor, now))

    def _tell(self, span_id: str, live: LiveText, text: str, *, anew: bool = False) -> None:
        with self._lock:
            if self._live.get(span_id) is live:
                told = {"span_id": span_id, "at": self._clock(), "text": text, "anew": anew}
                self._emit(SpanText(run_id=self.run_id, seq=len(self.trace.events), **told))

    def _open(self, payload: _Start, parent_id: str | None, started: float) -> str:
        if parent_id is None and self.trace.root is not None:
            parent_id = self.trace.root.span_id
        if self._is_left(parent_id):
            return _NOWHERE
        span_id = f"s{len(self.trace.spans) + 1}"
        event = SpanStart(
            run_id=self.run_id,
            seq=len(self.trace.events),
            span_id=span_id,
            parent_id=parent_id,
            started=started,
            payload=payload,
        )
        self._emit(event)
        waiting, self._waiting = self._waiting, []
        for blob in waiting:
            self._keep(**blob)
        return span_id

    def _close(self, span_id: str, payload: _End, status: Status, ended: float) -> None:
        span = self.trace.spans.get(span_id)
        if span is None or span.end is not None:
            return
        self._live.pop(span_id, None)
        event = SpanEnd(
            run_id=self.run_id,
            seq=len(self.trace.events),
            span_id=span_id,
            ended=ended,
            status=status,
            payload=payload,
        )
        self._emit(event)

    def _keep(self, digest: str, text: str, size: int, *, cut: bool = False, **form: Any) -> None:
        if digest not in self.trace.blobs and not self._is_left(ROOT_SPAN):
            told = {"digest": digest, "size": size, "text": text, "cut": cut, **form}
            self._emit(Blob(run_id=self.run_id, seq=len(self.trace.events), **told))

    def _end_below(self, root: Span, status: Status) -> None:
        for span in reversed(list(root.walk())):
            if span is not root and span.end is None:
                self._close(span.span_id, _ENDS[span.kind](), status, self._clock())

    def _is_left(self, span_id: str | None) -> bool:
        """Return whether nothing opens below the span any more: a run around it is over."""
        while span_id is not None:
            span = self.trace.spans.get(span_id)
            if span_id == _NOWHERE or _is_over(span):
                return True
            span_id = span.start.parent_id if span is not None else None
        return False

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
            if not value or type(value) in _HARMLESS or name in _REFERENCES:  # as most of a payload is
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
        return self.redactor.redact(writable(text))

    def _ends(self, text: str, limit: int) -> str:
        """Return the beginning and the end of a long text without secrets, and more of both than is kept of them.

        A secret at their inner ends, which may be half of one, stands where nothing is kept.
        """
        reach = limit + _MARGIN
        return self.redactor.redact(text[:reach]) + self.redactor.redact(text[-reach:])


def writable(text: str) -> str:
    """Return the text as JSON in UTF-8 can hold it, which has no way to write a lone surrogate."""
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            return text.encode("utf-8", "backslashreplace").decode("utf-8")
    return text


def _is_over(span: Span | None) -> bool:
    return span is not None and span.end is not None and span.kind == "run"


def _flat(mapping: dict[Any, Any]) -> list[Any]:
    return [*mapping.keys(), *mapping.values()]
