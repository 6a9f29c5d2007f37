"""What a page tells of one span: parts with a heading each, in the order in which one reads them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import TypeAlias

from rlm_jupyter.core.observation import head_and_tail
from rlm_jupyter.trace.schema import (
    CodeEnd,
    CodeStart,
    ContextRecord,
    IterationStart,
    ModelCallEnd,
    ModelCallStart,
    RunEnd,
    RunStart,
    SubcallEnd,
    SubcallStart,
)
from rlm_jupyter.trace.trace import Span, Trace

from .facts import code_of, cost_text, count_text, error_of, prose_of, rejection_of, reply_to
from .figures import Figure, Figures, figure_forms, figures_in, figures_of
from .inert import without_controls
from .outputs import notebook_outputs, output_text
from .page_texts import PageTexts
from .replies import call_text, notes_on
from .review import notes_of, proposed_code, review_of, review_text

__all__ = ["PageParts", "context_line"]

Part: TypeAlias = tuple[str, str, int]
"""Heading, form (``text``, ``code``, ``error``, ``note``, ``folded``, ``picture``), number of the text or picture."""


_HEADING = 200  # characters


def context_line(record: ContextRecord) -> str:
    """Return a context in a line: its name, type and size."""
    size = f", {record.size:,} {record.unit or ''}".rstrip() if record.size is not None else ""
    return without_controls(f"{record.name}: {record.type}{size}")


class PageParts:
    """Tells of spans; texts and pictures are numbered by those that hold them."""

    def __init__(self, trace: Trace, texts: PageTexts, figures: Figures) -> None:
        self._trace = trace
        self._texts = texts
        self._figures = figures

    def of(self, span: Span) -> list[Part]:
        """Return the parts of a span; an iteration shows what stands in it, as far as it is its own."""
        told: list[Part] = []
        for title, form, text in self._texts_of(span):
            heading = without_controls(head_and_tail(title, _HEADING))
            if isinstance(text, Figure):
                told += self._picture(heading, text)
            elif text:
                told.append((heading, form, self._texts.add(text)))
        return told

    def facts(self, span: Span) -> str:
        """Return what the span took and how it ended, in a line."""
        end, facts = span.end.payload if span.end is not None else None, []
        if isinstance(end, ModelCallEnd | SubcallEnd):
            facts += [end.response_model or getattr(span.start.payload, "model", ""), call_text(span)]
            facts += [f"{end.usage.cached_input_tokens:,} of them cached"] if end.usage.cached_input_tokens else []
            facts += [f"{end.usage.reasoning_tokens:,} to think"] if end.usage.reasoning_tokens else []
            facts += [cost_text(end.usage.cost)] if end.usage.cost is not None else []
            facts += [count_text(end.retries, "request") + " repeated"] if end.retries else []
            facts += [f"ended by {end.finish_reason}"] if end.finish_reason else []
        elif isinstance(span.start.payload, RunStart):
            facts.append(span.start.payload.model)
        return without_controls(" · ".join(facts))

    def _picture(self, heading: str, figure: Figure) -> Iterator[Part]:
        number = self._figures.numbers.get(figure)
        if number is None and self._figures.fits(figure):
            number = self._figures.numbers[figure]
        if number is None:
            yield heading, "note", self._texts.add(f"{figure.media_type}, too large for this page")
        else:
            yield heading, "picture", number

    def _texts_of(self, span: Span) -> Iterator[tuple[str, str, str | Figure]]:
        payload = span.start.payload
        if isinstance(payload, RunStart):
            yield from self._run(span, payload)
        elif isinstance(payload, IterationStart):
            yield from (("Note", "note", note) for note in notes_of(span))
            yield "The answer was not accepted", "error", rejection_of(span)
            codes = [proposed_code(child) for child in span.children if child.kind == "code"]
            for child in span.children:
                if child.kind == "model_call":
                    yield "Reply", "text", prose_of(reply_to(self._trace, child), codes)
                elif isinstance(child.start.payload, CodeStart):
                    yield from self._outcome(child)
        elif isinstance(payload, CodeStart):
            yield from self._code(span, payload)
        elif isinstance(payload, ModelCallStart | SubcallStart):
            yield from self._call(span, payload)

    def _run(self, span: Span, payload: RunStart) -> Iterator[tuple[str, str, str]]:
        end = span.end.payload if span.end is not None else None
        yield "Question", "text", payload.question
        if isinstance(end, RunEnd):
            yield "Answer" if span.status == "ok" else "Partial answer", "text", end.answer or ""
        yield from self._error(span)
        yield from _values("Context", payload.contexts)
        if isinstance(end, RunEnd):
            yield "Variables", "note", _changes(end.changes)

    def _outcome(self, span: Span) -> Iterator[tuple[str, str, str | Figure]]:
        yield "Code", "code", code_of(span)
        for output in notebook_outputs(span):
            name, text = output_text(output, figure_forms(output))
            yield name, "error" if name == "error" else "text", text
            yield from (("figure", "picture", figure) for figure in figures_in(output))

    def _code(self, span: Span, payload: CodeStart) -> Iterator[tuple[str, str, str | Figure]]:
        yield "Review", "note", review_text(span)
        yield from self._outcome(span)
        end = span.end.payload if span.end is not None else None
        if isinstance(end, CodeEnd):
            yield "Answer", "text", end.final_answer or ""
            yield from (("Note", "note", note) for note in end.notes)
            yield "Variables", "note", _changes(end.changes)
        if review_of(span) in ("edited", "rejected"):
            yield "The code that the model proposed", "folded", proposed_code(span)
        yield from _values("Variable", payload.inputs)

    def _call(self, span: Span, payload: ModelCallStart | SubcallStart) -> Iterator[tuple[str, str, str | Figure]]:
        trace, end = self._trace, span.end.payload if span.end is not None else None
        if isinstance(payload, SubcallStart):
            yield "Prompt", "text", trace.text(payload.prompt)
        yield from (("Picture", "picture", figure) for figure in figures_of(trace, span))
        yield from self._error(span)
        yield "Reply", "text", reply_to(trace, span)
        yield from (("Note", "note", note) for note in notes_on(span))
        if isinstance(end, ModelCallEnd | SubcallEnd):
            yield "Reasoning", "folded", trace.text(end.reasoning)
        if payload.sampling:
            yield "Sampling", "note", json.dumps(payload.sampling)
        if isinstance(payload, ModelCallStart):
            kept = f"{count_text(payload.kept, 'message')} of the call before, and then:" if payload.kept else ""
            yield "Messages", "note", kept
            for message in payload.added:
                yield f"Message of the {message.role}", "folded", trace.text(message.digest)

    def _error(self, span: Span) -> Iterator[tuple[str, str, str]]:
        error = error_of(span)
        if error is not None:
            yield "Error", "error", f"{error.name}: {error.message}"
            yield "Traceback", "folded", error.traceback or ""


def _values(title: str, records: Iterable[ContextRecord]) -> Iterator[tuple[str, str, str]]:
    for record in records:
        yield f"{title} {context_line(record)}", "text", record.preview or "(no preview)"


def _changes(changes: dict[str, list[str]]) -> str:
    return "\n".join(f"{change}: {', '.join(names)}" for change, names in changes.items() if names)
