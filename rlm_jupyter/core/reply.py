"""Reads a model's reply: the code blocks in it, and an answer given as text."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

__all__ = ["Reply", "TextAnswer", "read_reply"]

_OPENING = re.compile(r"^(?P<indent>[ \t]*)(?P<fence>`{3,}|~{3,})[ \t]*(?P<language>[\w+-]*)[^\n`]*$", re.MULTILINE)
_LANGUAGES = frozenset({"repl", "python", "py", "python3", "ipython", "ipython3"})
# Comments and strings of Python source; ``quote`` is set for the strings that may hold whole lines.
_TOKEN = re.compile(
    r"""\#[^\n]* | (?P<quote>\"{3}|'{3}) (?:\\.|(?!(?P=quote)).)* (?:(?P=quote)|\Z)
      | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*'""",
    re.DOTALL | re.VERBOSE,
)
_CLOSED = re.compile(r"\n[ \t]*(`{3,}|~{3,})[ \t]*\Z")
_FINISHED = re.compile(r"\)[ \t.;]*$", re.MULTILINE)
_FINAL = re.compile(r"^[ \t]*(?P<name>FINAL_VAR|FINAL)\(", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class TextAnswer:
    """An answer that stands in the prose: the text itself, or the variable (or other expression) that holds it."""

    text: str
    is_variable: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """What a reply holds. An answer in a reply that also has code is left out: it cannot have seen the output.

    It ``is_open`` when its last block, or its answer, has no end.
    """

    code_blocks: tuple[str, ...]
    answer: TextAnswer | None = None
    is_open: bool = field(default=False, compare=False)


def read_reply(text: str) -> Reply:
    """Return the code blocks and the answer of a reply.

    A block runs from its fence to the first closing fence that is not inside a string: only there can Python hold one.
    Where a string is never closed, the first closing fence ends the block.
    """
    text = text.replace("\r\n", "\n")
    blocks: list[str] = []
    prose: list[str] = []
    position = 0
    is_open = False
    while opening := _OPENING.search(text, position):
        prose.append(text[position : opening.start()])
        is_code = opening["language"].lower() in _LANGUAGES
        body, position = _block(text, opening, grow=is_code)
        if is_code and body.strip():
            blocks.append(body)
            is_open = not _CLOSED.search(text, opening.end(), position)
        elif opening["language"].lower() in ("", "text"):
            prose.append(f"\n{body}\n")
    prose.append(text[position:])
    if blocks:
        return Reply(tuple(blocks), is_open=is_open)
    said = "".join(prose)
    begun = _FINAL.search(said)
    return Reply((), _answer(said), is_open=begun is not None and _FINISHED.search(said, begun.end()) is None)


def _block(text: str, opening: re.Match[str], *, grow: bool) -> tuple[str, int]:
    """Return the block's code and where the text goes on after it. An unclosed block runs to the end."""
    start = opening.end() + 1
    fence = opening["fence"]
    closing = re.compile(rf"^[ \t]*{re.escape(fence[0])}{{{len(fence)},}}[ \t]*$", re.MULTILINE)
    ends = list(closing.finditer(text, start)) if start <= len(text) else []
    if not ends:
        return _dedent(text[start:], opening["indent"]), len(text)
    end = _end_outside_strings(text, start, ends) if grow else ends[0]
    return _dedent(text[start : end.start()], opening["indent"]), end.end()


def _end_outside_strings(text: str, start: int, ends: list[re.Match[str]]) -> re.Match[str]:
    strings = [token.span() for token in _TOKEN.finditer(text, start, ends[-1].end()) if token["quote"]]
    outside = (end for end in ends if not any(opened < end.start() < closed for opened, closed in strings))
    return next(outside, ends[0])


def _dedent(code: str, indent: str) -> str:
    if not indent:
        return code.rstrip("\n")
    return "\n".join(line.removeprefix(indent) for line in code.rstrip("\n").split("\n"))


def _answer(prose: str) -> TextAnswer | None:
    found = _FINAL.search(prose)
    if found is None:
        return None
    inner = _balanced(prose, found.end())
    if found["name"] == "FINAL_VAR":
        bare = inner.strip().strip("'\"`")
        return TextAnswer(bare if bare.isidentifier() else inner.strip(), is_variable=True)
    return TextAnswer(inner.strip())


def _balanced(text: str, start: int) -> str:
    """Return what stands between a parenthesis that opens before ``start`` and the one that closes it.

    An answer is prose and may hold a smiley or half a citation: where more parentheses close than open, the last one
    does, and where there is none, the text's end does.
    """
    depth = 1
    first = -1
    for index in range(start, len(text)):
        if text[index] == "(":
            depth += 1
        elif text[index] == ")":
            depth -= 1
            if depth == 0 and first < 0:
                first = index
            if depth == 0 and _ends_line(text, index):
                return text[start:first]
    last = first if depth == 0 else text.rfind(")", start)
    return text[start:last] if last >= 0 else text[start:]


def _ends_line(text: str, index: int) -> bool:
    newline = text.find("\n", index)
    rest = text[index + 1 : newline if newline >= 0 else len(text)]
    return rest.strip() in ("", ".", ";")
