"""Finds the passages of a text that best match a question, by their words and by what they define."""

from __future__ import annotations

import json
import math
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice

from .question import Question, dotted_place

__all__ = ["Passage", "Section", "read_sections", "search"]

_SEED_LIMIT = 300  # lines of one excerpt that are looked at, those with the rarest terms first
_LINE_LIMIT = 600  # characters; of a longer line, the sentences around the match are the passage
_TEXT_LIMIT, _WHAT_LIMIT = 800, 200  # characters of a passage or docstring, and of a statement
_STATEMENT_LINES = 40
_AROUND = 2  # lines before and after a match
_SAME_PLACE = 3  # lines; passages closer than this are one
_OFF_LINE = 0.8  # what a term near the line is worth, to one on it
_DEFS, _CLASSES = ("def", "function", "func", "fn"), ("class", "struct", "interface", "enum", "trait", "type")
_HEADER = re.compile(r"@@ (\d+) characters from line (\d+) of (\".*\")\n")
_DOCSTRING = re.compile(r"(?:[ \t]*(?:#[^\n]*)?\n)*[ \t]*[rRuU]?(\"\"\"|'''|\"|')")
_SCOPE = re.compile(r"([ \t]*)(?:async[ \t]+)?(class|def)[ \t]+(\w+)")
_SENTENCE_END = re.compile(r"[.!?]['\")\]]*\s")

_DEFINITION, _OTHER_KIND, _UNASKED, _PHRASE = 30.0, 12.0, 4.0, 30.0
_TOP_LEVEL, _OTHER_CASE, _OWNER, _PLACE, _NEAR_PLACE, _PAIR = 8.0, -6.0, 10.0, 20.0, 6.0, 3.0


@dataclass(frozen=True, slots=True)
class Section:
    """A named stretch of the text, from ``start`` to ``end``; its first line is number ``line`` of the whole."""

    where: str
    line: int
    start: int
    end: int


@dataclass(slots=True)
class Passage:
    """A passage and why it was chosen. ``score`` is ``points`` plus, for each term, its weight times its rarity.

    ``what`` is what it defines (``class X``, ``X = 1``), ``inside`` the definition around it, ``covers`` the share of
    the question's weight that it holds, from 0 to 1.
    """

    score: float
    points: float
    covers: float
    where: str
    line: int
    text: str
    what: str = ""
    inside: str = ""
    docstring: str | None = None
    quotes: bool = False
    terms: dict[str, float] = field(default_factory=dict)

    def to_json(self) -> str:
        """Return the passage as one line of JSON, without what is empty."""
        shown = {"score": round(self.score, 2), "points": round(self.points, 2), "covers": round(self.covers, 2)}
        named = {"where": self.where, "line": self.line, "what": self.what, "inside": self.inside}
        found = {"docstring": self.docstring, "quotes": self.quotes}
        kept = {key: value for key, value in {**named, **found}.items() if value}
        return json.dumps({**shown, **kept, "terms": self.terms, "text": self.text}, ensure_ascii=False)


@dataclass(slots=True)
class _Candidate:
    """A passage that may be among the best: ``begin`` to ``end`` of the text, chosen for the line at ``start``."""

    section: Section
    start: int
    begin: int
    end: int
    points: float
    score: float = 0.0
    terms: dict[str, float] = field(default_factory=dict)
    what: str = ""
    docstring: str | None = None
    quotes: bool = False


def read_sections(text: str, start: int) -> list[Section]:
    """Return the sections of a text, each behind its header. The lengths say where they end, whatever they hold."""
    sections = []
    while (header := _HEADER.match(text, start)) is not None:
        end = header.end() + int(header[1])
        sections.append(Section(json.loads(header[3]), int(header[2]), header.end(), end))
        start = end + 1
    return sections


def search(
    question: Question, text: str, sections: Sequence[Section], limit: int = 3
) -> tuple[list[Passage], dict[str, int]]:
    """Return the best passages, best first, and how often each term of the question occurs."""
    return _Search(question, text, sections).run(limit)


class _Search:
    """One question over one text."""

    def __init__(self, question: Question, text: str, sections: Sequence[Section]) -> None:
        self.question, self.text, self.sections = question, text, sections
        # Of all characters, only this one changes the length of a text in lower case, and so the offsets in it.
        self.lowered = text.replace("İ", "I").lower()
        self.starts = [section.start for section in sections]
        self.counts = {term.key: self.lowered.count(term.key) for term in question.terms}
        self.present = [term for term in question.terms if self.counts[term.key]]
        self.rarity = {term.key: rarity(len(text), self.counts[term.key]) for term in self.present}
        self.total = sum(term.weight for term in question.terms if term.seed) or 1.0

    def run(self, limit: int) -> tuple[list[Passage], dict[str, int]]:
        best: list[Passage] = []
        seeds = {term.key for term in self.present if term.seed}
        worth = [each for each in self._candidates() if each.what or each.quotes or not seeds.isdisjoint(each.terms)]
        for candidate in sorted(worth, key=lambda each: -each.score):
            passage = self._passage(candidate)
            if not any(
                passage.where == other.where and abs(passage.line - other.line) <= _SAME_PLACE for other in best
            ):
                best.append(passage)
            if len(best) == limit:
                break
        return best, {key: count for key, count in self.counts.items() if count}

    def _candidates(self) -> Iterator[_Candidate]:
        if self.question.wants_module:
            yield from self._modules()
        if not any(term.seed for term in self.present):
            return
        defined = set()
        for section, start in self._lines(self._name_offsets()):
            if (candidate := self._definition(section, start)) is not None:
                defined.add(start)
                yield candidate
        for phrase, pattern in self.question.phrases:
            if all(word in self.lowered for word in phrase.lower().split()):
                for match in pattern.finditer(self.lowered):
                    for section, start in self._lines([match.start()]):
                        yield self._window(section, start, match.start(), quotes=True)
        for section, start in self._lines(chain(self._pair_offsets(), self._seed_offsets())):
            if start not in defined:
                yield self._window(section, start, start)

    # Where to look

    def _name_offsets(self) -> Iterator[int]:
        for name in self.question.names:
            yield from self._offsets(name.lower())

    def _pair_offsets(self) -> Iterator[int]:
        for pair in self.question.pairs:
            for match in islice(pair.finditer(self.lowered), _SEED_LIMIT):
                yield match.start()

    def _seed_offsets(self) -> Iterator[int]:
        """Yield where the question's terms stand, the rarest first, up to a bound."""
        seeds = sorted((term for term in self.present if term.seed), key=lambda term: self.counts[term.key])
        return islice((offset for term in seeds for offset in self._offsets(term.key)), _SEED_LIMIT)

    def _offsets(self, key: str) -> Iterator[int]:
        position = self.lowered.find(key)
        while position >= 0:
            yield position
            position = self.lowered.find(key, position + len(key))

    def _lines(self, offsets: Iterable[int]) -> Iterator[tuple[Section, int]]:
        """Yield the section and the start of the line of each offset, once per line; headers are passed over."""
        seen = set()
        for offset in offsets:
            index = bisect_right(self.starts, offset) - 1
            if index < 0 or offset >= self.sections[index].end:
                continue
            start = max(self.text.rfind("\n", 0, offset) + 1, self.sections[index].start)
            long = self._line_end(self.sections[index], start) - start > _LINE_LIMIT
            if (place := offset if long else start) not in seen:
                seen.add(place)
                yield self.sections[index], place

    def _line_end(self, section: Section, start: int) -> int:
        end = self.text.find("\n", start, section.end)
        return end if end >= 0 else section.end

    # What is there

    def _definition(self, section: Section, start: int) -> _Candidate | None:
        """Return the definition that begins at ``start``, with what documents it, where there is one."""
        match = self.question.definition.match(self.text, start, section.end) if self.question.definition else None
        if match is None:
            return None
        first = self.text[start : self._line_end(section, start)].rstrip()
        indent = len(first) - len(first.lstrip())
        if match["value"] and indent and first.endswith(","):
            return None  # an argument of a call, not an assignment
        keyword = match["keyword"] or ""
        end = self._statement_end(section, start)
        candidate = _Candidate(section, start, start, end, self._definition_points(keyword, indent))
        name = match["name"] or match["value"]
        if name not in self.question.names:
            candidate.points += _OTHER_CASE
        if keyword in ("class", "def"):
            candidate.docstring, candidate.end = self._docstring(section, end)
        candidate.what = f"{keyword} {name}" if match["name"] else _one_line(self.text[start:end])
        if self.question.owners:
            around = self._around(section, start)
            candidate.points += _OWNER * sum(owner in around.split(".") for owner in self.question.owners)
        return self._scored(candidate)

    def _definition_points(self, keyword: str, indent: int) -> float:
        question = self.question
        kind = "def" if keyword in _DEFS else "class" if keyword in _CLASSES else "value"
        wanted = question.wants_definition or question.wants_place or (question.wants_value and kind == "value")
        asked = wanted or kind in question.kinds
        points = _DEFINITION if not question.kinds or kind in question.kinds else _OTHER_KIND
        return (points if asked else _UNASKED) + (0.0 if indent else _TOP_LEVEL)

    def _statement_end(self, section: Section, start: int) -> int:
        """Return where the statement's first line ends, or the line on which its brackets close."""
        depth = 0
        for _ in range(_STATEMENT_LINES):
            end = self._line_end(section, start)
            line = self.text[start:end]
            depth += sum(line.count(mark) for mark in "([{") - sum(line.count(mark) for mark in ")]}")
            if depth <= 0 or end == section.end:
                return end
            start = end + 1
        return end

    def _docstring(self, section: Section, end: int) -> tuple[str | None, int]:
        """Return the first paragraph of the docstring that stands after ``end``, and where the docstring ends."""
        opening = _DOCSTRING.match(self.text, end, section.end)
        if opening is None:
            return None, end
        close = self.text.find(opening[1], opening.end(), section.end)
        close = close if close >= 0 else section.end
        paragraph = self.text[opening.end() : close].strip().split("\n\n", 1)[0]
        return _one_line(paragraph), min(close + len(opening[1]), section.end)

    def _modules(self) -> Iterator[_Candidate]:
        """Yield the beginnings of the modules that the question names."""
        for section in self.sections:
            if section.line == 1 and self._place_points(section.where) >= _PLACE:
                docstring, end = self._docstring(section, section.start)
                what = f"module {dotted_place(section.where)}"
                yield self._scored(
                    _Candidate(section, section.start, section.start, end, _DEFINITION, what=what, docstring=docstring)
                )

    def _window(self, section: Section, start: int, offset: int, *, quotes: bool = False) -> _Candidate:
        """Return the lines around an offset, up to blank lines; of a very long line, the sentences around it."""
        line = max(self.text.rfind("\n", 0, start) + 1, section.start)
        end = self._line_end(section, line)
        if end - line > _LINE_LIMIT:
            before = [match.end() for match in _SENTENCE_END.finditer(self.text, max(line, offset - 300), offset)]
            after = _SENTENCE_END.search(self.text, min(offset + 100, end), min(offset + 500, end))
            begin = before[-1] if before else max(line, offset - 100)
            end = after.start() + 1 if after else min(offset + 500, end)
        else:
            begin = self._reach(section, line, end, -1)
            end = self._reach(section, line, end, +1)
        points = _PHRASE if quotes else 0.0
        return self._scored(_Candidate(section, start, begin, end, points, quotes=quotes))

    def _reach(self, section: Section, start: int, end: int, step: int) -> int:
        """Return how far a passage goes from a line: two lines up or down, within its paragraph."""
        for _ in range(_AROUND):
            if step < 0:
                above = (
                    max(self.text.rfind("\n", section.start, start - 1) + 1, section.start)
                    if start > section.start
                    else start
                )
                if above == start or not self.text[above:start].strip():
                    return start
                start = above
            else:
                below = self._line_end(section, end + 1) if end < section.end else end
                if below == end or not self.text[end:below].strip():
                    return end
                end = below
        return start if step < 0 else end

    # What it is worth

    def _scored(self, candidate: _Candidate) -> _Candidate:
        window = self.lowered[candidate.begin : candidate.end]
        line = self.lowered[candidate.start : self._line_end(candidate.section, candidate.start)]
        for term in self.present:
            if term.occurs_in(window):
                candidate.terms[term.key] = round(term.weight * (1.0 if term.key in line else _OFF_LINE), 3)
        if len(candidate.terms) > 1:
            candidate.points += _PAIR * sum(pair.search(window) is not None for pair in self.question.pairs)
        candidate.points += self._place_points(candidate.section.where)
        candidate.score = candidate.points + sum(weight * self.rarity[key] for key, weight in candidate.terms.items())
        return candidate

    def _place_points(self, where: str) -> float:
        dotted = dotted_place(where)
        if any(dotted == place or dotted.endswith(f".{place}") for place in self.question.places):
            return _PLACE
        parts = dotted.split(".")
        points = _OWNER if any(owner.lower() in parts for owner in self.question.owners) else 0.0
        if any(term.seed and term.key in parts for term in self.question.terms):
            points += _NEAR_PLACE
        return points - 1.0 if "test" in dotted else points  # of two that are alike, a test is the second

    def _around(self, section: Section, start: int) -> str:
        """Return the names of the classes and functions around a line, outermost first, with dots between."""
        first = self.text[start : self._line_end(section, start)]
        indent = len(first) - len(first.lstrip())
        names: list[str] = []
        position = start
        while indent and position > section.start:
            position = max(self.text.rfind(word, section.start, position) for word in ("def ", "class "))
            if position < 0:
                break
            position = max(self.text.rfind("\n", section.start, position) + 1, section.start)
            scope = _SCOPE.match(self.text, position, section.end)
            if scope is not None and len(scope[1]) < indent:
                names.insert(0, scope[3])
                indent = len(scope[1])
        return ".".join(names)

    def _passage(self, candidate: _Candidate) -> Passage:
        section = candidate.section
        covered = sum(term.weight for term in self.present if term.seed and term.key in candidate.terms)
        return Passage(
            score=candidate.score,
            points=candidate.points,
            covers=min(1.0, covered / self.total),
            where=section.where,
            line=section.line + self.text.count("\n", section.start, candidate.start),
            text=self.text[candidate.begin : candidate.end].strip("\n")[:_TEXT_LIMIT],
            what=candidate.what[:_WHAT_LIMIT],
            inside=self._around(section, candidate.start),
            docstring=candidate.docstring and candidate.docstring[:_TEXT_LIMIT],
            quotes=candidate.quotes,
            terms=candidate.terms,
        )


def rarity(characters: int, count: int) -> float:
    """Return how much it says that a term is here, when it occurs ``count`` times in so many characters."""
    return math.log(1 + (1 + characters / 40) / (1 + count))


def _one_line(text: str) -> str:
    return " ".join(text.split())
