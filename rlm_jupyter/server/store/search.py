"""Looks for words in questions and answers."""

from __future__ import annotations

import re
import secrets
import sqlite3
from dataclasses import astuple
from itertools import islice
from typing import Any, Literal

from .hits import Hits, excerpt, pattern, places, words_of
from .reading import CUT_COLUMNS, FROM, bounded, run_row
from .rows import FoundRun

__all__ = ["search"]

_OFFSET_LIMIT = 2**31


def search(
    connection: sqlite3.Connection, words: str, notebook: int | None, limit: int, offset: int, *, full_text: bool
) -> list[FoundRun]:
    """Return the runs whose question or answer holds the beginnings of all words, the best ones first.

    Where no word begins so, or without an index, runs that hold the words anywhere, the last ones first. Every string
    may be looked for: none is an error.
    """
    wanted = words_of(words)
    limit, offset = bounded(limit), bounded(offset, _OFFSET_LIMIT)
    if not wanted:
        return []
    phrases = [f'"{word}"*' for word in re.findall(r"[^\W_]+", " ".join(wanted))]
    if full_text and phrases and _is_known(connection, " ".join(phrases), notebook):
        return _by_index(connection, " ".join(phrases), notebook, limit, offset)
    return _by_reading(connection, wanted, notebook, limit, offset)


def _is_known(connection: sqlite3.Connection, match: str, notebook: int | None) -> bool:
    return bool(_ids(connection, match, notebook, 1, 0))


def _by_index(
    connection: sqlite3.Connection, match: str, notebook: int | None, limit: int, offset: int
) -> list[FoundRun]:
    # Nobody can have written these marks into a question or an answer.
    begin, end = (f"\x02{secrets.token_hex(8)}" for _ in range(2))
    query = f"""
        SELECT highlight(words, 0, ?, ?), highlight(words, 1, ?, ?), {CUT_COLUMNS}
        {FROM} JOIN words ON words.rowid = runs.id WHERE words MATCH ? AND words.rowid = ?
    """
    found = []
    for key in _ids(connection, match, notebook, limit, offset):
        row = connection.execute(query, (begin, end, begin, end, match, key)).fetchone()
        question, answer = (_unmarked(text or "", begin, end) for text in row[:2])
        found.append(_found(row[2:], question, answer))
    return found


def _ids(connection: sqlite3.Connection, match: str, notebook: int | None, limit: int, offset: int) -> list[int]:
    where, values = ("AND runs.notebook = ?", [notebook]) if notebook is not None else ("", [])
    query = f"""
        SELECT runs.id FROM words JOIN own_runs AS runs ON runs.id = words.rowid WHERE words MATCH ? {where}
        ORDER BY words.rank, runs.id DESC LIMIT ? OFFSET ?
    """  # noqa: S608 - of constants
    return [row[0] for row in connection.execute(query, (match, *values, limit, offset))]


def _by_reading(
    connection: sqlite3.Connection, words: list[str], notebook: int | None, limit: int, offset: int
) -> list[FoundRun]:
    patterns = [pattern(word) for word in words]
    where, values = ("WHERE runs.notebook = ?", [notebook]) if notebook is not None else ("", [])
    query = f"SELECT runs.question, runs.answer, {CUT_COLUMNS} {FROM} {where} ORDER BY runs.id DESC"
    rows = (
        row
        for row in connection.execute(query, values)
        if all(each.search(row[0]) or each.search(row[1] or "") for each in patterns)
    )
    return [
        _found(row[2:], (row[0], places(patterns, row[0])), (row[1] or "", places(patterns, row[1] or "")))
        for row in islice(rows, offset, offset + limit)
    ]


def _unmarked(text: str, begin: str, end: str) -> tuple[str, Hits]:
    """Return a text without the marks around its hits, and where those stand."""
    parts = text.split(begin)
    plain_text, marked = parts[0], []
    for part in parts[1:]:
        hit, _, rest = part.partition(end)
        marked.append((len(plain_text), len(plain_text) + len(hit)))
        plain_text += hit + rest
    return plain_text, marked


def _found(row: Any, question: tuple[str, Hits], answer: tuple[str, Hits]) -> FoundRun:
    in_question = _different(*question) >= _different(*answer)
    found_in: Literal["question", "answer"] = "question" if in_question else "answer"
    text, hits = question if in_question else answer
    shown, found = excerpt(text, hits)
    return FoundRun(*(*astuple(run_row(row)), shown, found_in, tuple(found)))


def _different(text: str, hits: Hits) -> int:
    return len({text[start:end].lower() for start, end in hits})
