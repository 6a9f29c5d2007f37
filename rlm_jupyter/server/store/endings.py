"""The ends that are made for a run whose kernel died, so that its trace is complete.

They are numbered after everything that came. What comes late has its own numbers and its own ends: the ones that were
made are taken back first, and are made again, as far as they are still needed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from .rows import Change

__all__ = ["abandon_runs", "make_ends", "unmake_ends"]

_OPEN = """
    SELECT id, kind, span_id FROM spans WHERE run = ? AND end_seq IS NULL AND start_seq IS NOT NULL
    ORDER BY start_seq DESC
"""
_MAKE = "UPDATE spans SET end_seq = ?, status = 'interrupted', ended = max(started, ?), end_payload = ? WHERE id = ?"
_UNMAKE = """
    UPDATE spans SET end_seq = NULL, status = NULL, ended = NULL, end_payload = NULL WHERE run = ? AND end_seq > ?
"""
_ABANDONED = """
    SELECT id, run_id, kernel_id, notebook, session_id, last_seq, max(began, seen) FROM runs WHERE id = ?
"""
_END_RUN = "UPDATE runs SET status = 'interrupted', abandoned = ?, ended = ?, made = ? WHERE id = ?"

_MESSAGE = "The kernel, or the server that listened to it, ended before the run did."


def make_ends(connection: sqlite3.Connection, run: int, last_seq: int, ended: float) -> int:
    """End what is open in a run, the run itself last, and return how many ends were made."""
    rows = connection.execute(_OPEN, (run,)).fetchall()
    payloads = _payloads() if rows else {}
    for number, (key, kind, span_id) in enumerate(rows, last_seq + 1):
        payload = payloads["root" if span_id == "s1" else kind]
        connection.execute(_MAKE, (number, ended, payload, key))
    return len(rows)


def unmake_ends(connection: sqlite3.Connection, run: int, last_seq: int) -> None:
    """Take back the ends that were made for a run."""
    connection.execute(_UNMAKE, (run, last_seq))


def abandon_runs(connection: sqlite3.Connection, runs: Sequence[int]) -> list[Change]:
    """End these runs, of which nothing more is to be expected, at the time at which they were last heard of."""
    changes = []
    for run in runs:
        row = connection.execute(_ABANDONED, (run,)).fetchone()
        key, run_id, kernel_id, notebook, session_id, last_seq, ended = row
        made = make_ends(connection, key, last_seq, ended)
        connection.execute(_END_RUN, (ended, ended, made, key))
        changes.append(
            Change(
                run_id=run_id,
                kernel_id=kernel_id,
                notebook_id=notebook,
                session_id=session_id,
                status="interrupted",
                last_seq=last_seq + made,
                began=False,
                ended=True,
                whole=False,
            )
        )
    return changes


def _payloads() -> dict[str, str]:
    from rlm_jupyter.trace.schema import CodeEnd, ErrorRecord, IterationEnd, ModelCallEnd, RunEnd, SubcallEnd

    error = ErrorRecord(name="KernelGone", message=_MESSAGE)
    ends = (RunEnd(), IterationEnd(), ModelCallEnd(), CodeEnd(), SubcallEnd())
    made: dict[str, str] = {end.kind: end.model_dump_json() for end in ends}
    return {**made, "root": RunEnd(error=error).model_dump_json()}
