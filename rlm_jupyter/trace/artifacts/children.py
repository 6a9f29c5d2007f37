"""Child runs as an artifact shows them: in their order, counted, told in a line each, and the first of them in full."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rlm_jupyter.trace.schema import RunStart
from rlm_jupyter.trace.trace import Span, Trace

from .facts import count_text, first_line, run_line, status_text, token_counts, tokens_text

__all__ = ["LISTED", "child_line", "children_of", "children_text", "shallowest", "shown_in_full"]

LISTED = 100
"""How many of the child runs that one code block started are told in a line each."""

_IN_FULL = {1: 20, 2: 5}
_DEEPER = 2
_DEEPEST = 12


def shown_in_full(depth: int) -> int:
    """Return how many of a block's child runs are shown with all that they did: fewer, the deeper they are.

    Children of the root are at depth 1. Each level multiplies what a page holds, and Markdown nests so deep only.
    """
    return _IN_FULL.get(depth, _DEEPER) if depth <= _DEEPEST else 0


def children_of(span: Span) -> list[Span]:
    """Return the child runs that stand right below the span: those of a batch together, in the order of its slots.

    They began as there was room for them, which is another order.
    """
    children = [child for child in span.children if child.kind == "run"]
    places: dict[str, int] = {}

    def place(numbered: tuple[int, Span]) -> tuple[int, int]:
        number, child = numbered
        payload = child.start.payload
        if isinstance(payload, RunStart) and payload.batch is not None:
            return places.setdefault(payload.batch, number), payload.index or 0
        return number, 0

    return [child for _, child in sorted(enumerate(children), key=place)]


def shallowest(trace: Trace, count: int) -> list[Span]:
    """Return the spans that are nearest to the root, in the order in which they began: a parent before what is in it.

    The first child runs would else take the room of the root's own later iterations.
    """
    level = [trace.root] if trace.root is not None else []
    chosen: list[Span] = []
    while level and len(chosen) < count:
        chosen += level[: count - len(chosen)]
        level = [child for span in level for child in span.children]
    return sorted(chosen, key=lambda span: span.start.seq)


def children_text(children: Sequence[Span]) -> str:
    """Return child runs in a line: how many, how they ended, and the tokens of all that is in them."""
    parts = [count_text(len(children), "child run")]
    parts += [f"{count:,} {status_text(status)}" for status, count in Counter(run.status for run in children).items()]
    parts.append(tokens_text(token_counts(span for run in children for span in run.walk())))
    return " · ".join(parts)


def child_line(child: Trace) -> str:
    """Return a child run in a line: how it went, what it was asked, what it said or else what went wrong."""
    error = child.outcome.error if child.outcome is not None else None
    said = child.answer or (f"{error.name}: {error.message}" if error is not None else "")
    told = f"{run_line(child)}: {first_line(child.run.question)}"
    return f"{told} → {first_line(said)}" if said else told
