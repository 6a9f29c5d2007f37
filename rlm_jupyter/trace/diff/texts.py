"""Where two texts part, in as few lines as a screen has, whatever their size."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

__all__ = ["text_diff"]

_LINES = 60
_CONTEXT = 3
_WIDTH = 300


def text_diff(a: str | None, b: str | None) -> Iterator[str]:
    """Yield the lines of a unified diff around the first difference; a side that is None is said to be missing.

    The work is linear in the texts: only the lines around the first one that differs are compared.
    """
    if a is None or b is None:
        yield f"  {'a' if a is None else 'b'} has nothing there; {'b' if a is None else 'a'} has:"
        yield from _cut([f"    {line}" for line in _lines(a if a is not None else b or "")])
        return
    one, other = _lines(a), _lines(b)
    shorter = min(len(one), len(other))
    first = next((index for index in range(shorter) if one[index] != other[index]), shorter)
    begin = max(0, first - _CONTEXT)
    window_a, window_b = one[begin : begin + _LINES], other[begin : begin + _LINES]
    at = _column(window_a, window_b, first - begin)
    shown_a, shown_b = ([_shown(line, at) for line in window] for window in (window_a, window_b))
    told = list(difflib.unified_diff(shown_a, shown_b, "a", "b", lineterm="", n=_CONTEXT))[2:]
    if begin:
        yield f"  from line {begin + 1:,}:"
    yield from _cut(
        [f"  {line}" for line in told if not line.startswith("@@")] or ["  (they differ in line ends alone)"]
    )


def _lines(text: str) -> list[str]:
    return text.split("\n")


def _column(a: list[str], b: list[str], row: int) -> int:
    """Return from which column on long lines are shown, so that the first difference is among what is."""
    if row >= len(a) or row >= len(b) or max(len(a[row]), len(b[row])) <= _WIDTH:
        return 0
    one, other = a[row], b[row]
    shorter = min(len(one), len(other))
    low, high = 0, shorter
    while low < high:  # how many characters the lines have in common
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[:middle] == other[:middle] else (low, middle - 1)
    return max(0, low - _WIDTH // 2)


def _shown(line: str, at: int) -> str:
    if len(line) <= _WIDTH:
        return line
    return f"{'…' if at else ''}{line[at : at + _WIDTH]}{'…' if at + _WIDTH < len(line) else ''}"


def _cut(lines: list[str]) -> list[str]:
    shown = [line if len(line) <= _WIDTH + 20 else f"{line[: _WIDTH + 20]}…" for line in lines[:_LINES]]
    return [*shown, f"  ... and {len(lines) - _LINES:,} lines more"] if len(lines) > _LINES else shown
