"""Which notebooks there are: rows that live as long as their path, and follow it when it changes."""

from __future__ import annotations

import sqlite3
import time
from typing import TypeAlias

from .reading import plain

__all__ = [
    "Scope",
    "attach",
    "copied",
    "deleted",
    "moved",
    "notebook",
    "notebook_at",
    "path_of",
    "resolved",
    "scopes",
]

Scope: TypeAlias = tuple[int, float]
"""A notebook, and the time before which its runs arrived that are meant."""

_FAR = 1e18
_STEPS = 64
"""How often a row may have been merged, or a copy been copied, until that is not followed any more."""


def notebook(connection: sqlite3.Connection, root: str, path: str, file_id: str | None) -> int:
    """Return the row of a live notebook, a new one below the root if need be.

    A file that is known by its id, and is found under another path than before, was moved behind our back.
    """
    path = _path(path)
    file_id = plain(file_id) if file_id is not None else None
    key = notebook_at(connection, path)
    if key is None and file_id is not None:
        query = "SELECT id FROM own_notebooks WHERE file_id = ? AND deleted IS NULL"
        row = connection.execute(query, (file_id,)).fetchone()
        if row is not None:
            key = int(row[0])
            connection.execute("UPDATE notebooks SET path = ? WHERE id = ?", (path, key))
    if key is None:
        values = (root, path, file_id, time.time())
        connection.execute("INSERT INTO notebooks (root, path, file_id, created) VALUES (?, ?, ?, ?)", values)
        return int(connection.execute("SELECT last_insert_rowid()").fetchone()[0])
    if file_id is not None:
        # One file has one id; a file that is written anew, as by git, may get another.
        others = "SELECT id FROM own_notebooks WHERE file_id = ? AND id <> ?"
        connection.execute(f"UPDATE notebooks SET file_id = NULL WHERE id IN ({others})", (file_id, key))  # noqa: S608 - of constants
        connection.execute("UPDATE notebooks SET file_id = ? WHERE id = ?", (file_id, key))
    return key


def notebook_at(connection: sqlite3.Connection, path: str) -> int | None:
    """Return the row of the live notebook with this path."""
    query = "SELECT id FROM own_notebooks WHERE path = ? AND deleted IS NULL"
    row = connection.execute(query, (_path(path),)).fetchone()
    return int(row[0]) if row is not None else None


def path_of(connection: sqlite3.Connection, key: int) -> str | None:
    """Return a notebook's path, and of one that was merged into another that one's; None when it was deleted."""
    query = "SELECT path FROM own_notebooks WHERE id = ? AND deleted IS NULL"
    row = connection.execute(query, (resolved(connection, key),)).fetchone()
    return str(row[0]) if row is not None else None


def resolved(connection: sqlite3.Connection, key: int | None) -> int | None:
    """Return the row that a row has become, or None of one that there is not."""
    for _ in range(_STEPS):
        row = connection.execute("SELECT merged_into FROM own_notebooks WHERE id = ?", (key,)).fetchone()
        if row is None:
            return None
        if row[0] is None:
            return key
        key = row[0]
    return key


def attach(connection: sqlite3.Connection, kernel_id: str, key: int) -> None:
    """Give the kernel's runs that have no notebook this one."""
    query = "UPDATE runs SET notebook = ? WHERE kernel_id = ? AND notebook IS NULL"
    connection.execute(query, (resolved(connection, key), plain(kernel_id)))


def moved(connection: sqlite3.Connection, old: str, new: str) -> list[int]:
    """Follow a notebook, or all that lie in a folder, and return the rows concerned."""
    old, new = _path(old), _path(new)
    concerned: list[int] = []
    if old == new:
        return concerned
    for key, path in _below(connection, old):
        target = new + path[len(old) :]
        there = notebook_at(connection, target)
        if there is None or there == key:
            connection.execute("UPDATE notebooks SET path = ? WHERE id = ?", (target, key))
        else:
            _merge(connection, key, there)
            concerned.append(there)
        concerned.append(key)
    return list(dict.fromkeys(concerned))


def copied(connection: sqlite3.Connection, root: str, path: str, copy: str) -> None:
    """Remember of what a notebook is a copy, and since when; nothing when the original was never heard of."""
    original = notebook_at(connection, path)
    if original is None or _path(path) == _path(copy):
        return
    key = notebook(connection, root, copy, None)
    query = "UPDATE notebooks SET copied_from = ?, copied = ? WHERE id = ? AND copied_from IS NULL"
    connection.execute(query, (original, time.time(), key))


def deleted(connection: sqlite3.Connection, path: str) -> list[int]:
    """Mark a notebook, or all that lie in a folder, as deleted, and return the rows concerned."""
    keys = [key for key, _ in _below(connection, _path(path))]
    now = time.time()
    connection.executemany("UPDATE notebooks SET deleted = ? WHERE id = ?", [(now, key) for key in keys])
    return keys


def scopes(connection: sqlite3.Connection, key: int) -> list[Scope]:
    """Return whose runs belong to a notebook: its own, and those of what it is a copy of, from before it was made."""
    found: list[Scope] = []
    before = _FAR
    current: int | None = resolved(connection, key)
    while current is not None and current not in {known for known, _ in found} and len(found) < _STEPS:
        found.append((current, before))
        row = connection.execute("SELECT copied_from, copied FROM notebooks WHERE id = ?", (current,)).fetchone()
        if row is None or row[0] is None:
            break
        current, before = resolved(connection, row[0]), min(before, row[1])
    return found


def _merge(connection: sqlite3.Connection, key: int, there: int) -> None:
    """Let the row at the path have all that belongs to the one that comes there."""
    connection.execute("UPDATE runs SET notebook = ? WHERE notebook = ?", (there, key))
    connection.execute("UPDATE notebooks SET copied_from = ? WHERE copied_from = ? AND id <> ?", (there, key, there))
    query = "SELECT file_id, copied_from, copied FROM notebooks WHERE id = ?"
    file_id, origin, since = connection.execute(query, (key,)).fetchone()
    query = "UPDATE notebooks SET deleted = ?, merged_into = ?, file_id = NULL WHERE id = ?"
    connection.execute(query, (time.time(), there, key))
    connection.execute("UPDATE notebooks SET file_id = coalesce(?, file_id) WHERE id = ?", (file_id, there))
    if origin is not None and origin != there:
        query = "UPDATE notebooks SET copied_from = ?, copied = ? WHERE id = ? AND copied_from IS NULL"
        connection.execute(query, (origin, since, there))


def _below(connection: sqlite3.Connection, path: str) -> list[tuple[int, str]]:
    """Return the live rows at the path, and in the folder that it may be; ``0`` is the character after ``/``."""
    where = "deleted IS NULL AND (path = ? OR (path > ? AND path < ?))"
    query = f"SELECT id, path FROM own_notebooks WHERE {where} ORDER BY id"  # noqa: S608 - of constants
    return [(key, found) for key, found in connection.execute(query, (path, f"{path}/", f"{path}0"))]


def _path(path: str) -> str:
    return plain(path).strip("/")
