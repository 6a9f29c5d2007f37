"""Two traces side by side: where they part, and what each of them came to. Nothing of them is run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from rlm_jupyter.trace.artifacts.facts import cost_of, cost_text, outcome_text, seconds_text, subcall_count, tokens_of
from rlm_jupyter.trace.artifacts.inert import without_controls
from rlm_jupyter.trace.schema import ContextRecord
from rlm_jupyter.trace.trace import Span, Trace

from .steps import Piece, pieces_of
from .texts import text_diff

__all__ = ["Change", "FirstDifference", "IterationPair", "TraceDiff", "diff"]

_SETTINGS = ("question", "model", "backend", "environment", "max_iterations", "depth", "settings")
_LISTED = 200
"""Iterations that are told side by side."""


@dataclass(frozen=True, slots=True)
class Change:
    """A fact that the two traces tell differently."""

    name: str
    a: Any
    b: Any


@dataclass(frozen=True, slots=True)
class FirstDifference:
    """Where the runs part, such as ``iteration 2, block 1, output``, and what each has there; None for nothing."""

    place: str
    a: str | None
    b: str | None


@dataclass(frozen=True, slots=True)
class IterationPair:
    """Two iterations that stand beside each other, by their numbers, and what differs in them: empty when nothing."""

    a: int | None
    b: int | None
    differs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TraceDiff:
    """How two traces differ. ``settings`` are what the runs were given, ``outcomes`` what they came to and took."""

    a: str
    b: str
    settings: tuple[Change, ...]
    contexts: tuple[Change, ...]
    first: FirstDifference | None
    iterations: tuple[IterationPair, ...]
    outcomes: tuple[Change, ...]
    answers: Change | None

    @property
    def same(self) -> bool:
        """Whether the runs did the same and came to the same answer, whatever they took for it."""
        return self.first is None and self.answers is None

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "a": self.a,
            "b": self.b,
            "same": self.same,
            "settings": {each.name: {"a": each.a, "b": each.b} for each in self.settings},
            "contexts": {each.name: {"a": each.a, "b": each.b} for each in self.contexts},
            "first": None if self.first is None else {"place": self.first.place, "a": self.first.a, "b": self.first.b},
            "iterations": [{"a": each.a, "b": each.b, "differs": list(each.differs)} for each in self.iterations],
            "outcomes": {each.name: {"a": each.a, "b": each.b} for each in self.outcomes},
            "answers": None if self.answers is None else {"a": self.answers.a, "b": self.answers.b},
        }

    def to_text(self) -> str:
        """Return it as a text to read, as long as a few screens."""
        return without_controls("\n".join(self._lines()))

    def __str__(self) -> str:
        """Return it as a text to read."""
        return self.to_text()

    def _lines(self) -> Iterator[str]:
        yield f"a: run {self.a}"
        yield f"b: run {self.b}"
        yield from _table("settings", self.settings)
        yield from _table("contexts", self.contexts)
        if self.first is None:
            yield "The two runs did the same."
        else:
            yield f"They part at {self.first.place}:"
            yield from text_diff(self.first.a, self.first.b)
        differing = [each for each in self.iterations if each.differs]
        if differing:
            yield "iterations that differ (a | b):"
            yield from (_row(each) for each in differing[:_LISTED])
            yield from [f"  ... and {len(differing) - _LISTED:,} more"] if len(differing) > _LISTED else []
        if self.answers is None:
            yield "The answers are the same."
        else:
            yield "The answers differ:"
            yield from text_diff(self.answers.a, self.answers.b)
        yield from _table("what they took", self.outcomes)

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
        text = self.to_text()
        return {"text/plain": text, "text/html": f"<pre>{escape(text)}</pre>"}


def diff(a: Trace, b: Trace) -> TraceDiff:
    """Return how the second trace differs from the first. Raises ``ValueError`` for a trace that has no run."""
    one, other = _Side(a), _Side(b)
    answers = Change("answer", a.answer, b.answer) if a.answer != b.answer else None
    return TraceDiff(
        a=a.run_id,
        b=b.run_id,
        settings=_changes(one.settings, other.settings),
        contexts=_changes(one.contexts, other.contexts),
        first=_first(one, other),
        iterations=tuple(_pairs(one, other)),
        outcomes=_changes(one.outcomes, other.outcomes),
        answers=answers,
    )


class _Side:
    """One of the two traces, taken apart."""

    def __init__(self, trace: Trace) -> None:
        run = trace.run
        self.settings: dict[str, Any] = {name: getattr(run, name) for name in _SETTINGS}
        self.settings |= {f"version of {name}": version for name, version in run.versions.items()}
        self.contexts = {record.name: _context(record) for record in run.contexts}
        self.steps = [list(pieces_of(trace, span)) for span in trace.iterations]
        sent, received = tokens_of(trace)
        self.outcomes: dict[str, Any] = {
            "status": outcome_text(trace),
            "iterations": len(trace.iterations),
            "sub-calls": subcall_count(trace),
            "tokens in": sent,
            "tokens out": received,
            "cost": cost_text(cost_of(trace)),
            "time": seconds_text(_seconds(trace.root)),
        }


def _seconds(root: Span | None) -> float | None:
    return root.seconds if root is not None else None


def _context(record: ContextRecord) -> str:
    size = "" if record.size is None else f", {record.size:,} {record.unit}"
    return f"{record.type}{size}, {record.digest or record.preview[:100]}"


def _changes(a: Mapping[str, Any], b: Mapping[str, Any]) -> tuple[Change, ...]:
    names = dict.fromkeys([*a, *b])
    return tuple(Change(name, a.get(name), b.get(name)) for name in names if a.get(name) != b.get(name))


def _first(one: _Side, other: _Side) -> FirstDifference | None:
    for number in range(max(len(one.steps), len(other.steps))):
        a, b = _at(one.steps, number), _at(other.steps, number)
        if a is None or b is None:
            missing = f"iteration {number + 1}, which only {'b' if a is None else 'a'} has"
            return FirstDifference(missing, _told(a), _told(b))
        found = _first_piece(a, b)
        if found is not None:
            return FirstDifference(f"iteration {number + 1}, {found[0]}", found[1], found[2])
    return None


def _first_piece(a: Sequence[Piece], b: Sequence[Piece]) -> tuple[str, str | None, str | None] | None:
    for index in range(max(len(a), len(b))):
        one = a[index] if index < len(a) else None
        two = b[index] if index < len(b) else None
        if one != two:
            named = one or two
            place = named.place if named is not None else ""
            if one is not None and two is not None and one.place != two.place:
                place = f"{one.place} (b: {two.place})"
            return place, one.text if one is not None else None, two.text if two is not None else None
    return None


def _told(pieces: Sequence[Piece] | None) -> str | None:
    return None if pieces is None else "\n".join(f"{piece.place}: {piece.text}" for piece in pieces)


def _at(steps: Sequence[list[Piece]], index: int) -> list[Piece] | None:
    return steps[index] if index < len(steps) else None


def _pairs(one: _Side, other: _Side) -> Iterator[IterationPair]:
    """Yield the iterations beside each other: equal ones at the beginning and at the end, the rest by their order."""
    a, b = one.steps, other.steps
    shorter = min(len(a), len(b))
    head = next((index for index in range(shorter) if a[index] != b[index]), shorter)
    tail = 0
    while tail < shorter - head and a[-1 - tail] == b[-1 - tail]:
        tail += 1
    middle_a, middle_b = range(head, len(a) - tail), range(head, len(b) - tail)
    for index in range(head):
        yield IterationPair(index + 1, index + 1, ())
    for offset in range(max(len(middle_a), len(middle_b))):
        at_a = middle_a[offset] if offset < len(middle_a) else None
        at_b = middle_b[offset] if offset < len(middle_b) else None
        if at_a is None or at_b is None:
            yield IterationPair(_number(at_a), _number(at_b), ("only here",))
        else:
            yield IterationPair(at_a + 1, at_b + 1, tuple(_differing(a[at_a], b[at_b])))
    for back in range(tail, 0, -1):
        yield IterationPair(len(a) - back + 1, len(b) - back + 1, ())


def _number(index: int | None) -> int | None:
    return None if index is None else index + 1


def _differing(a: Sequence[Piece], b: Sequence[Piece]) -> Iterator[str]:
    """Yield the sorts of things that differ in two iterations: reply, code, sub-call, output, ..."""
    sorts = dict.fromkeys(piece.sort for piece in (*a, *b))
    for sort in sorts:
        if [piece.text for piece in a if piece.sort == sort] != [piece.text for piece in b if piece.sort == sort]:
            yield sort


def _row(pair: IterationPair) -> str:
    a, b = ("-" if number is None else str(number) for number in (pair.a, pair.b))
    return f"  {a:>5} | {b:<5} {', '.join(pair.differs)}"


def _table(title: str, changes: Sequence[Change]) -> Iterator[str]:
    if changes:
        yield f"{title} (a | b):"
        yield from (f"  {each.name[:60]}: {_short(each.a)} | {_short(each.b)}" for each in changes[:_LISTED])


def _short(value: Any) -> str:
    text = "-" if value is None else " ".join(str(value).split())
    return text if len(text) <= 120 else f"{text[:120]}…"
