"""A trace: the events of a run, folded into a tree of spans as they arrive."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, overload

from rlm_jupyter.core.usage import Usage, UsageSummary

from .omitted import Omitted
from .schema import (
    Blob,
    CodeStart,
    ContextRecord,
    Event,
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
)

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from .diff import TraceDiff

__all__ = ["Span", "Trace", "digests_in"]


def digests_in(event: SpanStart | SpanEnd) -> Iterator[str]:
    """Yield the digests of the texts and pictures that the event names."""
    payload = event.payload
    if isinstance(payload, RunStart):
        yield from _values(payload.contexts)
    elif isinstance(payload, CodeStart):
        yield from _values(payload.inputs)
    elif isinstance(payload, ModelCallStart):
        for message in payload.added:
            yield message.digest
            yield from message.images
    elif isinstance(payload, SubcallStart):
        yield payload.prompt
        yield from payload.images
    elif isinstance(payload, ModelCallEnd | SubcallEnd):
        yield from (digest for digest in (payload.reply, payload.reasoning) if digest is not None)


def _values(records: Iterable[ContextRecord]) -> Iterator[str]:
    return (record.value for record in records if record.value is not None)


@dataclass(slots=True)
class Span:
    """One thing that took time. ``end`` is None, and ``status`` too, while it is in flight."""

    start: SpanStart
    end: SpanEnd | None = None
    children: list[Span] = field(default_factory=list)
    texts: list[SpanText] = field(default_factory=list)
    """What was told of a reply while it came, in order."""

    @property
    def span_id(self) -> str:
        """The span's identifier, unique within the run."""
        return self.start.span_id

    @property
    def kind(self) -> str:
        """``run``, ``iteration``, ``model_call``, ``code`` or ``subcall``."""
        return self.start.payload.kind

    @property
    def status(self) -> Status | None:
        """How the span ended."""
        return self.end.status if self.end is not None else None

    @property
    def seconds(self) -> float | None:
        """How long the span took."""
        return self.end.ended - self.start.started if self.end is not None else None

    @property
    def text(self) -> str:
        """What has come of the reply to a call that has none yet, and of one that never got to its end."""
        if self.end is not None and getattr(self.end.payload, "reply", None) is not None:
            return ""
        pieces: list[str] = []
        for told in self.texts:
            if told.anew:
                pieces.clear()
            pieces.append(told.text)
        return "".join(pieces)

    def walk(self) -> Iterator[Span]:
        """Yield this span and all below it, parents first."""
        pending = [self]
        while pending:
            span = pending.pop()
            yield span
            pending.extend(reversed(span.children))

    def own(self) -> list[Span]:
        """Return what stands below this run without its child runs and what is theirs, in the order of their starts."""
        pending, own = list(self.children), []
        while pending:
            span = pending.pop()
            if span.kind != "run":
                own.append(span)
                pending.extend(span.children)
        return sorted(own, key=lambda span: span.start.seq)


class Trace:
    """The events of one run, its children's among them, and the spans that they tell of: whole at every moment."""

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self.events: list[Event] = []
        self.spans: dict[str, Span] = {}
        self.blobs: dict[str, Blob] = {}
        self.root: Span | None = None
        self.omitted: dict[str, Omitted] = {}
        """What is not in here of what stands below a span, by the span's id: nothing, unless this is an excerpt."""
        self.damage: str | None = None
        """What is wrong with the log that this trace was read from, if anything is."""
        self.vouched = False
        """Whether this process recorded it, or the user's server tells it: no file can say so of itself."""
        for event in events:
            self.add(event)

    def add(self, event: Event) -> None:
        """Take in the next event; those of unknown spans, and a second start of one, are kept and else passed over."""
        self.events.append(event)
        if isinstance(event, Blob):
            self.blobs[event.digest] = event
        elif isinstance(event, SpanStart):
            if event.span_id in self.spans:
                return
            parent = self.spans.get(event.parent_id) if event.parent_id else None
            span = self.spans[event.span_id] = Span(event)
            if parent is not None:
                parent.children.append(span)
            elif self.root is None:
                self.root = span
        elif event.span_id in self.spans:
            span = self.spans[event.span_id]
            if isinstance(event, SpanEnd):
                span.end = event
            else:
                span.texts.append(event)

    @property
    def extent(self) -> int:
        """How many events there were, also those that this trace leaves out."""
        return len(self.events) + sum(omitted.events for omitted in self.omitted.values())

    def walk(self) -> Iterator[Span]:
        """Yield every span of the tree, parents first."""
        return self.root.walk() if self.root is not None else iter(())

    @property
    def run(self) -> RunStart:
        """What the run was asked, of whom and where. Raises ``ValueError`` while the trace has no run."""
        payload = self.root.start.payload if self.root is not None else None
        if not isinstance(payload, RunStart):
            msg = "This trace has no run: its first event, the start of the run, is missing."
            raise ValueError(msg)
        return payload

    @property
    def outcome(self) -> RunEnd | None:
        """How the run ended; None while it is under way."""
        payload = self.root.end.payload if self.root is not None and self.root.end is not None else None
        return payload if isinstance(payload, RunEnd) else None

    @property
    def run_id(self) -> str:
        """The run's identifier."""
        return self.events[0].run_id if self.events else ""

    @property
    def status(self) -> Status | None:
        """How the run ended; None while it is under way."""
        return self.root.status if self.root is not None else None

    @property
    def answer(self) -> str | None:
        """The answer, the partial one of a run that was cut, or None."""
        return self.outcome.answer if self.outcome is not None else None

    @property
    def iterations(self) -> list[Span]:
        """The iterations of the root run, in order."""
        return [span for span in self.root.children if span.kind == "iteration"] if self.root is not None else []

    @property
    def subcalls(self) -> list[Span]:
        """Every model call that model code made, at any depth."""
        return [span for span in self.walk() if span.kind == "subcall"]

    @property
    def children(self) -> list[Span]:
        """Every child run, at any depth: parents first, and those of one code block in the order in which they began.

        ``part`` gives the trace of one alone.
        """
        return [span for span in self.walk() if span.kind == "run" and span is not self.root]

    def part(self, span_id: str) -> Trace:
        """Return the trace of one child run alone, as far as it is told now: its events, and the texts that they name.

        Events, numbers and ids are those of the whole. The cost is that of the child, whatever the size of the whole.
        Of a span that is not here, such as one that came too late to be recorded, the trace is empty.
        """
        events: list[Event] = []
        digests: dict[str, None] = {}
        root = self.spans.get(span_id)
        for span in root.walk() if root is not None else ():
            for event in (span.start, span.end):
                if event is not None:
                    events.append(event)
                    digests.update(dict.fromkeys(digests_in(event)))
            events += span.texts
        events += [self.blobs[digest] for digest in digests if digest in self.blobs]
        part = Trace(sorted(events, key=lambda event: event.seq))
        part.damage, part.vouched = self.damage, self.vouched
        part.omitted = {found: self.omitted[found] for found in part.spans if found in self.omitted}
        return part

    @property
    def usage(self) -> UsageSummary:
        """The usage of every call that has ended: children's, sub-calls and repeated requests included.

        A reply from a recording counts as such, and for nothing else.
        """
        summary = UsageSummary()
        for span in self.walk():
            begun, ended = span.start.payload, span.end.payload if span.end is not None else None
            if isinstance(begun, ModelCallStart | SubcallStart) and isinstance(ended, ModelCallEnd | SubcallEnd):
                usage = Usage(**ended.usage.model_dump())
                model = ended.response_model or begun.model
                summary.add(model, usage, ended.retries, cached=ended.cached, lost=ended.lost)
        return summary

    def text(self, digest: str | None) -> str:
        """Return the text stored under ``digest``; of a text that was cut, the excerpt. Empty when it is not here."""
        from .values import shown_text

        blob = self.blobs.get(digest) if digest is not None else None
        return shown_text(blob) if blob is not None else ""

    def context(self) -> Any:
        """Return the context that the run was asked about, a new object each time.

        Raises ``LookupError`` when the trace does not hold it in full (``record_limit``), and ``ValueError`` when what
        it holds is damaged.
        """
        from .values import recorded_value

        if not self.run.contexts:
            msg = "This run was asked about no context."
            raise LookupError(msg)
        return recorded_value(self, self.run.contexts[0])

    def to_markdown(self) -> str:
        """Return the trace as Markdown."""
        from .artifacts.markdown import to_markdown

        return to_markdown(self)

    def render(self) -> None:
        """Show the trace in the notebook, or print it where there is none."""
        from .artifacts.markdown import render

        render(self)

    def mimebundle(self) -> dict[str, Any]:
        """Return the run's display, by MIME type."""
        from .artifacts.bundle import mimebundle

        return mimebundle(self)

    def to_notebook(self) -> dict[str, Any]:
        """Return the trace as a notebook, in nbformat's shape."""
        from .artifacts.notebook import to_notebook

        return to_notebook([self])

    @overload
    def export(self, format: str, path: None = None, **options: bool) -> str: ...

    @overload
    def export(
        self, format: str, path: str | os.PathLike[str], *, overwrite: bool = False, **options: bool
    ) -> Path: ...

    def export(
        self,
        format: str,  # noqa: A002
        path: str | os.PathLike[str] | None = None,
        *,
        overwrite: bool = False,
        **options: bool,
    ) -> str | Path:
        """Return the trace in a format, ``trace.export("html")``; with ``path``, write it there and return the path.

        ``path`` may be a folder, in which the file is named after the run. The formats and their options are those of
        ``rlm_jupyter.trace.artifacts.formats``. Raises ``ValueError`` for a format or an option that there is not, and
        for a trace that has no run; ``FileExistsError`` for a file that is there already, unless ``overwrite``.
        """
        from .artifacts.export import export

        return export(self, format, path, overwrite=overwrite, **options)

    def diff(self, other: Trace) -> TraceDiff:
        """Return how another trace differs: where the two runs part, their answers, and what each took.

        Raises ``ValueError`` when one of them has no run.
        """
        from .diff import diff

        return diff(self, other)

    def to_jsonl(self) -> str:
        """Return the trace as JSON lines, one event a line."""
        return "".join(f"{event.model_dump_json()}\n" for event in self.events)
