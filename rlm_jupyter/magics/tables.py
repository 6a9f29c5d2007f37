"""Text in the cells of a Markdown table."""

from __future__ import annotations

import html

__all__ = ["cell"]


def cell(text: str) -> str:
    """Return the text as a table's cell shows it: nothing in it is Markdown or HTML."""
    escaped = html.escape(text, quote=False)
    for mark in "\\|`*_[$":
        escaped = escaped.replace(mark, f"\\{mark}")
    return escaped.replace("\n", "<br>")
