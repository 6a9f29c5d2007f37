"""Checks that a trace is what it should be: whole, in order, and in agreement with itself. Nothing of it is run."""

from __future__ import annotations

import base64
import binascii
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, TypeAlias

from rlm_jupyter.core.digest import bytes_digest, text_digest
from rlm_jupyter.trace.schema import (
    Blob,
    CodeStart,
    ContextRecord,
    IterationStart,
    ModelCallEnd,
    ModelCallStart,
    RunEnd,
    RunStart,
    SpanEnd,
    SpanStart,
    SpanText,
    SubcallEnd,
    SubcallStart,
    event_adapter,
)
from rlm_jupyter.trace.trace import Span, Trace, digests_in
from rlm_jupyter.trace.values import NotRecordedError, check_value, recorded_text, value_digest, whole_text

__all__ = ["Finding", "Severity", "verify"]

Severity: TypeAlias = Literal["error", "warning"]

_NOISE = 1.0
"""Seconds by which clocks may differ: a machine's is set now and then, and children may run on another machine."""

_TEXT_BUDGET = 500_000_000
"""Characters of compressed texts that are unpacked, and of values that are looked at."""

_VALUE_LIMIT = 10_000_000
"""Characters of a value that is looked at; read, each can take 60 bytes and more."""

_MOST = 1_000
"""Findings of one sort that are told."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be; ``where`` names an event, a span or a text."""

    severity: Severity
    where: str
    message: str

    def __str__(self) -> str:
        """Return it in a line."""
        return f"{self.severity}: {self.where}: {self.message}"


def verify(trace: Trace) -> list[Finding]:
    """Return what is wrong with the trace: nothing when it is whole and sound, and a warning when its run never ended.

    Checked are the events against the schema and their numbers, the tree of spans, times, batches, the numbers of
    iterations and blocks, the texts against their digests, and that the values in it can be read.
    """
    findings: list[Finding] = []
    for check in (_whole, _schema, _numbers, _tree, _ends, _times, _steps, _batches, _conversations, _usage, _texts):
        for count, finding in enumerate(check(trace)):
            if count == _MOST:
                findings.append(Finding(finding.severity, "trace", f"There are more than {_MOST:,} of these."))
                break
            findings.append(finding)
    return [*findings, *_values(trace)]


def _error(where: str, message: str) -> Finding:
    return Finding("error", where, message)


def _warning(where: str, message: str) -> Finding:
    return Finding("warning", where, message)


def _span(span_id: str) -> str:
    return f"span {span_id[:40]}"


def _whole(trace: Trace) -> Iterator[Finding]:
    if trace.root is None or trace.root.kind != "run":
        yield _error("trace", "It has no run: its first event, the start of the run, is missing.")
    elif trace.root.end is None:
        yield _warning(_span(trace.root.span_id), "The run has no end: it was cut off, or is under way.")
    if trace.damage is not None:
        yield _error("trace", trace.damage)
    if trace.omitted:
        yield _warning("trace", "It is an excerpt of a large run: some of its events were left out.")


def _schema(trace: Trace) -> Iterator[Finding]:
    for event in trace.events:
        try:
            event_adapter.validate_json(event.model_dump_json())
        except ValueError as error:
            yield _error(f"event {event.seq}", f"It is not as the schema says: {str(error).splitlines()[0]}")
    others = {event.run_id for event in trace.events} - {trace.run_id}
    if others:
        yield _error("trace", f"Events of {len(others):,} other runs stand among those of run {trace.run_id}.")


def _numbers(trace: Trace) -> Iterator[Finding]:
    """Numbers ascend without a gap; a recording leaves out what was told of a reply while a call was under way."""
    is_told_live = any(isinstance(event, SpanText) for event in trace.events)
    calls: set[str] = set()
    if trace.events and trace.events[0].seq != 0 and not _is_part(trace):
        yield _error(f"event {trace.events[0].seq}", "Events are missing before it: the first one has the number 0.")
    for one, other in pairwise(trace.events):
        if isinstance(one, SpanStart) and isinstance(one.payload, ModelCallStart | SubcallStart):
            calls.add(one.span_id)
        elif isinstance(one, SpanEnd):
            calls.discard(one.span_id)
        if other.seq <= one.seq:
            yield _error(f"event {other.seq}", f"It stands behind event {one.seq}: numbers ascend.")
        elif other.seq > one.seq + 1 and not trace.omitted and not _is_part(trace) and (is_told_live or not calls):
            missing = other.seq - one.seq - 1
            yield _error(f"event {other.seq}", f"{missing:,} events are missing before it.")


def _is_part(trace: Trace) -> bool:
    """Return whether it is a child's part of a trace, whose numbers are those of the whole."""
    return trace.root is not None and trace.root.start.parent_id is not None


def _tree(trace: Trace) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    ended: set[str] = set()
    for event in trace.events:
        if isinstance(event, SpanStart):
            if event.span_id in seen:
                yield _error(_span(event.span_id), f"It begins a second time, with event {event.seq}.")
            elif event.parent_id is not None and event.parent_id not in seen and seen:
                yield _error(_span(event.span_id), f"Its parent {event.parent_id[:40]} did not begin before it.")
            elif event.parent_id is None and seen:
                yield _error(_span(event.span_id), "It has no parent: only the run itself, the first span, has none.")
            elif (wanted := _WITHIN.get(event.payload.kind)) and seen.get(event.parent_id or "") not in (*wanted, None):
                yield _error(_span(event.span_id), f"A span of kind {event.payload.kind} does not stand there.")
            seen.setdefault(event.span_id, event.payload.kind)
        elif isinstance(event, SpanEnd):
            if event.span_id not in seen:
                yield _error(_span(event.span_id), "It ends and never began.")
            elif event.span_id in ended:
                yield _error(_span(event.span_id), f"It ends a second time, with event {event.seq}.")
            elif event.payload.kind != seen[event.span_id]:
                told = f"It begins as {seen[event.span_id]} and ends as {event.payload.kind}."
                yield _error(_span(event.span_id), told)
            ended.add(event.span_id)
        elif isinstance(event, SpanText) and event.span_id not in seen:
            yield _error(_span(event.span_id), "Something is told of its reply, and it never began.")


_WITHIN = {"iteration": ("run",), "code": ("iteration",), "model_call": ("run", "iteration")}


def _ends(trace: Trace) -> Iterator[Finding]:
    """Nothing is left open in a run that is over."""
    if trace.root is None or trace.root.end is None:
        return
    for span in trace.walk():
        if span.end is None:
            yield _error(_span(span.span_id), "It has no end, although the run has.")


def _times(trace: Trace) -> Iterator[Finding]:
    for span in trace.walk():
        began, ended = span.start.started, span.end.ended if span.end is not None else None
        if ended is not None and ended < began - _NOISE:
            yield _error(_span(span.span_id), f"It ends {began - ended:.1f} s before it begins.")
        late = [child for child in span.children if child.start.started < began - _NOISE]
        if late:
            yield _warning(_span(late[0].span_id), f"It begins before {span.span_id[:40]}, in which it stands.")
        if span.kind == "run" and ended is not None and began <= ended:
            late = [child for child in span.children if child.end is not None and child.end.ended > ended + _NOISE]
            if late:
                yield _warning(_span(late[0].span_id), f"It ends after {span.span_id[:40]}, in which it stands.")


def _steps(trace: Trace) -> Iterator[Finding]:
    """Iterations of a run are numbered from 1, and so are the blocks of an iteration."""
    if trace.omitted:
        return
    for span in trace.walk():
        steps = [child.start.payload for child in span.children]
        numbers = [payload.number for payload in steps if isinstance(payload, IterationStart)]
        if numbers != list(range(1, len(numbers) + 1)):
            yield _error(_span(span.span_id), f"Its iterations are numbered {_listed(numbers)}, not from 1 on.")
        indices = [payload.index for payload in steps if isinstance(payload, CodeStart)]
        if any(index < 1 for index in indices) or any(one >= other for one, other in pairwise(indices)):
            yield _error(_span(span.span_id), f"Its blocks are numbered {_listed(indices)}, not from 1 on.")


def _listed(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers[:20])) + (", ..." if len(numbers) > 20 else "")


def _batches(trace: Trace) -> Iterator[Finding]:
    for span in trace.walk():
        slots: dict[tuple[str, str], list[int]] = defaultdict(list)
        for child in span.children:
            payload = child.start.payload
            if isinstance(payload, SubcallStart | RunStart) and payload.batch is not None:
                slots[payload.kind, payload.batch].append(-1 if payload.index is None else payload.index)
        for (_, batch), indices in slots.items():
            if min(indices) < 0:
                yield _error(_span(span.span_id), f"A slot of its batch {batch[:40]} has no number from 0 on.")
            elif len(set(indices)) < len(indices):
                yield _error(_span(span.span_id), f"Two slots of its batch {batch[:40]} have one number.")


def _conversations(trace: Trace) -> Iterator[Finding]:
    """A model call keeps no more messages than its run has told so far."""
    if trace.omitted:
        return
    told: dict[str, int] = {}
    owners: dict[str, str] = {}
    for span in trace.walk():  # parents come first, and the calls of a run in their order
        parent = span.start.parent_id or ""
        owner = owners[span.span_id] = span.span_id if span.kind == "run" else owners.get(parent, "")
        payload = span.start.payload
        if isinstance(payload, ModelCallStart):
            if not 0 <= payload.kept <= told.get(owner, 0):
                said = f"It keeps {payload.kept:,} messages of {told.get(owner, 0):,}."
                yield _error(_span(span.span_id), said)
            told[owner] = max(payload.kept, 0) + len(payload.added)


def _usage(trace: Trace) -> Iterator[Finding]:
    for span in trace.walk():
        end = span.end.payload if span.end is not None else None
        if isinstance(end, RunEnd):
            if end.answer_size is not None and end.answer_size < len(end.answer or ""):
                yield _error(_span(span.span_id), "Its answer is longer than it is said to be.")
        elif isinstance(end, ModelCallEnd | SubcallEnd):
            usage = end.usage
            if (
                any(value is not None and value < 0 for value in usage.__dict__.values())
                or min(end.retries, end.lost) < 0
            ):
                yield _error(_span(span.span_id), "It took less than nothing: a count or a price is negative.")
            elif _is_more(usage.cached_input_tokens, usage.input_tokens):
                yield _warning(_span(span.span_id), "More input tokens came from the cache than there were.")
            elif _is_more(usage.reasoning_tokens, usage.output_tokens):
                yield _warning(_span(span.span_id), "The model thought with more tokens than it put out.")


def _is_more(part: int | None, whole: int | None) -> bool:
    return part is not None and whole is not None and part > whole


def _texts(trace: Trace) -> Iterator[Finding]:
    """Texts are what their digests say, and the ones that are named are here."""
    left = _TEXT_BUDGET
    values = {record.value for _, record in _records(trace)}
    for event in trace.events:
        if not isinstance(event, Blob):
            continue
        left -= event.size if event.encoding is not None else 0
        if left < 0:
            yield _warning(f"text {event.digest[:40]}", "It was not looked at: the trace unpacks to too much.")
            break
        problem = _problem_of(event, is_value=event.digest in values)
        if problem is not None:
            yield _error(f"text {event.digest[:40]}", problem)
    if not trace.omitted:
        yield from _absent(trace)


def _problem_of(blob: Blob, *, is_value: bool) -> str | None:
    if blob.cut:
        return None if blob.size >= 0 else "Its size is negative."
    if blob.media_type is not None:
        try:
            held = base64.b64decode(blob.text, validate=True)
        except (binascii.Error, ValueError):
            return "The picture is no base64."
        return _mismatch(len(held), blob.size, bytes_digest(held), blob.digest, "bytes")
    try:
        text = whole_text(blob)
    except ValueError as error:
        return str(error)
    digest = value_digest(text) if is_value else text_digest(text)
    return _mismatch(len(text), blob.size, digest, blob.digest, "characters")


def _mismatch(size: int, told: int, digest: str, named: str, unit: str) -> str | None:
    if size != told:
        return f"It has {size:,} {unit} and should have {told:,}."
    return None if digest == named else f"It was changed: its digest is {digest}."


def _absent(trace: Trace) -> Iterator[Finding]:
    for event in trace.events:
        if isinstance(event, SpanStart | SpanEnd):
            for digest in digests_in(event):
                if digest not in trace.blobs:
                    yield _error(_span(event.span_id), f"It names the text {digest[:40]}, which is not in the trace.")


def _values(trace: Trace) -> Iterator[Finding]:
    left = _TEXT_BUDGET
    seen: set[str] = set()
    for span, record in _records(trace):
        blob = trace.blobs.get(record.value or "")
        if blob is None or blob.cut or blob.digest in seen:
            continue
        seen.add(blob.digest)
        left -= blob.size
        if left < 0:
            yield _warning(_span(span.span_id), "Values were not looked at: the trace holds too much of them.")
            return
        if blob.size > _VALUE_LIMIT or _problem_of(blob, is_value=True) is not None:
            continue  # that it is what its digest says is enough, and told above when it is not
        try:
            check_value(recorded_text(trace, record))
        except NotRecordedError:
            continue  # a function's source, say, which only a replay reads
        except (ValueError, RecursionError) as error:
            yield _error(_span(span.span_id), f"The value of {record.name[:40]} cannot be read: {error}")


def _records(trace: Trace) -> Iterator[tuple[Span, ContextRecord]]:
    for span in trace.walk():
        payload = span.start.payload
        if isinstance(payload, RunStart | CodeStart):
            records = payload.contexts if isinstance(payload, RunStart) else payload.inputs
            yield from ((span, record) for record in records if record.value is not None)
