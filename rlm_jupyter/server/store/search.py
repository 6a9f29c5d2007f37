"""Looks for words in questions and answers."""

from __future__ import annotations

import re
import secrets
import sqlite3
from collections.abc import Iterable
from dataclasses import astuple
from itertools import islice
from typing import Any, Literal, TypeAlias

from .reading import CUT_COLUMNS, FROM, bounded, plain, run_row
from .rows import FoundRun

__all__ = ["search"]

_WORDS = 32
_WORD_LENGTH = 200
_BEFORE, _LENGTH = 60, 240  # characters of an excerpt: before the first hit, and in all
_OFFSET_LIMIT = 2**31

_Hits: TypeAlias = list[tuple[int, int]]


def search(
    connection: sqlite3.Connection, words: str, notebook: int | None, limit: int, offset: int, *, full_text: bool
) -> list[FoundRun]:
    """Return the runs whose question or answer holds the beginnings of all words, the best ones first.

    Where no word begins so, or without an index, runs that hold the words anywhere, the last ones first. Every string
    may be looked for: none is an error.
    """
    wanted = [word[:_WORD_LENGTH] for word in plain(words).replace("\0", " ").split()[:_WORDS]]
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
    patterns = [re.compile(re.escape(word), re.IGNORECASE) for word in words]
    where, values = ("WHERE runs.notebook = ?", [notebook]) if notebook is not None else ("", [])
    query = f"SELECT runs.question, runs.answer, {CUT_COLUMNS} {FROM} {where} ORDER BY runs.id DESC"
    rows = (
        row
        for row in connection.execute(query, values)
        if all(pattern.search(row[0]) or pattern.search(row[1] or "") for pattern in patterns)
    )
    return [
        _found(row[2:], (row[0], _places(patterns, row[0])), (row[1] or "", _places(patterns, row[1] or "")))
        for row in islice(rows, offset, offset + limit)
    ]


def _places(patterns: Iterable[re.Pattern[str]], text: str) -> _Hits:
    """Return where the words stand, in order; of two that overlap, the one that begins first."""
    places: _Hits = []
    for start, end in sorted(match.span() for pattern in patterns for match in pattern.finditer(text)):
        if not places or start >= places[-1][1]:
            places.append((start, end))
    return places


def _unmarked(text: str, begin: str, end: str) -> tuple[str, _Hits]:
    """Return a text without the marks around its hits, and where those stand."""
    parts = text.split(begin)
    plain_text, places = parts[0], []
    for part in parts[1:]:
        hit, _, rest = part.partition(end)
        places.append((len(plain_text), len(plain_text) + len(hit)))
        plain_text += hit + rest
    return plain_text, places


def _found(row: Any, question: tuple[str, _Hits], answer: tuple[str, _Hits]) -> FoundRun:
    in_question = _different(*question) >= _different(*answer)
    found_in: Literal["question", "answer"] = "question" if in_question else "answer"
    text, hits = question if in_question else answer
    excerpt, places = _excerpt(text, hits)
    return FoundRun(*(*astuple(run_row(row)), excerpt, found_in, tuple(places)))


def _different(text: str, hits: _Hits) -> int:
    return len({text[start:end].lower() for start, end in hits})


def _excerpt(text: str, hits: _Hits) -> tuple[str, _Hits]:
    """Return what stands around the first hit, on one line, and where the hits are in that."""
    start = max(0, hits[0][0] - _BEFORE) if hits else 0
    if start:  # begin with a word, if there is one soon
        start = next((at + 1 for at in range(start, hits[0][0]) if text[at].isspace()), start)
    end = min(len(text), max(start + _LENGTH, hits[0][1] if hits else 0))
    lead = "…" if start else ""
    excerpt = "".join(" " if each.isspace() or each < " " else each for each in text[start:end])
    shift = len(lead) - start
    places = [(first + shift, last + shift) for first, last in hits if last <= end]
    return f"{lead}{excerpt}{'…' if end < len(text) else ''}", places
