"""Looks for words in all that the spans of one run hold: what was asked, written, run, put out and answered."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator, Sequence
from typing import Any, Literal, TypeAlias

from .hits import excerpt, pattern, places, words_of
from .reading import bounded, key_of, plain
from .rows import Passage, Passages

__all__ = ["KINDS", "search_run"]

KINDS = ("run", "iteration", "model_call", "code", "subcall")

_Place: TypeAlias = Literal["question", "code", "output", "prompt", "reply", "message", "answer", "error"]
_Texts: TypeAlias = Iterator[tuple[_Place, str]]

_SECONDS = 2.0
"""What reading the texts may take, and then reading the spans; the rest of a huge run is not looked at."""

_SPANS = "SELECT span_id, kind, start_payload, end_payload FROM spans WHERE run = ? AND start_seq >= 0"
_DIGEST = '"sha256:'


def search_run(connection: sqlite3.Connection, run_id: str, words: str, kind: str | None, limit: int) -> Passages:
    """Return the places in the run's spans that hold what is looked for, in the order in which the spans began.

    That is the text as it stands, or else all of its words, in either case. There is one passage for each span and
    sort of place. Every string may be looked for.
    """
    key, looked_for = key_of(connection, run_id), _Words(words)
    if key is None or not looked_for.words:
        return Passages((), more=False)
    digests, complete = _digests(connection, key, looked_for)
    found: list[Passage] = []
    most = bounded(limit)
    query, values = (f"{_SPANS} AND kind = ?", (key, plain(kind))) if kind is not None else (_SPANS, (key,))
    until = time.monotonic() + _SECONDS
    for row in connection.execute(f"{query} ORDER BY start_seq", values):
        for passage in _passages(connection, key, row, looked_for, digests):
            if len(found) == most:
                return Passages(tuple(found), more=True)
            found.append(passage)
        if time.monotonic() > until:
            complete = False
            break
    return Passages(tuple(found), more=not complete)


class _Words:
    """What is looked for."""

    def __init__(self, text: str) -> None:
        self.words = words_of(text)
        whole = plain(text).replace("\0", " ").strip()
        self._whole = pattern(whole)
        self._patterns = [pattern(word) for word in self.words]
        self._folded = [word.casefold() for word in self.words]
        self._escaped = [json.dumps(word, ensure_ascii=False)[1:-1].casefold() for word in self.words]

    def may_be_in(self, text: str) -> bool:
        """Return whether the text may hold them all: quick, and true a little too often."""
        folded = text.casefold()
        return all(word in folded for word in self._folded)

    def may_be_in_json(self, text: str) -> bool:
        """Return the same of a text that is JSON."""
        folded = text.casefold()
        return all(word in folded for word in self._escaped)

    def passage(self, span_id: str, kind: str, place: _Place, text: str) -> Passage | None:
        """Return the passage of the text that shows them; None when it does not hold them all."""
        if not self.may_be_in(text):
            return None
        patterns = [self._whole] if self._whole.search(text) else self._patterns
        if not all(each.search(text) for each in patterns):
            return None
        shown, hits = excerpt(text, places(patterns, text))
        return Passage(span_id, kind, place, shown, tuple(hits))


def _digests(connection: sqlite3.Connection, key: int, looked_for: _Words) -> tuple[set[str], bool]:
    """Return the names of the texts that may hold what is looked for, and whether all texts were read."""
    found = set()
    until = time.monotonic() + _SECONDS
    query = "SELECT digest, text FROM texts WHERE run = ? AND media_type IS NULL AND encoding IS NULL ORDER BY seq"
    for digest, text in connection.execute(query, (key,)):
        if looked_for.may_be_in(text):
            found.add(digest)
        if time.monotonic() > until:
            return found, False
    return found, True


def _passages(
    connection: sqlite3.Connection,
    key: int,
    row: tuple[str, str, str, str | None],
    looked_for: _Words,
    digests: set[str],
) -> Iterator[Passage]:
    span_id, kind, start, end = row
    named = bool(digests) and (_names_any(start, digests) or (end is not None and _names_any(end, digests)))
    if not (named or looked_for.may_be_in_json(start) or (end is not None and looked_for.may_be_in_json(end))):
        return
    seen: set[_Place] = set()
    for place, text in _texts(json.loads(start), json.loads(end or "{}")):
        if place in seen:
            continue
        if place in ("message", "prompt", "reply") and text.startswith("sha256:"):
            if text not in digests:
                continue
            text = _text(connection, key, text)  # noqa: PLW2901 - it is the text's name
        passage = looked_for.passage(span_id, kind, place, text)
        if passage is not None:
            seen.add(place)
            yield passage


def _names_any(payload: str, digests: set[str]) -> bool:
    at = payload.find(_DIGEST)
    while at >= 0:
        end = payload.find('"', at + len(_DIGEST))
        if payload[at + 1 : end] in digests:
            return True
        at = payload.find(_DIGEST, end)
    return False


def _text(connection: sqlite3.Connection, key: int, digest: str) -> str:
    query = "SELECT text FROM texts WHERE run = ? AND digest = ?"
    return str(connection.execute(query, (key, digest)).fetchone()[0])


def _texts(start: dict[str, Any], end: dict[str, Any]) -> _Texts:
    """Yield what the two payloads of a span hold, and the names of the texts that they name."""
    for name, place in _FIELDS:
        value = start.get(name) or end.get(name)
        if isinstance(value, str):
            yield place, value
    for message in start.get("added", ()):
        yield "message", message["digest"]
    for note in start.get("notes", ()):  # of an iteration: what the user had to say before it
        yield "message", note
    for output in end.get("outputs", ()):
        yield from _shown(output)
    error = end.get("error")
    if error:
        yield "error", "\n".join(filter(None, (f"{error['name']}: {error['message']}", error.get("traceback"))))


_FIELDS: Sequence[tuple[str, _Place]] = (
    ("question", "question"),
    ("code", "code"),
    ("proposed", "code"),
    ("prompt", "prompt"),
    ("reply", "reply"),
    ("reasoning", "reply"),
    ("rejected", "message"),
    ("answer", "answer"),
    ("final_answer", "answer"),
)


def _shown(output: dict[str, Any]) -> _Texts:
    """Yield the text of an output of nbformat's shape, where it has one."""
    if output.get("output_type") == "error":
        lines = output.get("traceback")
        told = "\n".join(map(str, lines)) if isinstance(lines, list) else str(lines or "")
        yield "error", f"{output.get('ename')}: {output.get('evalue')}\n{told}"
        return
    data = output.get("data")
    text = data.get("text/plain") if isinstance(data, dict) else output.get("text")
    if isinstance(text, list):
        text = "".join(map(str, text))
    if isinstance(text, str):
        yield "output", text
