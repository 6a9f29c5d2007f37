"""The page of error messages quotes what the program says."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "troubleshooting.md"

GAP = re.compile(r"\.\.\.|(?<= answered )\d+")
"""What differs from case to case: the page writes dots for it, or an HTTP status."""

LEAST = 10
"""Characters that a part of a message has to have for its place in the code to say anything."""

MOST = 3
"""Literals that a message may be made of: what happened, what to do about it, and what stands between them."""

_TS_STRING = re.compile(r"""'((?:\\.|[^'\\\n])*)'|"((?:\\.|[^"\\\n])*)"|`((?:\\.|[^`\\])*)`""")

Literal = tuple[str, ...]
"""The fixed parts of a text that the code holds, in their order."""


def tokens(path: Path) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(path.read_text("utf-8"))


def quoted() -> list[tuple[str, str]]:
    """Return each message of ours that the page quotes, below the heading that it stands under."""
    found: list[tuple[str, str]] = []
    heading = ""
    stream = tokens(PAGE)
    for token, following in pairwise(stream):
        if token.type == "heading_open":
            heading = following.content
        if token.type == "fence" and token.info.split() == ["text"]:
            found.append((heading, token.content.strip()))
    return found


@cache
def literals() -> tuple[Literal, ...]:
    """Return what string literals the package and the labextension hold; those without a space are no messages."""
    python = (each for path in sorted((ROOT / "rlm_jupyter").rglob("*.py")) for each in _of_python(path))
    sources = sorted((ROOT / "labextension" / "src").rglob("*.ts*"))
    return tuple(dict.fromkeys(each for each in (*python, *_of_typescript(sources)) if " " in "".join(each)))


def _of_typescript(sources: Sequence[Path]) -> Iterator[Literal]:
    for path in sources:
        for found in _TS_STRING.finditer(path.read_text("utf-8")):
            yield tuple(re.split(r"%\d|\$\{[^}]*\}", next(each for each in found.groups() if each is not None)))


def _of_python(path: Path) -> Iterator[Literal]:
    tree = ast.parse(path.read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield tuple(re.split(r"\{\w*(?:![rs])?\}|%s", node.value))
        elif isinstance(node, ast.JoinedStr):
            yield tuple(_fixed(node))


def _fixed(node: ast.JoinedStr) -> Iterator[str]:
    """Yield the parts between which something is filled in."""
    part = ""
    for each in node.values:
        if isinstance(each, ast.Constant):
            part += str(each.value)
        else:
            yield part
            part = ""
    yield part


def parts_of(message: str) -> list[str]:
    return [part.strip() for part in GAP.split(message) if part.strip(" .:;,()$")]


def taken(parts: Sequence[str], literal: Literal) -> int:
    """Return how many of the first parts stand in the literal, in their order, none of them across a gap."""
    count, segment, position = 0, 0, 0
    for part in parts:
        while segment < len(literal) and (at := literal[segment].find(part, position)) < 0:
            segment, position = segment + 1, 0
        if segment == len(literal):
            break
        count, position = count + 1, at + len(part)
    return count


def pieces(message: str) -> int | None:
    """Return of how many literals the message can be put together, or None when it cannot."""
    parts = parts_of(message)
    reached = {0: 0}
    for begin in range(len(parts)):
        if begin in reached:
            most = max(taken(parts[begin:], literal) for literal in literals())
            for end in range(begin + 1, begin + most + 1):
                reached[end] = min(reached.get(end, len(parts)), reached[begin] + 1)
    return reached.get(len(parts))


@pytest.mark.parametrize(("heading", "message"), quoted(), ids=lambda text: re.sub(r"\W+", "-", text)[:40])
def test_what_the_page_quotes_is_what_the_program_says(heading: str, message: str) -> None:
    assert max(map(len, parts_of(message))) >= LEAST, f"{heading}: quote more of it"
    count = pieces(message)
    assert count is not None, f"{heading}: these words stand nowhere in the code, in this order: {message}"
    assert count <= MOST, f"{heading}: it takes {count} literals to put this together"


def test_words_that_nobody_says_are_noticed() -> None:
    assert pieces("There is no API key for ... Three ways out: go home.") is None
    assert pieces("There is no question. Write it behind the options, or use %%rlm with the question in the cell.") == 1
    assert pieces("... answered 413...: ... The prompt is too long for this server: send less of it at once.") == 2


def test_there_are_enough_of_them_and_each_stands_once() -> None:
    headings = [each.content for opening, each in _pairs(PAGE) if opening.tag == "h3"]
    assert len(headings) >= 40
    assert len(set(headings)) == len(headings)


def _pairs(path: Path) -> Iterator[tuple[Token, Token]]:
    stream = tokens(path)
    return (pair for pair in pairwise(stream) if pair[0].type == "heading_open")
