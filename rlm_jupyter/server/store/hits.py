"""Words that were looked for, where they stand in a text, and the part of the text that shows it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice
from typing import TypeAlias

from .reading import plain

__all__ = ["Hits", "excerpt", "pattern", "places", "words_of"]

Hits: TypeAlias = list[tuple[int, int]]
"""Places in a text: first character, and the one after the last."""

_WORDS = 32
_WORD_LENGTH = 200
_BEFORE, _LENGTH = 60, 240  # characters of an excerpt: before the first hit, and in all
_MARKED = 1_000  # places of a word: no excerpt shows more, and a long text may have a million


def words_of(text: str) -> list[str]:
    """Return the words to look for."""
    return [word[:_WORD_LENGTH] for word in plain(text).replace("\0", " ").split()[:_WORDS]]


def pattern(word: str) -> re.Pattern[str]:
    """Return what finds a word, or any text, in either case."""
    return re.compile(re.escape(word), re.IGNORECASE)


def places(patterns: Iterable[re.Pattern[str]], text: str) -> Hits:
    """Return where the words stand, in order; of two that overlap, the one that begins first."""
    found: Hits = []
    spans = (match.span() for each in patterns for match in islice(each.finditer(text), _MARKED))
    for start, end in sorted(spans):
        if not found or start >= found[-1][1]:
            found.append((start, end))
    return found


def excerpt(text: str, hits: Hits) -> tuple[str, Hits]:
    """Return what stands around the first hit, on one line, and where the hits are in that."""
    start = max(0, hits[0][0] - _BEFORE) if hits else 0
    if start:  # begin with a word, if there is one soon
        start = next((at + 1 for at in range(start, hits[0][0]) if text[at].isspace()), start)
    end = min(len(text), max(start + _LENGTH, hits[0][1] if hits else 0))
    lead = "…" if start else ""
    shown = "".join(" " if each.isspace() or each < " " else each for each in text[start:end])
    shift = len(lead) - start
    marked = [(first + shift, last + shift) for first, last in hits if last <= end]
    return f"{lead}{shown}{'…' if end < len(text) else ''}", marked
