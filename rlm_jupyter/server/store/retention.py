"""Keeps the store within its bounds: what is deleted goes in slices, so that nobody waits long for a write."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias

from .rows import Pruned
from .words import forget_words, take_words

if TYPE_CHECKING:
    from .database import Database

__all__ = ["Bounds", "drop_runs", "prune", "shrink", "sweep"]

_SLICE = 1_000  # rows that are deleted in one transaction
_PAGES = 500  # pages that are given back in one
_PAUSE = 0.002  # seconds between two, in which others may write
_DAY = 86_400.0
_TOMBSTONE_DAYS = 30
"""For how long a run that was deleted is remembered, so that a kernel that sends it again does not bring it back."""

_KEPT = 5
"""How many of the last runs of a notebook stay, however little room there is, until they are too old."""

_Run: TypeAlias = tuple[int, int]
"""A run, and about how many bytes it takes."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much is kept; None sets no bound."""

    max_runs: int | None = None
    max_days: float | None = None
    max_bytes: int | None = None


def prune(database: Database, bounds: Bounds, *, dry_run: bool = False) -> Pruned:
    """Delete runs that have ended until the rest is within the bounds, and return what went.

    A run that is under way is never deleted, nor are the last ones of a notebook, unless they are too old. With
    ``dry_run`` nothing is, and the bytes are an estimate.
    """
    victims = database.read(lambda connection: _victims(connection, bounds))
    if dry_run:
        return Pruned(len(victims), sum(victims.values()))
    before = database.read(_used_bytes)
    runs = 0
    while victims:
        runs += _drop_each(database, list(victims))
        # How much a run takes is an estimate; and meanwhile others may have come.
        victims = database.read(lambda connection: _victims(connection, bounds))
    if database.read(_is_littered):
        database.write(_forget)
        sweep(database)
    shrink(database)
    return Pruned(runs, max(0, before - database.read(_used_bytes)))


def drop_runs(connection: sqlite3.Connection, runs: list[int], *, full_text: bool) -> int:
    """Take the runs out of every list, and return how many there were; what belongs to them is swept up later."""
    dropped = 0
    for run in runs:
        if full_text:
            take_words(connection, run)
        query = "INSERT OR REPLACE INTO dropped (run, run_id, dropped) SELECT id, run_id, ? FROM runs WHERE id = ?"
        connection.execute(query, (time.time(), run))
        dropped += connection.execute("DELETE FROM runs WHERE id = ?", (run,)).rowcount
    return dropped


def sweep(database: Database) -> None:
    """Delete the spans, texts, pieces and gaps of runs that were dropped, also of those that a crash left behind."""
    swept = False
    while database.write(_sweep_slice):
        swept = True
        time.sleep(_PAUSE)
    first = True
    while swept and database.full_text and database.write(lambda connection: forget_words(connection, first=first)):  # noqa: B023
        first = False
        time.sleep(_PAUSE)


def shrink(database: Database) -> None:
    """Give pages that are free back to the file system."""
    while (free := database.read(_free_pages)) > 0:
        database.tidy(f"PRAGMA incremental_vacuum({_PAGES})")
        if database.read(_free_pages) >= free:  # somebody else is in the way: next time
            break
        time.sleep(_PAUSE)
    database.tidy("PRAGMA wal_checkpoint(TRUNCATE)")


def _drop_each(database: Database, runs: list[int]) -> int:
    dropped = 0
    for start in range(0, len(runs), 50):
        some = runs[start : start + 50]
        dropped += database.write(lambda connection: drop_runs(connection, some, full_text=database.full_text))  # noqa: B023
    sweep(database)
    return dropped


def _victims(connection: sqlite3.Connection, bounds: Bounds) -> dict[int, int]:
    """Return the runs to delete, and about how many bytes each takes.

    What is under way cannot be deleted, and is not counted: else one huge run would cost all others their place.
    """
    victims: dict[int, int] = {}
    if bounds.max_days is not None:
        query = "SELECT id, bytes FROM runs WHERE status IS NOT NULL AND seen < ? ORDER BY id"
        victims.update(connection.execute(query, (time.time() - bounds.max_days * _DAY,)).fetchall())
    if bounds.max_runs is not None:
        ended = int(connection.execute("SELECT count(*) FROM runs WHERE status IS NOT NULL").fetchone()[0])
        surplus = ended - len(victims) - bounds.max_runs
        if surplus > 0:
            victims.update(islice(_fairly(_holdings(connection, victims), lambda _: 1), surplus))
    if bounds.max_bytes is not None:
        query = "SELECT coalesce(sum(bytes), 0), coalesce(sum(bytes) FILTER (WHERE status IS NOT NULL), 0) FROM runs"
        whole, ended = connection.execute(query).fetchone()
        used = _used_bytes(connection) * ended // max(1, whole) - sum(victims.values())
        if used > bounds.max_bytes:
            for run, size in _fairly(_holdings(connection, victims), lambda size: size):
                victims[run] = size
                used -= size
                if used <= bounds.max_bytes:
                    break
    return victims


def _holdings(connection: sqlite3.Connection, victims: Container[int]) -> list[list[_Run]]:
    """Return what each notebook has that has ended and is none of the victims, the oldest run first.

    What is in no notebook, or in deleted ones, is as one notebook, for each root.
    """
    query = """
        SELECT runs.id, runs.bytes, runs.root, notebooks.id FROM runs
        LEFT JOIN notebooks ON notebooks.id = runs.notebook AND notebooks.deleted IS NULL
        WHERE runs.status IS NOT NULL ORDER BY runs.id
    """
    held: dict[tuple[str, int | None], list[_Run]] = {}
    for run, size, root, notebook in connection.execute(query):
        if run not in victims:
            held.setdefault((root, notebook), []).append((run, size))
    return list(held.values())


def _fairly(holdings: list[list[_Run]], weight: Callable[[int], int]) -> Iterator[_Run]:
    """Yield the oldest run of whoever holds most, again and again, until everybody has but the last few."""
    heap = [(-sum(weight(size) for _, size in runs), runs[0][0], 0, runs) for runs in holdings]
    heapify(heap)
    while heap:
        held, _, first, runs = heappop(heap)
        if len(runs) - first > _KEPT:
            yield runs[first]
            heappush(heap, (held + weight(runs[first][1]), runs[first + 1][0], first + 1, runs))


def _used_bytes(connection: sqlite3.Connection) -> int:
    page = int(connection.execute("PRAGMA page_size").fetchone()[0])
    pages = int(connection.execute("PRAGMA page_count").fetchone()[0])
    return page * (pages - _free_pages(connection))


def _free_pages(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA freelist_count").fetchone()[0])


_LITTER = """
    deleted < ? AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.notebook = notebooks.id)
    AND NOT EXISTS (SELECT 1 FROM notebooks AS copy WHERE copy.copied_from = notebooks.id)
    AND NOT EXISTS (SELECT 1 FROM notebooks AS merged WHERE merged.merged_into = notebooks.id)
"""


def _is_littered(connection: sqlite3.Connection) -> bool:
    now = time.time()
    notebooks = f"SELECT 1 FROM notebooks WHERE {_LITTER}"  # noqa: S608 - of constants
    runs = "SELECT 1 FROM dropped WHERE swept = 0 OR dropped < ?"
    values = (now - _DAY, now - _TOMBSTONE_DAYS * _DAY)
    return bool(connection.execute(f"SELECT EXISTS ({notebooks}) OR EXISTS ({runs})", values).fetchone()[0])


def _forget(connection: sqlite3.Connection) -> None:
    """Remove deleted notebooks that no run knows, a day after, and the memory of runs that were deleted long ago."""
    now = time.time()
    connection.execute(f"DELETE FROM notebooks WHERE {_LITTER}", (now - _DAY,))  # noqa: S608 - of constants
    connection.execute("DELETE FROM dropped WHERE swept = 1 AND dropped < ?", (now - _TOMBSTONE_DAYS * _DAY,))


def _sweep_slice(connection: sqlite3.Connection) -> bool:
    """Delete some of what belongs to a dropped run; return whether there may be more."""
    row = connection.execute("SELECT run FROM dropped WHERE swept = 0 LIMIT 1").fetchone()
    if row is None:
        return False
    room = _SLICE
    for query in (
        "DELETE FROM texts WHERE id IN (SELECT id FROM texts WHERE run = ? LIMIT ?)",
        "DELETE FROM pieces WHERE id IN (SELECT id FROM pieces WHERE run = ? LIMIT ?)",
        "DELETE FROM spans WHERE id IN (SELECT id FROM spans WHERE run = ? LIMIT ?)",
        "DELETE FROM gaps WHERE run = ?1 AND first IN (SELECT first FROM gaps WHERE run = ?1 LIMIT ?2)",
    ):
        room -= connection.execute(query, (row[0], room)).rowcount
        if room <= 0:
            return True
    connection.execute("UPDATE dropped SET swept = 1 WHERE run = ?", (row[0],))
    return True
