"""What the model is shown of a cell: what a person would see under it, long output by its head and its tail."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import unescape
from typing import Any

from .results import REPLResult

__all__ = ["OBSERVATION_LIMIT", "head_and_tail", "observe"]

OBSERVATION_LIMIT = 20_000
"""Characters of one block's output that the model is shown; a traceback comes on top of it."""

_TRACEBACK_LIMIT = 6_000
_RICH = ("text/markdown", "text/latex", "application/json", "text/html")
_UNSEEN = re.compile(r"<(script|style)\b.*?</\1\s*>|<!--.*?-->|<[^>]*>", re.DOTALL | re.IGNORECASE)


def observe(results: Sequence[REPLResult], blocks: int, limit: int = OBSERVATION_LIMIT) -> str:
    """Return the message that tells the model what its blocks gave; ``blocks`` is how many the reply had."""
    parts = [_observe_block(result, index if blocks > 1 else None, limit) for index, result in enumerate(results, 1)]
    if len(results) < blocks:
        first = len(results) + 1
        which = f"Block {first} was" if first == blocks else f"Blocks {first} to {blocks} were"
        why = "was rejected" if results[-1].rejected else "failed"
        parts.append(f"{which} not run, because block {len(results)} {why}.")
    return "\n\n".join(parts)


def head_and_tail(text: str, limit: int, size: int | None = None) -> str:
    """Return the text, of a longer one its beginning and its end with a line between that says what was left out.

    ``size`` is that of the whole, where the text is what is left of one.
    """
    if len(text) <= limit:
        return text
    tail = limit // 3
    head = limit - tail
    left_out = (len(text) if size is None else size) - limit
    return f"{text[:head]}\n[... {left_out:,} characters left out ...]\n{text[-tail:]}"


def _observe_block(result: REPLResult, index: int | None, limit: int) -> str:
    title = "Output" if index is None else f"Output of block {index}"
    shown = head_and_tail("".join(_text_of(output) for output in result.outputs).rstrip("\n"), limit)
    pieces = [shown] if shown else []
    if result.error is not None:
        pieces.append(head_and_tail(result.error.traceback.rstrip("\n"), _TRACEBACK_LIMIT))
    pieces.extend(f"Note: {note}" for note in result.notes)
    if not pieces:
        return f"{title}: (nothing was printed, and the block does not end in an expression)"
    return f"{title}:\n" + "\n".join(pieces)


def _text_of(output: dict[str, Any]) -> str:
    kind = output["output_type"]
    if kind == "stream":
        return str(output["text"])
    if kind == "error":
        return ""
    return f"{_mime_text(output['data'])}\n"


def _mime_text(data: dict[str, Any]) -> str:
    """Return a display's text form, and the names of the forms that are not text."""
    plain = str(data.get("text/plain", ""))
    rich = next((_as_text(name, data[name]) for name in _RICH if name in data), "")
    # Of an object without a repr of its own, text/plain says no more than the type.
    text = rich if rich and (not plain or plain.startswith("<")) else plain
    others = [name for name in data if not name.startswith("text/") and name not in _RICH]
    return f"{text} [kept with the answer: {', '.join(others)}]".lstrip() if others else text


def _as_text(name: str, value: Any) -> str:
    return _visible(str(value)) if name == "text/html" else str(value)


def _visible(html: str) -> str:
    """Return the words that HTML shows, without its tags."""
    return " ".join(unescape(_UNSEEN.sub(" ", html)).split())
