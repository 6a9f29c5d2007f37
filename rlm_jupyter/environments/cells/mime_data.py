"""A display's data as nbformat holds it, bounded: what is too large is cut, or left out with a word about it."""

from __future__ import annotations

import base64
from typing import Any

from rlm_jupyter.core.observation import head_and_tail

__all__ = ["TEXT_LIMIT", "held", "size_of"]

TEXT_LIMIT = 200_000
"""Characters kept of a display's plain text or Markdown, by its head and its tail."""

_VALUE_LIMIT = 5_000_000
"""Characters or bytes up to which anything else is kept: half an image is no image."""

_CAN_BE_CUT = ("text/plain", "text/markdown")


def held(data: dict[str, Any]) -> dict[str, Any]:
    """Return the data by MIME type: bytes in base64, long texts cut; the text form tells of what was left out."""
    kept: dict[str, Any] = {}
    left_out: list[str] = []
    for mime, value in data.items():
        if mime in _CAN_BE_CUT and isinstance(value, str):
            kept[mime] = head_and_tail(value, TEXT_LIMIT)
        elif size_of(value) > _VALUE_LIMIT:
            left_out.append(mime)
        else:
            kept[mime] = base64.b64encode(value).decode() if isinstance(value, bytes) else value
    if left_out:
        told = f"[... {', '.join(left_out)} left out: over {_VALUE_LIMIT:,} characters or bytes ...]"
        kept["text/plain"] = f"{kept['text/plain']}\n{told}" if "text/plain" in kept else told
    return kept


def size_of(value: Any) -> int:
    """Return about how many characters the value takes as JSON; looking ends once it is too many to be kept."""
    size, pending = 0, [value]
    while pending and size <= _VALUE_LIMIT:
        each = pending.pop()
        if isinstance(each, str | bytes):
            size += len(each)
        elif isinstance(each, dict):
            pending.extend(each)
            pending.extend(each.values())
        elif isinstance(each, list | tuple):
            pending.extend(each)
        size += 4  # a number, or quotes and a comma
    return size
