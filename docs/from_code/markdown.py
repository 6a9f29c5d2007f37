"""The Markdown that the pages are made of."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterable, Sequence

__all__ = ["GENERATED", "code", "paragraphs", "prose", "sentence", "table", "text"]

GENERATED = "<!-- Made from the code by `make generate`. Change the code, not this page. -->"

WIDTH = 120

_NO_PROSE = ("#", "|", "```", "<!--", "- ")
"""How the parts of a page begin that are not wrapped."""

_NAMES = re.compile(
    r"""(?<![\w`'"/.-])(
        --[a-z][\w-]*                               # an option
        | %%?rlm(?:\ (?:--[a-z-]+))?                # the magics
        | %config\ [\w.]+
        | jupyter\ rlm(?:\ [a-z]+)*
        | [A-Z][A-Z0-9]+(?:_[A-Z0-9]+)+\b           # an environment variable
        | RLMMagics(?:\.\w+)*
        | dict\([^()]*\)
        | \w+=\w+\b
    )""",
    re.VERBOSE,
)
"""What in a help text is no prose: it is set as code there."""


def paragraphs(*parts: str) -> str:
    """Return the parts as the paragraphs of a page, prose in lines of its width; empty ones are left out."""
    told = (part if part.startswith(_NO_PROSE) or "\n" in part else wrapped(part) for part in parts if part)
    return "\n\n".join(part.strip("\n") for part in told) + "\n"


def code(value: str) -> str:
    """Return an inline code span of text that may hold backticks."""
    fence = "``" if "`" in value else "`"
    pad = " " if value.startswith("`") or value.endswith("`") else ""
    return f"{fence}{pad}{value}{pad}{fence}"


def text(told: str) -> str:
    """Return a help text or a line of a docstring as Markdown: names as code, and nothing of it as markup."""
    told = re.sub(r"``(.+?)``", r"`\1`", told)
    parts = re.split(r"(`[^`]+`)", told)
    return "".join(part if index % 2 else _plain(part) for index, part in enumerate(parts))


def sentence(told: str) -> str:
    """Return a help text as a sentence: with a capital at its beginning and a full stop at its end."""
    return text(f"{told[:1].upper()}{told[1:]}".rstrip(".")) + "." if told else ""


def _plain(part: str) -> str:
    pieces = _NAMES.split(part)
    return "".join(f"`{piece}`" if index % 2 else _escaped(piece) for index, piece in enumerate(pieces))


def _escaped(piece: str) -> str:
    return re.sub(r"([*<])", r"\\\1", piece)


def prose(docstring: str | None) -> str:
    """Return a docstring as Markdown paragraphs, wrapped."""
    found = [text(" ".join(part.split())) for part in re.split(r"\n\s*\n", inspect.cleandoc(docstring or ""))]
    return "\n\n".join(wrapped(part) for part in found if part)


def wrapped(paragraph: str) -> str:
    """Return a paragraph in lines of the width that pages have."""
    return textwrap.fill(paragraph, WIDTH, break_long_words=False, break_on_hyphens=False)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; a pipe or a line's end in a cell is none of the table's. Empty without rows."""
    lines = [" | ".join(_cell(each) for each in row) for row in rows]
    if not lines:
        return ""
    return "\n".join(f"| {line} |" for line in (" | ".join(head), " | ".join("---" for _ in head), *lines))


def _cell(content: str) -> str:
    return " ".join(content.replace("|", r"\|").split())
