"""A run as the script of its page has it: rows in the order of the tree, and what is told of each."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from rlm_jupyter.trace.schema import IterationEnd, IterationStart, RunStart, SubcallStart
from rlm_jupyter.trace.trace import Span, Trace

from .children import children_of, shallowest
from .facts import first_line, is_compaction, omitted_below, reply_to, seconds_text, span_name, status_text
from .figures import Figures
from .inert import without_controls
from .page_parts import PageParts
from .page_texts import PageTexts

__all__ = ["page_spans"]

_SPANS = 50_000
_LINE = 10_000  # characters that are looked through for the first line that says something
_GROUPED = 12
"""So many alike children of a span stand in a group, which is folded."""

_MARKUP = re.compile(r"[*`]+|^#+ ", re.MULTILINE)
_NAMES = {"subcall": "llm_query", "run": "rlm_query"}

Row: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Group:
    """Alike spans that ended well, below one parent."""

    kind: str
    spans: list[Span]


def page_spans(trace: Trace, figures: Figures) -> dict[str, Any]:
    """Return ``spans`` in the order of the tree, and the ``texts`` and ``pictures`` that they name by number.

    Of a span: how deep it is, its kind, name and status, when it began and how long it took (seconds since the run
    began), a line of facts, and its parts: heading, form, number of the text or picture. Pictures that ``figures`` has
    already are not here. What is nearest to the root gets its room first, and of 50,000 spans the rest is counted.
    """
    texts, known = PageTexts(), len(figures.numbers)
    parts = PageParts(trace, texts, figures)
    chosen = {id(span) for span in shallowest(trace, _SPANS)}
    origin = _finite(trace.root.start.started) if trace.root is not None else 0.0
    told = [(_row(trace, item, depth, origin), item) for item, depth in _items(trace, chosen)]
    for row, item in sorted(told, key=lambda pair: int(pair[0]["depth"])):
        if isinstance(item, Span):
            row["parts"] = parts.of(item)
            row["facts"] = parts.facts(item)
    rows = [row for row, _ in told]
    return {
        "seconds": max((row["at"] + row["took"] for row in rows), default=0.0),
        "left_out": max(0, len(trace.spans) - _SPANS) + sum(omitted.calls.count for omitted in trace.omitted.values()),
        "spans": rows,
        "texts": texts.texts,
        "pictures": {number: figure.uri for figure, number in figures.numbers.items() if number > known},
    }


def _items(trace: Trace, chosen: set[int]) -> Iterator[tuple[Span | _Group, int]]:
    """Yield spans and groups with their depth, a parent before what is in it."""
    pending: list[tuple[Span | _Group, int]] = [(trace.root, 0)] if trace.root is not None else []
    while pending:
        item, depth = pending.pop()
        yield item, depth
        below = item.spans if isinstance(item, _Group) else _below(item, chosen)
        pending += [(each, depth + 1) for each in reversed(below)]


def _below(span: Span, chosen: set[int]) -> list[Any]:
    """Return what stands below a span: batches in their order, and many that are alike and went well in a group."""
    runs = iter(children_of(span))
    children = [next(runs) if child.kind == "run" else child for child in span.children]
    children = [child for child in children if id(child) in chosen]
    alike = Counter(child.kind for child in children if child.kind in _NAMES and child.status == "ok")
    groups = {kind: _Group(kind, []) for kind, count in alike.items() if count >= _GROUPED}
    items: list[Span | _Group] = []
    for child in children:
        group = groups.get(child.kind) if child.status == "ok" else None
        if group is None:
            items.append(child)
            continue
        if not group.spans:
            items.append(group)
        group.spans.append(child)
    return items


def _row(trace: Trace, item: Span | _Group, depth: int, origin: float) -> Row:
    if isinstance(item, _Group):
        begun = min(_finite(span.start.started) for span in item.spans)
        took = max(_finite(span.start.started) + _took(span) for span in item.spans) - begun
        name = f"{len(item.spans):,} {_NAMES[item.kind]}"
        row = {"kind": item.kind, "group": len(item.spans), "name": name, "status": "ok", "time": seconds_text(took)}
        return {**row, "depth": depth, "at": round(begun - origin, 5), "took": round(took, 5)}
    row = {
        "id": _first(item.span_id),
        "kind": _kind(item),
        "name": _name(trace, item),
        "status": item.status or "running",
    }
    if mark := _mark(trace, item):
        row["mark"] = mark
    at = round(_finite(item.start.started) - origin, 5)
    time = seconds_text(item.seconds) if item.end is not None else "running"
    return {**row, "time": time, "depth": depth, "at": at, "took": round(_took(item), 5)}


def _kind(span: Span) -> str:
    if span.kind == "run":
        return "run" if span.start.parent_id else "root"
    return span.kind


def _name(trace: Trace, span: Span) -> str:
    payload = span.start.payload
    if isinstance(payload, SubcallStart):
        number = f" {payload.index + 1}" if payload.index is not None else ""
        return _line(f"llm_query{number}", trace.text(payload.prompt))
    if isinstance(payload, RunStart) and span.start.parent_id:
        number = f" {payload.index + 1}" if payload.index is not None else ""
        return _line(f"rlm_query{number}", payload.question)
    if is_compaction(span):
        return "the conversation was summed up"
    if span.kind == "model_call":
        return _line(span_name(span), _MARKUP.sub("", reply_to(trace, span)[:1_000]))
    return _line("", span_name(span)) or span.kind


def _line(title: str, text: str) -> str:
    return " · ".join(part for part in (_first(title), _first(text)) if part)


def _first(text: str) -> str:
    return first_line(without_controls(text[:_LINE]))


def _mark(trace: Trace, span: Span) -> str:
    start, end = span.start.payload, span.end.payload if span.end is not None else None
    marks = [status_text(span.status)] if span.status not in ("ok", None) else []
    if isinstance(start, IterationStart) and start.closing:
        marks.append("asked for the final answer")
    if isinstance(end, IterationEnd):
        marks += ["answered"] * end.answered + ["not accepted"] * bool(end.rejected)
    if more := omitted_below(trace, span).calls.count:
        marks.append(f"{more:,} more sub-calls, not here")
    return ", ".join(marks)


def _took(span: Span) -> float:
    return max(0.0, _finite(span.seconds or 0.0))


def _finite(seconds: float) -> float:
    return seconds if math.isfinite(seconds) else 0.0
