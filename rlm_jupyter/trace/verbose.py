"""What ``RLM(verbose=True)`` prints: a plain line for each step of a run, as it happens."""

from __future__ import annotations

import contextvars
import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, TextIO

from rlm_jupyter.trace.artifacts.children import child_line
from rlm_jupyter.trace.artifacts.facts import (
    compaction_text,
    count_text,
    error_of,
    first_line,
    is_cached,
    is_compaction,
    iteration_title,
    rejection_of,
    run_line,
    seconds_text,
    token_counts,
    tokens_text,
)
from rlm_jupyter.trace.artifacts.inert import without_controls
from rlm_jupyter.trace.artifacts.replies import call_text, notes_on
from rlm_jupyter.trace.artifacts.review import review_text
from rlm_jupyter.trace.schema import CodeStart, RunStart, SpanEnd, SpanStart
from rlm_jupyter.trace.trace import Span, Trace

if TYPE_CHECKING:
    from rlm_jupyter.trace.schema import Event

__all__ = ["VerbosePrinter"]

_INDENT = "  "
_LONGEST = 300  # characters of a line


class VerbosePrinter:
    """A sink that prints a run's steps: iterations, code blocks, sub-calls in sum, child runs, the answer.

    Of child runs it prints how they begin and end, indented by their depth. Without a ``stream`` it writes to what
    ``sys.stderr`` is then; with ``answer=False`` the answer is left to somebody else. Safe to use from any thread and
    for several runs; raises what the stream raises.
    """

    def __init__(self, stream: TextIO | None = None, *, answer: bool = True) -> None:
        self._stream = stream
        self._answer = answer
        self._runs: dict[str, _Run] = {}
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        """Take in one event, and print the lines that it is worth."""
        with self._lock:
            run = self._runs.get(event.run_id)
            if run is None:
                run = self._runs[event.run_id] = _Run(answer=self._answer)
            run.trace.add(event)
            text = "".join(f"{line}\n" for line in run.lines(event))
            if run.trace.status is not None:
                del self._runs[event.run_id]
            if text:
                # A child's thread may be captured as the cell's that asked for it, and this is no output of the cell.
                run.context.copy().run(self._write, text)

    def _write(self, text: str) -> None:
        stream = self._stream if self._stream is not None else sys.stderr
        stream.write(text)
        stream.flush()


class _Run:
    """A root run that is followed, and the names of its children."""

    def __init__(self, *, answer: bool) -> None:
        self.trace = Trace()
        self._tells_answer = answer
        self.context = contextvars.copy_context()
        self._names: dict[str, str] = {}
        self._children: dict[str, int] = {}

    def lines(self, event: Event) -> Iterator[str]:
        """Yield what to print of an event that the trace has taken in."""
        if isinstance(event, SpanStart) and isinstance(event.payload, RunStart):
            start = event.payload
            asked = f"{start.model} ({start.backend}, {start.environment}): {first_line(start.question)}"
            yield _line(2 * self._depth(event.span_id), f"{self._name(event)} · {asked}")
        elif isinstance(event, SpanEnd) and event.span_id in self.trace.spans:
            span = self.trace.spans[event.span_id]
            if span is self.trace.root:
                yield from self._answer()
            elif span.kind == "run":
                name, child = self._names[span.span_id], self.trace.part(span.span_id)
                yield _line(2 * self._depth(span.span_id), f"{name} · {child_line(child)}")
            elif self._depth(span.span_id) == 0:
                yield from self._step(span)

    def _answer(self) -> Iterator[str]:
        outcome = self.trace.outcome
        if outcome is not None and outcome.error is not None:
            yield _line(0, f"RLM · {outcome.error.name}: {outcome.error.message}")
        yield _line(0, f"RLM · {run_line(self.trace)}")
        if self.trace.answer and self._tells_answer:
            yield _line(0, f"RLM · {'answer' if self.trace.status == 'ok' else 'partial answer'}: {self.trace.answer}")

    def _step(self, span: Span) -> Iterator[str]:
        """Yield what a step of the root run is worth, now that it has ended."""
        took, error = seconds_text(span.seconds), error_of(span)
        if is_compaction(span):
            yield _line(1, compaction_text(span))
        elif span.kind == "model_call":
            parent = self.trace.spans.get(span.start.parent_id or "")
            title = iteration_title(parent) if parent is not None and parent.kind == "iteration" else "Model call"
            told = f"failed: {error.name}: {error.message}" if error is not None else call_text(span)
            yield _line(1, f"{title} · {told} · {took}")
            yield from (_line(2, f"note: {note}") for note in notes_on(span))
        elif isinstance(span.start.payload, CodeStart):
            calls = [child for child in span.children if child.kind == "subcall"]
            if calls:
                yield _line(2, _calls_text(calls))
            told = f"{error.name}: {error.message}" if error is not None else str(span.status)
            facts = [f"Code Block {span.start.payload.index}", review_text(span), told, took]
            yield _line(2, " · ".join(fact for fact in facts if fact))
        elif complaint := rejection_of(span):
            yield _line(1, f"The answer was not accepted: {complaint}")

    def _name(self, event: SpanStart) -> str:
        """Name a run, to tell children apart that run at the same time: ``child 3``, and below it ``child 3.1``."""
        around = next((span for span in self._above(event.span_id) if span.kind == "run"), None)
        if around is None:
            return "RLM"
        number = self._children[around.span_id] = self._children.get(around.span_id, 0) + 1
        within = self._names.get(around.span_id)
        name = self._names[event.span_id] = f"{within}.{number}" if within is not None else f"child {number}"
        return name

    def _depth(self, span_id: str) -> int:
        """Return how many child runs the span stands in, itself counted."""
        runs = [span for span in (self.trace.spans[span_id], *self._above(span_id)) if span.kind == "run"]
        return len(runs) - 1

    def _above(self, span_id: str) -> Iterator[Span]:
        """Yield the spans around a span, innermost first."""
        span = self.trace.spans.get(self.trace.spans[span_id].start.parent_id or "")
        while span is not None:
            yield span
            span = self.trace.spans.get(span.start.parent_id or "")


def _calls_text(calls: list[Span]) -> str:
    failed = sum(call.status != "ok" for call in calls)
    cached = sum(map(is_cached, calls))
    parts = [count_text(len(calls), "sub-call"), *([f"{failed:,} failed"] if failed else [])]
    parts += [f"{cached:,} cached"] if cached else []
    return " · ".join([*parts, tokens_text(token_counts(calls))])


def _line(indent: int, text: str) -> str:
    text = " ".join(without_controls(text).split())
    return _INDENT * indent + (text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…")
