"""Makes text that nobody vouches for safe to put into Markdown: it is shown, and it cannot do anything.

Markdown is rendered by many programs (JupyterLab, VS Code, GitHub, nbconvert) of which not all sanitize. So raw HTML,
remote images (they tell their server who looks) and script links are taken apart here, where they come in.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

__all__ = ["code_span", "fenced", "folded", "inert_markdown", "plain_text", "without_controls"]

_BREAK = "\u200b"  # takes no room and ends every keyword

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
# Also the marks that turn the direction of writing: they show code as something that it is not (CVE-2021-42574).
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_ENTITY = re.compile(r"&(?=#|\w{1,32};)")
_IMAGE = re.compile(r"!(?=\[)")
_SCRIPT_LINK = re.compile(r"([({]\s{0,9}|\]:\s{0,9})(javascript|vbscript|data)(?=\s{0,9}:)", re.IGNORECASE)
# The mark `>` begins the lines of a quotation. What stands for a colon has its & taken apart before this looks.
_SCRIPT_TARGET = re.compile(
    r"\](?=[(:][\s>]*(?:&lt;\s*)?(?:javascript|vbscript|data)\s{0,9}(?:\\?:|&amp;))", re.IGNORECASE
)
_BACKTICKS = re.compile("`+")
_FENCE = re.compile(r"^ {0,3}(?P<fence>`{3,}|~{3,})(?P<rest>[^\n]*)$", re.MULTILINE)


def without_controls(text: str) -> str:
    """Return the text without terminal escapes and control characters; line breaks and tabs stay."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROLS.sub("", _ANSI.sub("", text))


def inert_markdown(text: str) -> str:
    """Return Markdown that keeps its formatting and can neither run, load, nor reach beyond its end.

    HTML is shown as text, images as the text they are written with, and a fence that is left open is closed.
    """
    text = _closed(without_controls(text))
    parts = []
    position = 0
    # What we take for code another program may not: so code is made inert too, in a way that looks better there.
    for start, end in _code_spans(text):
        parts += [_inert_prose(text[position:start]), _inert_code(text[start:end])]
        position = end
    parts.append(_inert_prose(text[position:]))
    return "".join(parts)


def plain_text(text: str) -> str:
    """Return Markdown in one line that shows the text as it is, without any formatting."""
    text = " ".join(without_controls(text).split())
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]!#|~$])", r"\\\1", text)


def code_span(text: str) -> str:
    """Return the text as inline code, in one line."""
    text = " ".join(without_controls(text).split())
    longest = max((len(run) for run in _BACKTICKS.findall(text)), default=0)
    fence = "`" * (longest + 1)
    room = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{room}{_inert_code(text)}{room}{fence}"


def fenced(text: str, language: str = "") -> str:
    """Return the text in a code block whose fence is longer than any in it."""
    text = without_controls(text).rstrip("\n")
    longest = max((len(run) for run in _BACKTICKS.findall(text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def folded(summary: str, markdown: str) -> str:
    """Return Markdown, which is to be inert already, that is shown once the reader asks for it by the summary."""
    line = html.escape(" ".join(without_controls(summary).split())).replace("$", "&#36;")  # no formula either
    # Blank lines around it: CommonMark reads on as Markdown after a line of HTML only then.
    return f"<details>\n<summary>{line}</summary>\n\n{markdown}\n\n</details>"


def _code_spans(text: str) -> Iterator[tuple[int, int]]:
    """Yield where code stands: from a run of backticks to the next run of the same length (CommonMark, 6.1)."""
    runs = [(match.start(), match.end()) for match in _BACKTICKS.finditer(text)]
    following: dict[int, list[int]] = {}
    for number in range(len(runs) - 1, -1, -1):
        following.setdefault(runs[number][1] - runs[number][0], []).append(number)
    number = 0
    while number < len(runs):
        same = following[runs[number][1] - runs[number][0]]
        while same and same[-1] <= number:
            same.pop()
        if same:
            yield runs[number][0], runs[same[-1]][1]
            number = same[-1]
        number += 1


def _inert_prose(text: str) -> str:
    text = _TAG.sub("&lt;", _ENTITY.sub("&amp;", text))
    text = _SCRIPT_TARGET.sub(r"\]", text)  # no link: it is shown as it is written
    return _SCRIPT_LINK.sub(rf"\1\2{_BREAK}", _IMAGE.sub(r"!\\", text))


def _inert_code(text: str) -> str:
    text = _IMAGE.sub(f"!{_BREAK}", _TAG.sub(f"<{_BREAK}", text))
    return _SCRIPT_LINK.sub(rf"\1\2{_BREAK}", text)


def _closed(text: str) -> str:
    """Close a fence that the text leaves open, or it would swallow what follows."""
    fence = ""
    for match in _FENCE.finditer(text):
        if not fence:
            if match["fence"][0] == "~" or "`" not in match["rest"]:
                fence = match["fence"]
        elif match["fence"].startswith(fence) and not match["rest"].strip():
            fence = ""
    return f"{text}\n{fence}" if fence else text
