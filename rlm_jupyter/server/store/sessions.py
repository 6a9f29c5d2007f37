"""Sessions: the conversations of a notebook. There is no row for one; it is what its runs say.

A copy of a notebook that has no sessions of its own offers those of the original from before it was made, and takes one
of them up where it stood then.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from .incoming import ROOT
from .notebooks import Scope, path_of, resolved, scopes
from .reading import bounded, plain
from .rows import SessionRow

if TYPE_CHECKING:
    from rlm_jupyter.trace.wire import SessionRecord

__all__ = ["conversation", "cut_runs", "in_scopes", "session_runs", "sessions_of", "sessions_of_all", "sessions_with"]

_MOST_FOUND = 100
_OFFSET_LIMIT = 2**31

_SUMS = """
    min(runs.id) AS first,
    count(DISTINCT CASE WHEN runs.status = 'ok' AND runs.answer IS NOT NULL THEN runs.turn END) AS turns,
    count(*) AS runs, min(runs.began) AS began, max(coalesce(runs.ended, runs.seen, runs.began)) AS updated
"""
_QUESTION = "substr((SELECT question FROM runs AS begun WHERE begun.id = first), 1, 2000)"


def sessions_of_all(connection: sqlite3.Connection, limit: int, offset: int) -> list[SessionRow]:
    """Return the sessions of all notebooks, the last one first."""
    query = f"""
        SELECT notebook, path, session_id, {_QUESTION}, turns, runs, began, updated FROM (
            SELECT runs.notebook, notebooks.path, runs.session_id, {_SUMS}
            FROM own_runs AS runs LEFT JOIN notebooks ON notebooks.id = runs.notebook AND notebooks.deleted IS NULL
            WHERE runs.session_id IS NOT NULL GROUP BY runs.notebook, runs.session_id
        ) ORDER BY updated DESC, first DESC LIMIT ? OFFSET ?
    """  # noqa: S608 - of constants
    values = (bounded(limit), bounded(offset, _OFFSET_LIMIT))
    return [SessionRow(*row) for row in connection.execute(query, values)]


def sessions_of(connection: sqlite3.Connection, notebook: int | None, prefix: str = "") -> list[SessionRow]:
    """Return the sessions of a notebook whose ids begin so, the last one first; None: of runs that have no notebook."""
    key = resolved(connection, notebook)
    if notebook is not None and key is None:
        return []
    where, values = in_scopes(scopes(connection, key) if key is not None else None)
    query = f"""
        SELECT own, session_id, {_QUESTION}, turns, runs, began, updated FROM (
            SELECT max(runs.notebook IS ?) AS own, runs.session_id, {_SUMS}
            FROM own_runs AS runs WHERE runs.session_id IS NOT NULL AND {where} GROUP BY runs.session_id
        ) ORDER BY updated DESC, first DESC
    """  # noqa: S608 - of constants
    rows = connection.execute(query, (key, *values)).fetchall()
    own = [row for row in rows if row[0]]
    path = path_of(connection, key) if key is not None else None
    return [SessionRow(key, path, *row[1:]) for row in own or rows if row[1].startswith(prefix)]


def sessions_with(connection: sqlite3.Connection, notebook: int | None, prefix: str | None) -> list[SessionRow]:
    """Return the sessions that a prefix may mean: the one of that very id, else all; None means the last one.

    The last one is the last in which a question was answered, or whose last run was cut, if there is such a session.
    """
    if prefix is None:
        rows = sessions_of(connection, notebook)
        return list(islice((row for row in rows if row.turns or _is_cut(connection, notebook, row)), 1)) or rows[:1]
    rows = sessions_of(connection, notebook, prefix)
    return [row for row in rows if row.session_id == prefix] or rows[:_MOST_FOUND]


def conversation(connection: sqlite3.Connection, notebook: int | None, session_id: str) -> SessionRecord:
    """Return what was said in a session, and the settings of its last run; nothing of one that there is not."""
    from rlm_jupyter.trace.wire import SessionRecord, TurnRecord

    turns: dict[int, TurnRecord] = {}
    last = None
    for key, run_id, turn, status, question, answer in session_runs(connection, notebook, session_id):
        last = key
        if turn is not None and status == "ok" and answer is not None:
            turns[turn] = TurnRecord(run_id=run_id, turn=turn, question=question, answer=answer)
    return SessionRecord(
        session_id=session_id, settings=_settings(connection, last), turns=[turns[turn] for turn in sorted(turns)]
    )


def session_runs(connection: sqlite3.Connection, notebook: int | None, session_id: str) -> list[Any]:
    """Return id, run id, turn, status, question and answer of a session's runs, in the order in which they arrived."""
    key = resolved(connection, notebook)
    if notebook is not None and key is None:
        return []
    where, values = in_scopes(scopes(connection, key) if key is not None else None)
    query = f"""
        SELECT id, run_id, turn, status, question, answer FROM own_runs AS runs
        WHERE session_id = ? AND started = 1 AND {where} ORDER BY id
    """  # noqa: S608 - of constants
    return connection.execute(query, (plain(session_id), *values)).fetchall()


def _is_cut(connection: sqlite3.Connection, notebook: int | None, session: SessionRow) -> bool:
    return notebook is not None and bool(cut_runs(connection, notebook, None, session.session_id))


def cut_runs(connection: sqlite3.Connection, notebook: int, prefix: str | None, session: str | None) -> list[str]:
    """Return the ids of the runs that a prefix may mean: of one of that very id alone; the last one comes first.

    Without a prefix the last run, if it is over and has no answer.
    """
    key = resolved(connection, notebook)
    if key is None:
        return []
    where, values = in_scopes(scopes(connection, key))
    if session is not None:
        where, values = f"{where} AND session_id = ?", [*values, plain(session)]
    if prefix is not None:
        where, values = f"{where} AND substr(run_id, 1, ?) = ?", [*values, len(prefix), plain(prefix)]
    query = f"""
        SELECT run_id, status FROM own_runs AS runs WHERE started = 1 AND {where} ORDER BY id DESC LIMIT ?
    """  # noqa: S608 - of constants
    rows = connection.execute(query, (*values, _MOST_FOUND)).fetchall()
    if prefix is None:
        return [run_id for run_id, status in rows[:1] if status not in (None, "ok")]
    return [run_id for run_id, _ in rows if run_id == prefix] or [run_id for run_id, _ in rows]


def in_scopes(found: Sequence[Scope] | None) -> tuple[str, list[Any]]:
    """Return the condition on a run that it belongs to one of these, and its values; None: to no notebook."""
    if found is None:
        return "runs.notebook IS NULL", []
    each = " OR ".join(["(runs.notebook = ? AND runs.arrived < ?)"] * len(found))
    return f"({each})", [value for scope in found for value in scope]


def _settings(connection: sqlite3.Connection, run: int | None) -> dict[str, Any]:
    query = "SELECT start_payload FROM spans WHERE run = ? AND span_id = ? AND start_payload IS NOT NULL"
    row = connection.execute(query, (run, ROOT)).fetchone()
    settings = json.loads(row[0]).get("settings") if row is not None else None
    return settings if isinstance(settings, dict) else {}
