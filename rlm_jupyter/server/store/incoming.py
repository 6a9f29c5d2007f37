"""A run that takes in events: what is known of it, and what a batch adds to that."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from .endings import make_ends, unmake_ends
from .rows import Change
from .spent import Spent
from .words import add_words, take_words

if TYPE_CHECKING:
    from rlm_jupyter.trace.schema import Event, SpanEnd, SpanStart

__all__ = ["ROOT", "IncomingRun", "Source"]

ROOT = "s1"
"""The span that is the run itself: ``trace.schema.ROOT_SPAN``, whose module a starting server has no time to import."""

_Event: TypeAlias = "Event"
_Gap: TypeAlias = tuple[int, int]

_ROW_BYTES = 120  # what a row takes beside its texts, roughly
_NAME_LIMIT = 200
_NUMBER_LIMIT = 2**31

_FIND = """
    SELECT kernel_id, root, id, version, last_seq, events, made, abandoned, status, session_id, notebook
    FROM runs WHERE run_id = ?
"""
_BEGIN = """
    INSERT INTO runs (run_id, root, kernel_id, server, version, notebook, arrived, seen, began)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_SAVE = """
    UPDATE runs SET last_seq = ?, events = ?, made = ?, server = ?, seen = ?, notebook = coalesce(notebook, ?),
        bytes = bytes + ?, iterations = iterations + ?, subcalls = subcalls + ?, children = children + ?,
        calls = calls + ?, unpriced_calls = unpriced_calls + ?, input_tokens = input_tokens + ?,
        output_tokens = output_tokens + ?, cost = cost + ?
    WHERE id = ?
"""
_START = """
    INSERT INTO spans (run, span_id, start_seq, kind, parent_id, started, model, start_payload)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (run, span_id) DO UPDATE SET start_seq = excluded.start_seq, parent_id = excluded.parent_id,
        started = excluded.started, model = coalesce(model, excluded.model), start_payload = excluded.start_payload
    WHERE start_seq IS NULL AND kind = excluded.kind
"""
_END = """
    INSERT INTO spans (run, span_id, end_seq, kind, status, ended, model, calls, input_tokens, output_tokens, cost,
        end_payload)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (run, span_id) DO UPDATE SET end_seq = excluded.end_seq, status = excluded.status,
        ended = excluded.ended, model = coalesce(excluded.model, model), calls = excluded.calls,
        input_tokens = excluded.input_tokens, output_tokens = excluded.output_tokens, cost = excluded.cost,
        end_payload = excluded.end_payload
    WHERE end_seq IS NULL AND kind = excluded.kind
"""
_TEXT = """
    INSERT INTO texts (run, digest, seq, size, cut, text, media_type, encoding) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (run, digest) DO NOTHING
"""
_PIECE = """
    INSERT INTO pieces (run, span_id, seq, at, anew, text) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (run, seq) DO NOTHING
"""
_RUN_START = """
    UPDATE runs SET started = 1, began = ?, question = ?, model = ?, backend = ?, environment = ?, session_id = ?,
        turn = ?, cell_id = ?, max_iterations = ?, resumes = ?
    WHERE id = ?
"""
_RUN_END = "UPDATE runs SET status = ?, ended = ?, answer = ?, error = ?, abandoned = NULL WHERE id = ?"

_STORED = """
    SELECT span_id, 'start', parent_id, started, start_payload, NULL, NULL FROM spans
        WHERE run = :run AND start_seq = :seq
    UNION ALL SELECT span_id, 'end', status, ended, end_payload, NULL, NULL FROM spans
        WHERE run = :run AND end_seq = :seq
    UNION ALL SELECT span_id, 'text', at, anew, text, NULL, NULL FROM pieces WHERE run = :run AND seq = :seq
    UNION ALL SELECT digest, 'blob', size, cut, text, media_type, encoding FROM texts WHERE run = :run AND seq = :seq
"""


@dataclass(frozen=True, slots=True)
class Source:
    """Where events come from: a kernel, the notebook that it belongs to, and the server that hears it."""

    kernel_id: str
    notebook: int | None
    root: str
    server: str
    full_text: bool


@dataclass(slots=True)
class IncomingRun:
    """A run within a transaction. What it costs to take in an event does not depend on how many there were before."""

    connection: sqlite3.Connection
    source: Source
    run_id: str
    key: int
    version: int
    last_seq: int
    events: int
    made: int
    abandoned: float | None
    status: str | None
    session_id: str | None
    notebook: int | None
    began: bool = False
    ended: bool = False
    accepted: int = 0
    bytes: int = 0
    started: dict[str, int] = field(default_factory=lambda: {"iteration": 0, "subcall": 0, "run": 0})
    spent: Spent = field(default_factory=Spent)

    @classmethod
    def of(cls, connection: sqlite3.Connection, source: Source, event: _Event) -> IncomingRun | None:
        """Return the run of the event, a new one if need be; None when the source may not add to it."""
        found = connection.execute(_FIND, (event.run_id,)).fetchone()
        if found is None:
            if connection.execute("SELECT 1 FROM dropped WHERE run_id = ?", (event.run_id,)).fetchone() is not None:
                return None
            now = time.time()
            begun = (event.run_id, source.root, source.kernel_id, source.server, event.version, source.notebook)
            connection.execute(_BEGIN, (*begun, now, now, now))
            found = connection.execute(_FIND, (event.run_id,)).fetchone()
        if found[:2] != (source.kernel_id, source.root):
            return None
        run = cls(connection, source, event.run_id, *found[2:])
        if run.made:  # ends that were made give way to those that come after all
            unmake_ends(connection, run.key, run.last_seq)
        return run

    def take(self, event: _Event) -> bool:
        """Return whether the event is stored now, be it that it was stored before."""
        if event.version != self.version:
            return False
        gap = self._gap(event.seq) if event.seq <= self.last_seq else None
        if event.seq <= self.last_seq and gap is None:
            accepted = self._is_stored(event)
        else:
            accepted = self._add(event)
            if accepted:
                self._number(event.seq, gap)
        self.accepted += accepted
        return accepted

    def save(self) -> Change | None:
        """Write down what the batch changed about the run itself, and return it; None when it held nothing of use."""
        self.made = 0
        if self.abandoned is not None:
            self.made = make_ends(self.connection, self.key, self.last_seq, self.abandoned)
        if not self.accepted:
            return None
        spent, started, source = self.spent, self.started, self.source
        self.connection.execute(
            _SAVE,
            (
                *(self.last_seq, self.events, self.made, source.server, time.time(), source.notebook),
                *(self.bytes, started["iteration"], started["subcall"], started["run"]),
                *(spent.calls, spent.unpriced_calls, spent.input_tokens, spent.output_tokens, spent.cost, self.key),
            ),
        )
        return Change(
            run_id=self.run_id,
            kernel_id=source.kernel_id,
            notebook_id=self.notebook if self.notebook is not None else source.notebook,
            session_id=self.session_id,
            status=self.status,
            last_seq=self.last_seq + self.made,
            began=self.began,
            ended=self.ended,
            whole=self.status is not None and self.abandoned is None and self.events == self.last_seq + 1,
        )

    def _gap(self, seq: int) -> _Gap | None:
        """Return the range of missing numbers in which this one stands."""
        if self.events == self.last_seq + 1:
            return None
        query = "SELECT first, last FROM gaps WHERE run = ? AND first <= ? ORDER BY first DESC LIMIT 1"
        gap = self.connection.execute(query, (self.key, seq)).fetchone()
        return (gap[0], gap[1]) if gap is not None and seq <= gap[1] else None

    def _number(self, seq: int, gap: _Gap | None) -> None:
        """Count the event in, and keep the gaps: around it, or before it."""
        self.events += 1
        if gap is not None:
            self.connection.execute("DELETE FROM gaps WHERE run = ? AND first = ?", (self.key, gap[0]))
            left = [(gap[0], seq - 1), (seq + 1, gap[1])]
        else:
            left = [(self.last_seq + 1, seq - 1)]
            self.last_seq = seq
        for first, last in left:
            if first <= last:
                self.connection.execute("INSERT INTO gaps (run, first, last) VALUES (?, ?, ?)", (self.key, first, last))

    def _add(self, event: _Event) -> bool:
        try:
            if event.event == "start":
                return self._start(event)
            if event.event == "end":
                return self._end(event)
            self.bytes += len(event.text) + _ROW_BYTES
            if event.event == "text":
                piece = (self.key, event.span_id, event.seq, event.at, event.anew, event.text)
                return self.connection.execute(_PIECE, piece).rowcount == 1
            row = (self.key, event.digest, event.seq, event.size, event.cut, event.text)
            return self.connection.execute(_TEXT, (*row, event.media_type, event.encoding)).rowcount == 1
        except (ValueError, OverflowError, RecursionError):  # a text or a value that has no place in JSON or a table
            return False

    def _start(self, event: SpanStart) -> bool:
        payload, text = event.payload, event.payload.model_dump_json()
        row = (self.key, event.span_id, event.seq, payload.kind, event.parent_id, event.started)
        added = self.connection.execute(_START, (*row, getattr(payload, "model", None), text))
        if added.rowcount != 1:
            return False
        self.bytes += len(text) + _ROW_BYTES
        if payload.kind == "run" and event.span_id == ROOT:
            self._start_run(event, payload)
        elif payload.kind in self.started and (payload.kind != "iteration" or event.parent_id == ROOT):
            self.started[payload.kind] += 1
        return True

    def _end(self, event: SpanEnd) -> bool:
        payload, text = event.payload, event.payload.model_dump_json()
        spent = Spent()
        if payload.kind in ("model_call", "subcall"):
            spent = Spent.by(payload)
        row = (self.key, event.span_id, event.seq, payload.kind, event.status, event.ended)
        answered = getattr(payload, "response_model", None)
        added = self.connection.execute(_END, (*row, answered, *spent.columns(), text))
        if added.rowcount != 1:
            return False
        self.bytes += len(text)
        self.spent.add(spent)
        if payload.kind == "run" and event.span_id == ROOT:
            self._end_run(event, payload)
        return True

    def _start_run(self, event: SpanStart, begun: Any) -> None:
        self.began = True
        self.session_id = _name(begun.session_id)
        row = (event.started, begun.question, begun.model, begun.backend, begun.environment)
        place = (self.session_id, _countable(begun.turn), _name(begun.cell_id))
        self._describe(_RUN_START, (*row, *place, _countable(begun.max_iterations), _name(begun.resumes)))

    def _end_run(self, event: SpanEnd, outcome: Any) -> None:
        self.ended, self.status, self.abandoned = True, event.status, None
        error = f"{outcome.error.name}: {outcome.error.message}" if outcome.error is not None else None
        self._describe(_RUN_END, (event.status, event.ended, outcome.answer, error))

    def _describe(self, statement: str, values: tuple[Any, ...]) -> None:
        if self.source.full_text:
            take_words(self.connection, self.key)
        self.connection.execute(statement, (*values, self.key))
        if self.source.full_text:
            add_words(self.connection, self.key)
        else:
            self.connection.execute("UPDATE runs SET indexed = 0 WHERE id = ?", (self.key,))

    def _is_stored(self, event: _Event) -> bool:
        """Return whether this very event is what stands under its number."""
        stored = self.connection.execute(_STORED, {"run": self.key, "seq": event.seq}).fetchone()
        try:
            return stored is not None and tuple(stored) == _said(event)
        except (ValueError, RecursionError):
            return False


def _said(event: _Event) -> tuple[Any, ...]:
    if event.event == "blob":
        return (event.digest, "blob", event.size, int(event.cut), event.text, event.media_type, event.encoding)
    if event.event == "text":
        return (event.span_id, "text", event.at, int(event.anew), event.text, None, None)
    text = event.payload.model_dump_json()
    if event.event == "start":
        return (event.span_id, "start", event.parent_id, event.started, text, None, None)
    return (event.span_id, "end", event.status, event.ended, text, None, None)


def _countable(number: int | None) -> int | None:
    return number if number is not None and 0 <= number < _NUMBER_LIMIT else None


def _name(text: str | None) -> str | None:
    return text if text is not None and 0 < len(text) <= _NAME_LIMIT and "\0" not in text else None
