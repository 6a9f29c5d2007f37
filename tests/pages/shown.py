"""What a reader sees under a cell, as text, and whether it is what the page says."""

from __future__ import annotations

import re
from collections.abc import Sequence

from live_kernel import Message

__all__ = ["is_as_quoted", "plain", "shown"]

_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def shown(messages: Sequence[Message]) -> str:
    """Return streams, results and displays in their order; of a display that was updated, its last form."""
    entries: dict[object, str] = {}
    clear = False
    for number, message in enumerate(messages):
        kind, content = message["msg_type"], message["content"]
        if kind not in ("stream", "display_data", "execute_result", "update_display_data", "error", "clear_output"):
            continue
        if kind == "clear_output" and content["wait"]:
            clear = True
            continue
        if clear or kind == "clear_output":
            entries.clear()
            clear = False
        if kind == "stream":
            entries[number] = content["text"]
        elif kind == "error":
            entries[number] = "\n".join(content["traceback"]) + "\n"
        elif kind != "clear_output":
            display = content.get("transient", {}).get("display_id", number)
            if kind != "update_display_data" or display in entries:
                entries[display] = content["data"].get("text/plain", "") + "\n"
    return plain("".join(entries.values()))


def plain(text: str) -> str:
    """Return the text without colours, and without white space at the ends of its lines and at its own."""
    return "\n".join(line.rstrip() for line in _ANSI.sub("", text).strip().splitlines())


def is_as_quoted(seen: str, quoted: str) -> bool:
    """Whether the text is the quoted one, in which ``...`` stands for any text."""
    pattern = ".*?".join(re.escape(part.strip(" ")) for part in plain(quoted).split("..."))
    return re.fullmatch(pattern, seen, re.DOTALL) is not None
