"""Words the offline extractor's answer: what was found and where it stands, and that no language model found it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from .moves import Ranking
from .question import Question

__all__ = ["HELP", "compose"]

Record: TypeAlias = Mapping[str, object]

HELP = (
    "This is the offline extractor: it is no language model, it can only look words up in a context that it is given. "
    "Give it one (`--context name`) and ask where something is defined or said, or use a language model: set "
    "OPENAI_API_KEY, or name a model with `--model` and, for a server of your own, `--base-url`."
)
_ITEM = re.compile(r"^row |\[\d+\]$")  # an item is mostly one line; which one need not be said
_SHOWN_LINES = 12
_WEAK = 0.5  # share of the question's weight below which a passage is called a weak match
_LISTED = 3
_ALIKE = 4.0  # points; definitions closer than this are told of together


def compose(question: Question, ranking: Ranking) -> str:
    """Return the answer to a question from the passages that were ranked for it."""
    if not ranking.passages:
        return _nothing(question, ranking)
    best = ranking.passages[0]
    if best.get("what"):
        parts = [_definition(question, best), _shown(best), _also(ranking.passages)]
    elif best.get("quotes"):
        parts = [f"{_place(best)} says it:", _shown(best), _also(ranking.passages)]
    else:
        parts = [f"{_missing(question)}{_place(best)} matches the question best:", _shown(best)]
        parts += [f"Then {_place(each)}:\n\n{_shown(each)}" for each in ranking.passages[1:_LISTED]]
    return "\n\n".join([*(part for part in parts if part), _colophon(ranking)])


def _definition(question: Question, best: Record) -> str:
    what = str(best["what"])
    keyword, _, name = what.partition(" ")
    if "=" in what:
        return f"`{what}` stands in {_place(best)}."
    if keyword == "module":
        said = f"`{name}` is the module in {_place(best)}."
    else:
        function = "method" if best.get("inside") else "function"
        said = f"{_place(best)} defines the {function if keyword == 'def' else keyword} `{name}`."
    if best.get("docstring"):
        return f"{said} Its docstring says:\n\n> {best['docstring']}"
    return f"{said} It has no docstring." if question.wants_docstring else said


def _place(passage: Record) -> str:
    if passage["line"] == 1 and _ITEM.search(str(passage["where"])):
        return f"`{passage['where']}`"
    inside = f", in `{passage['inside']}`" if passage.get("inside") else ""
    return f"`{passage['where']}` (line {passage['line']}{inside})"


def _shown(passage: Record) -> str:
    """Return the passage as an indented block: unlike a fence, nothing in the passage can end it."""
    lines = str(passage["text"]).expandtabs(4).splitlines()
    shown = lines[:_SHOWN_LINES] + ["..."] * (len(lines) > _SHOWN_LINES)
    return "\n".join(f"    {line}".rstrip() for line in shown)


def _also(passages: Sequence[Record]) -> str:
    best = passages[0]
    alike = [
        each
        for each in passages[1:]
        if bool(each.get("what")) == bool(best.get("what"))
        and bool(each.get("quotes")) == bool(best.get("quotes"))
        and _number(best["points"]) - _number(each["points"]) < _ALIKE
    ]
    return f"Likewise: {', '.join(_place(each) for each in alike)}." if alike else ""


def _number(value: object) -> float:
    return value if isinstance(value, int | float) else 0.0


def _missing(question: Question) -> str:
    """Return a sentence on what was asked for and is not there, before passages that only share words with it."""
    if question.phrases:
        return f"Nothing says “{question.phrases[0][0]}” word for word. "
    if question.names and question.wants_definition:
        return f"No definition of {', '.join(f'`{name}`' for name in question.names)} was found. "
    return ""


def _nothing(question: Question, ranking: Ranking) -> str:
    if ranking.failed and ranking.failed == ranking.replies:
        return f"None of the {ranking.replies} sub-calls was answered. The first said: {ranking.failure}"
    words = ", ".join(f"`{term.key}`" for term in question.terms if term.seed) or "no word to look for"
    return f"Nothing in the context matches the question ({words}).\n\n{_colophon(ranking)}"


def _colophon(ranking: Ranking) -> str:
    excerpts = "1 excerpt" if ranking.replies == 1 else f"{ranking.replies} excerpts"
    failed = f" {ranking.failed} of them could not be read: {ranking.failure}." if ranking.failed else ""
    best = ranking.passages[0] if ranking.passages else None
    weak = best is not None and not best.get("what") and _number(best["covers"]) < _WEAK
    match = " The match is weak: much of the question does not occur there." if weak else ""
    note = "Found by the offline extractor, which matches words and does not reason; it read"
    return f"({note} {excerpts}.{failed}{match})"
