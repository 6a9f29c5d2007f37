"""Runs as they are read: rows, events, texts, and traces made of them again."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .events import ID
from .rows import RunRow, TextRow, UsageRow

if TYPE_CHECKING:
    from rlm_jupyter.trace.schema import Event
    from rlm_jupyter.trace.trace import Trace

__all__ = [
    "CUT_COLUMNS",
    "FROM",
    "LIST_TEXT",
    "MOST",
    "bounded",
    "counts",
    "damage",
    "event_text",
    "events",
    "key_of",
    "missing",
    "plain",
    "read_event",
    "run",
    "run_row",
    "runs",
    "spans",
    "text",
    "trace",
    "usage",
]

LIST_TEXT = 2_000
"""Characters of a question, an answer or an error in a list."""

MOST = 10_000
"""Rows of an answer; of spans, ten times as many."""

_NUMBER_LIMIT = 2**62

_COLUMNS = """
    runs.run_id, runs.notebook, notebooks.path, runs.kernel_id, runs.session_id, runs.turn, runs.cell_id,
    {question}, runs.model, runs.backend, runs.environment, runs.status, runs.began, runs.ended, {answer}, {error},
    runs.last_seq + runs.made, runs.events + runs.made,
    runs.status IS NOT NULL AND runs.abandoned IS NULL AND runs.events = runs.last_seq + 1,
    runs.iterations, runs.subcalls, runs.children, runs.input_tokens, runs.output_tokens,
    CASE WHEN runs.calls > 0 AND runs.unpriced_calls = 0 THEN runs.cost END, runs.max_iterations,
    runs.resumes
"""
FROM = "FROM own_runs AS runs LEFT JOIN notebooks ON notebooks.id = runs.notebook AND notebooks.deleted IS NULL"

WHOLE_COLUMNS = _COLUMNS.format(question="runs.question", answer="runs.answer", error="runs.error")
CUT_COLUMNS = _COLUMNS.format(
    question=f"substr(runs.question, 1, {LIST_TEXT})",
    answer=f"substr(runs.answer, 1, {LIST_TEXT})",
    error=f"substr(runs.error, 1, {LIST_TEXT})",
)

_STARTS = """
    SELECT start_seq AS seq, 'start' AS event, span_id, parent_id AS other, started AS time, start_payload AS payload,
        NULL AS cut, NULL AS encoding
    FROM spans WHERE run = :run AND start_seq >= :since
"""
_ENDS = """
    SELECT end_seq, 'end', span_id, status, ended, end_payload, NULL, NULL
    FROM spans WHERE run = :run AND end_seq >= :since
"""
_PIECES = "SELECT seq, 'text', span_id, anew, at, text, NULL, NULL FROM pieces WHERE run = :run AND seq >= :since"
_TEXTS = (
    "SELECT seq, 'blob', digest, media_type, size, text, cut, encoding FROM texts WHERE run = :run AND seq >= :since"
)

# Of a reply that is here as a whole, or was found to be broken off, nobody needs the pieces.
_NEEDED = f"""
    {_PIECES} AND NOT EXISTS (
        SELECT 1 FROM spans JOIN runs ON runs.id = spans.run
        WHERE spans.run = pieces.run AND spans.span_id = pieces.span_id AND spans.end_seq <= runs.last_seq
    )
"""  # noqa: S608 - of constants


def run(connection: sqlite3.Connection, run_id: str) -> RunRow | None:
    """Return a run with the whole of its texts."""
    if ID.fullmatch(run_id) is None:
        return None
    row = connection.execute(f"SELECT {WHOLE_COLUMNS} {FROM} WHERE runs.run_id = ?", (run_id,)).fetchone()
    return run_row(row) if row is not None else None


def runs(
    connection: sqlite3.Connection, where: list[str], values: list[Any], *, limit: int, before: str | None
) -> list[RunRow]:
    """Return the runs that fulfil all conditions, the one that arrived last first."""
    if before is not None:
        key = key_of(connection, before)
        if key is None:
            return []
        where, values = [*where, "runs.id < ?"], [*values, key]
    conditions = " AND ".join(["TRUE", *where])
    query = f"SELECT {CUT_COLUMNS} {FROM} WHERE {conditions} ORDER BY runs.id DESC LIMIT ?"
    return [run_row(row) for row in connection.execute(query, (*values, bounded(limit)))]


def run_row(row: Any) -> RunRow:
    """Return the columns of a run as what they are."""
    return RunRow(*(*row[:18], bool(row[18]), *row[19:27]))


def key_of(connection: sqlite3.Connection, run_id: str) -> int | None:
    """Return the number that a run has in the tables."""
    if ID.fullmatch(run_id) is None:
        return None
    row = connection.execute("SELECT id FROM own_runs WHERE run_id = ?", (run_id,)).fetchone()
    return int(row[0]) if row is not None else None


def missing(connection: sqlite3.Connection, run_id: str, limit: int) -> list[tuple[int, int]]:
    """Return the ranges of numbers that never came, both ends included, the lowest ones first."""
    key = key_of(connection, run_id)
    query = "SELECT first, last FROM gaps WHERE run = ? ORDER BY first LIMIT ?"
    return [(first, last) for first, last in connection.execute(query, (key, bounded(limit)))]


def spans(connection: sqlite3.Connection, run_id: str, since: int, limit: int, most: int | None) -> list[str]:
    """Return start and end events as JSON, in order, and what was told of replies that are not here as a whole.

    With ``most`` the list ends after the event that brings it beyond so many characters, but not after its first one:
    so whoever cuts it there sees that there is more.
    """
    found = connection.execute("SELECT id, version FROM own_runs WHERE run_id = ?", (run_id,)).fetchone()
    if found is None:
        return []
    values = {"run": found[0], "since": bounded(since, _NUMBER_LIMIT), "limit": bounded(limit, 10 * MOST)}
    query = f"{_STARTS} UNION ALL {_ENDS} UNION ALL {_NEEDED} ORDER BY seq LIMIT :limit"
    events: list[str] = []
    size = 0
    for row in connection.execute(query, values):
        events.append(event_text(run_id, found[1], *row[:6]))
        size += len(events[-1])
        if most is not None and size > most and len(events) > 1:
            break
    return events


def text(connection: sqlite3.Connection, run_id: str, digest: str) -> TextRow | None:
    """Return a text of a run."""
    key = key_of(connection, run_id)
    if key is None or ID.fullmatch(digest) is None:
        return None
    query = "SELECT digest, seq, size, cut, text, media_type, encoding FROM texts WHERE run = ? AND digest = ?"
    row = connection.execute(query, (key, digest)).fetchone()
    return TextRow(row[0], row[1], row[2], bool(row[3]), row[4], row[5], row[6]) if row is not None else None


def usage(connection: sqlite3.Connection, run_id: str) -> list[UsageRow]:
    """Return what the run's calls took, model by model."""
    if key_of(connection, run_id) is None:
        return []
    query = """
        SELECT model, calls, input_tokens, output_tokens, cost, unpriced_calls FROM usage WHERE run_id = ?
        ORDER BY model
    """
    return [UsageRow(*row) for row in connection.execute(query, (run_id,))]


def trace(connection: sqlite3.Connection, run_id: str) -> Trace | None:
    """Return the trace of a run as far as it has come; None while its beginning is missing."""
    from rlm_jupyter.trace.schema import ROOT_SPAN
    from rlm_jupyter.trace.trace import Trace

    found = connection.execute("SELECT last_seq, events FROM own_runs WHERE run_id = ?", (plain(run_id),)).fetchone()
    built, unread = Trace(), 0
    for _, line in _events(connection, run_id):
        if (event := read_event(line)) is not None:
            built.add(event)
        else:
            unread += 1
    built.damage = damage(found[0], found[1], unread) if found is not None else None
    return built if built.root is not None and built.root.span_id == ROOT_SPAN else None


def read_event(line: str) -> Event | None:
    """Return the event of JSON as it stands here; None where this version of ours can read it no more."""
    from rlm_jupyter.trace.files.lines import stored_event

    try:
        return stored_event(line.encode(), "The store")
    except ValueError:  # a newer version wrote it
        return None


def damage(last_seq: int, count: int, unread: int) -> str | None:
    """Return what is missing of a run, given its last event's number, how many came, and how many cannot be read.

    None when nothing is. While the run goes on, what is missing may still come.
    """
    lost = last_seq + 1 - count
    if lost <= 0 and not unread:
        return None
    reasons = [f"{lost:,} never came from its kernel"] if lost > 0 else []
    reasons += [f"{unread:,} cannot be read here"] if unread else []
    return f"Events of this run are missing: {' and '.join(reasons)}."


def events(connection: sqlite3.Connection, run_id: str, since: int, most: int) -> tuple[list[str], int | None]:
    """Return the run's events as JSON, texts among them, from this number on, and the number of the next one.

    They have no more than so many characters, unless the first alone has; after the last one there is no next.
    """
    found: list[str] = []
    size = 0
    for seq, line in _events(connection, run_id, bounded(since, _NUMBER_LIMIT)):
        size += len(line)
        if size > most and found:
            return found, seq
        found.append(line)
    return found, None


def _events(connection: sqlite3.Connection, run_id: str, since: int = 0) -> Iterator[tuple[int, str]]:
    found = connection.execute("SELECT id, version FROM own_runs WHERE run_id = ?", (plain(run_id),)).fetchone()
    if found is None:
        return
    query = f"{_STARTS} UNION ALL {_ENDS} UNION ALL {_PIECES} UNION ALL {_TEXTS} ORDER BY seq"
    for row in connection.execute(query, {"run": found[0], "since": since}):
        if row[1] == "blob":
            seq, _, digest, media_type, size, content, cut, encoding = row
            head = {"event": "blob", "version": found[1], "run_id": run_id, "seq": seq, "digest": digest}
            told = {**head, "size": size, "text": content, "cut": bool(cut), "media_type": media_type}
            yield seq, json.dumps({**told, "encoding": encoding}, ensure_ascii=False)
        else:
            yield row[0], event_text(run_id, found[1], *row[:6])


def event_text(
    run_id: str, version: int, seq: int, event: str, span_id: str, other: str | int | None, time: float, payload: str
) -> str:
    """Return the event as the recorder's JSON has it; names of runs and spans need no escapes."""
    head = f'{{"event":"{event}","version":{version},"run_id":"{run_id}","seq":{seq},"span_id":"{span_id}"'
    if event == "start":
        parent = f'"{other}"' if other is not None else "null"
        return f'{head},"parent_id":{parent},"started":{time!r},"payload":{payload}}}'
    if event == "text":
        return (
            f'{head},"at":{time!r},"text":{json.dumps(payload, ensure_ascii=False)},"anew":{json.dumps(bool(other))}}}'
        )
    return f'{head},"ended":{time!r},"status":"{other}","payload":{payload}}}'


def bounded(number: int, most: int = MOST) -> int:
    """Return the number, or the nearest one that SQLite takes and that is sensible."""
    return min(max(0, number), most)


def plain(text: str) -> str:
    """Return the text as UTF-8 can have it: a lone surrogate, as of an odd file name, is written out."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


def counts(connection: sqlite3.Connection) -> dict[str, Any]:
    """Return how much there is of what, and when the oldest and the newest run began."""
    query = """
        SELECT (SELECT count(*) FROM own_notebooks WHERE deleted IS NULL) AS notebooks,
            (SELECT count(*) FROM
                (SELECT 1 FROM own_runs WHERE session_id IS NOT NULL GROUP BY notebook, session_id)) AS sessions,
            (SELECT count(*) FROM own_runs) AS runs,
            (SELECT count(*) FROM own_runs WHERE status IS NULL) AS running,
            (SELECT count(*) FROM spans WHERE run IN (SELECT id FROM own_runs)) AS spans,
            (SELECT count(*) FROM texts WHERE run IN (SELECT id FROM own_runs)) AS texts,
            (SELECT min(began) FROM own_runs) AS oldest, (SELECT max(began) FROM own_runs) AS newest
    """
    cursor = connection.execute(query)
    return dict(zip((column[0] for column in cursor.description), cursor.fetchone(), strict=True))
