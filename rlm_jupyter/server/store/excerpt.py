"""What a notebook needs of a run: all of it, to be played again, or of a huge run a part; the rest is only counted."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeAlias

from .reading import damage, event_text, read_event

if TYPE_CHECKING:
    from rlm_jupyter.trace.omitted import Omitted
    from rlm_jupyter.trace.schema import Blob, Event, SpanText
    from rlm_jupyter.trace.trace import Trace

__all__ = ["excerpt"]

_BELOW_ONE = {"subcall": 50, "run": 100}
"""How many spans of a kind that stand right below the same one are shown."""

# In the run itself, and once more in all of its child runs together.
_IN_ALL = {"subcall": 1_500, "run": 500}
_OTHERS_IN_ALL = 5_000

_WHOLE_SPANS = 10_000
_WHOLE_SIZE = 50_000_000
"""Spans of a run, and characters of all that they tell, that is taken as a whole once it has ended: to be played."""

_Row: TypeAlias = tuple[str, str | None, str, str | None, int | None, int | None, float | None, int | None, bool]

_SPANS = """
    SELECT span_id, parent_id, kind, status, input_tokens, output_tokens, cost, calls, end_seq IS NOT NULL
    FROM spans WHERE run = ? AND start_seq IS NOT NULL ORDER BY start_seq
"""
_EVENTS = """
    SELECT start_seq, end_seq, span_id, parent_id, status, started, ended, start_payload, end_payload
    FROM spans WHERE run = ? AND span_id IN ({})
"""
_PIECES = """
    SELECT pieces.seq, pieces.span_id, pieces.anew, pieces.at, pieces.text FROM pieces JOIN spans
        ON spans.run = pieces.run AND spans.span_id = pieces.span_id
    WHERE pieces.run = ? AND (spans.end_seq IS NULL OR spans.end_seq > ?) AND pieces.span_id IN ({})
    ORDER BY pieces.seq
"""
_MOST_PIECES = 2_000  # of replies that never came as a whole; four of them are told in a second
_TEXTS = "SELECT seq, digest, size, cut, text, media_type, encoding FROM texts WHERE run = ? AND digest IN ({})"
_CHUNK = 500  # old SQLites take 999 values


def excerpt(connection: sqlite3.Connection, run_id: str) -> Trace | None:
    """Return the trace of a run that a notebook shows and holds; None while its beginning is missing.

    Of one that is under way, or huge, without the spans that nobody would read.
    """
    from rlm_jupyter.trace.schema import ROOT_SPAN, SpanEnd, SpanStart
    from rlm_jupyter.trace.trace import Trace, digests_in

    query = "SELECT id, version, last_seq, events, status, bytes FROM own_runs WHERE run_id = ?"
    found = connection.execute(query, (run_id,)).fetchone()
    if found is None:
        return None
    key, version, last_seq, events_here, status, size = found
    whole = status is not None and size <= _WHOLE_SIZE and _count(connection, key) <= _WHOLE_SPANS
    chosen = _Chosen(whole=whole)
    for row in connection.execute(_SPANS, (key,)):
        chosen.see(row)
    lines = list(_lines(connection, run_id, key, version, list(chosen.spans)))
    spans = [event for event in map(read_event, lines) if isinstance(event, SpanStart | SpanEnd)]
    digests = dict.fromkeys(digest for event in spans for digest in digests_in(event))
    events: list[Event] = [*spans]
    asked = [event.span_id for event in spans if event.event == "start" and event.payload.kind == "model_call"]
    events += islice(_pieces(connection, run_id, key, version, last_seq, asked), _MOST_PIECES)
    events += _texts(connection, run_id, key, version, list(digests))
    built = Trace(sorted(events, key=lambda event: event.seq))
    built.omitted = chosen.omitted
    built.damage = damage(last_seq, events_here, len(lines) - len(spans))
    return built if built.root is not None and built.root.span_id == ROOT_SPAN else None


def _count(connection: sqlite3.Connection, key: int) -> int:
    return int(connection.execute("SELECT count(*) FROM spans WHERE run = ?", (key,)).fetchone()[0])


def _lines(
    connection: sqlite3.Connection, run_id: str, key: int, version: int, span_ids: Sequence[str]
) -> Iterator[str]:
    """Yield the events of these spans as JSON."""
    for row in _rows(connection, _EVENTS, key, span_ids):
        start_seq, end_seq, span_id, parent_id, status, started, ended, begun, done = row
        if start_seq is not None:
            yield event_text(run_id, version, start_seq, "start", span_id, parent_id, started, begun)
        if end_seq is not None:
            yield event_text(run_id, version, end_seq, "end", span_id, status, ended, done)


def _pieces(
    connection: sqlite3.Connection, run_id: str, key: int, version: int, last_seq: int, span_ids: Sequence[str]
) -> Iterator[SpanText]:
    """Yield what was told of those replies among these that never came as a whole."""
    from rlm_jupyter.trace.schema import SpanText

    for seq, span_id, anew, at, text in _rows(connection, _PIECES, key, span_ids, last_seq):
        told = {"span_id": span_id, "at": at, "text": text, "anew": bool(anew)}
        yield SpanText(version=version, run_id=run_id, seq=seq, **told)


def _texts(
    connection: sqlite3.Connection, run_id: str, key: int, version: int, digests: Sequence[str]
) -> Iterator[Blob]:
    from rlm_jupyter.trace.schema import Blob

    for seq, digest, size, cut, text, media_type, encoding in _rows(connection, _TEXTS, key, digests):
        told = {"digest": digest, "size": size, "text": text, "cut": bool(cut), "media_type": media_type}
        told["encoding"] = encoding
        yield Blob(version=version, run_id=run_id, seq=seq, **told)


def _rows(connection: sqlite3.Connection, query: str, key: int, names: Sequence[str], *more: int) -> Iterator[Any]:
    for first in range(0, len(names), _CHUNK):
        chunk = names[first : first + _CHUNK]
        yield from connection.execute(query.format(", ".join("?" * len(chunk))), (key, *more, *chunk))


class _Chosen:
    """Takes in spans, parents first, and chooses those that are shown: all of a ``whole``."""

    def __init__(self, *, whole: bool) -> None:
        self._whole = whole
        self.spans: dict[str, int] = {}
        """Those that were chosen, and in how many child runs each stands."""
        self.omitted: dict[str, Omitted] = {}
        self._owners: dict[str, str] = {}
        self._closed: set[str] = set()
        self._below: Counter[tuple[str, str]] = Counter()
        self._in_all: Counter[tuple[str, bool]] = Counter()

    def see(self, row: _Row) -> None:
        """Choose a span, or count it as left out below the nearest one that was chosen."""
        span_id, parent_id, kind = row[:3]
        if not self.spans:
            self.spans[span_id] = 0
            return
        root = next(iter(self.spans))
        parent = parent_id or root
        direct = parent in self.spans
        if direct and self._is_shown(parent, kind):
            self._choose(span_id, parent, kind)
            return
        owner = parent if direct else self._owners.get(parent, root)
        self._leave_out(row, owner, direct=direct)
        if kind != "subcall":  # which has nothing below it
            self._owners[span_id] = owner

    def _choose(self, span_id: str, parent: str, kind: str) -> None:
        from rlm_jupyter.trace.artifacts.children import shown_in_full

        depth = self.spans[span_id] = self.spans[parent] + (kind == "run")
        if parent in self._closed or (kind == "run" and self._below[parent, kind] > shown_in_full(depth)):
            self._closed.add(span_id)

    def _is_shown(self, parent: str, kind: str) -> bool:
        """Return whether one more span of the kind is shown below its parent."""
        if self._whole:
            return True
        if parent in self._closed and kind != "iteration":
            return False  # of a run that is told in a line, the iterations are counted
        sort = kind if kind in _IN_ALL else "other"
        inside = self.spans[parent] > 0  # a child run: those of the run itself have room of their own
        self._below[parent, sort] += 1
        fits = self._below[parent, sort] <= _BELOW_ONE.get(sort, _OTHERS_IN_ALL)
        fits = fits and self._in_all[sort, inside] < _IN_ALL.get(sort, _OTHERS_IN_ALL)
        self._in_all[sort, inside] += fits
        return fits

    def _leave_out(self, row: _Row, owner: str, *, direct: bool) -> None:
        from rlm_jupyter.trace.omitted import Omitted

        _, _, kind, status, sent, received, cost, calls, ended = row
        omitted = self.omitted.setdefault(owner, Omitted())
        omitted.events += 1 + ended
        tally = omitted.calls if direct and kind == "subcall" else omitted.deeper
        if kind == "subcall":
            tally.count += 1
            tally.failed += status == "error"
        elif kind == "run":
            omitted.runs += direct
            omitted.children += not direct
        elif direct:
            omitted.steps += 1
        if calls is not None:
            tally.add_tokens(sent, received)
            tally.add_cost(cost)
