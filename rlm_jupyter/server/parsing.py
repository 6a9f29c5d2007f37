"""Parses JSON of which nothing is known, in steps between which the event loop runs.

While C parses, no other thread of the process runs: 8 MB take 60 ms in one go.
"""

from __future__ import annotations

import json
import re
import time
from typing import Any

from .refusal import Reason, RefusedError

__all__ = ["BREATH", "parse"]

BREATH = 0.00005
"""Seconds that a thread of ours sleeps now and then; after none at all it would mostly be the next to run again."""

_SMALL, _FEW = 100_000, 50_000
"""Bytes, or values of up to a million bytes, that are parsed in one go, which takes 5 ms."""

_TOKENS = 1_000_000
"""Values that a message may have; there is no other bound to how long one event's take."""

_ESCAPES = 4_000_000
"""Backslashes that it may have: newlines in texts, mostly."""

_LEVELS = 3
"""Containers around a trace event: the message's content, its data, its list of events."""

_MEMBERS = 100_000
"""Members of one of these."""

_CHUNK = 1 << 20
_OPENERS = b",[{"
_SPACE = re.compile(r"[ \t\n\r]*")


def parse(raw: bytes) -> Any:
    """Return the values that the JSON says. Raises ``RefusedError``, also for NaN, and for far too many values."""
    small = len(raw) <= _SMALL or (len(raw) <= _CHUNK and _openers(raw, 0, len(raw)) <= _FEW)
    if not small and _is_dense(raw):
        raise RefusedError(Reason.DENSE)
    try:
        text = raw.decode("utf-8")
        return _decoder.decode(text) if small else _in_steps(text)
    except (ValueError, RecursionError):
        raise RefusedError(Reason.JSON) from None


def _in_steps(text: str) -> Any:
    value, end = _value(text, 0, _LEVELS)
    if _past_space(text, end) != len(text):
        msg = "Something follows the JSON."
        raise ValueError(msg)
    return value


def _value(text: str, at: int, levels: int) -> tuple[Any, int]:
    """Return the value that begins here, and where it ends; containers down to so many levels are read by Python."""
    at = _past_space(text, at)
    begin = text[at : at + 1]
    if levels and begin == "{":
        return _object(text, at, levels)
    if levels and begin == "[":
        return _array(text, at, levels)
    return _decoder.raw_decode(text, at)


def _object(text: str, at: int, levels: int) -> tuple[dict[str, Any], int]:
    values: dict[str, Any] = {}
    at = _past_space(text, at + 1)
    if text[at : at + 1] == "}":
        return values, at + 1
    for _ in range(_MEMBERS):
        key, at = _decoder.raw_decode(text, at)
        at = _past_space(text, at)
        if not isinstance(key, str) or text[at : at + 1] != ":":
            msg = f"An object's key and a colon are wanted at {at}."
            raise ValueError(msg)
        values[key], at = _value(text, at + 1, levels - 1)
        at, over = _past_comma(text, at, "}")
        if over:
            return values, at
    raise RefusedError(Reason.COUNT)


def _array(text: str, at: int, levels: int) -> tuple[list[Any], int]:
    values: list[Any] = []
    rested = at
    at = _past_space(text, at + 1)
    if text[at : at + 1] == "]":
        return values, at + 1
    for _ in range(_MEMBERS):
        value, at = _value(text, at, levels - 1)
        values.append(value)
        at, over = _past_comma(text, at, "]")
        if over:
            return values, at
        if at - rested > _SMALL:
            rested = at
            time.sleep(BREATH)
    raise RefusedError(Reason.COUNT)


def _past_comma(text: str, at: int, closing: str) -> tuple[int, bool]:
    """Return where the next member begins, or where the container ends, and whether it does."""
    at = _past_space(text, at)
    found = text[at : at + 1]
    if found == closing:
        return at + 1, True
    if found != ",":
        msg = f"A comma or an end is wanted at {at}."
        raise ValueError(msg)
    return _past_space(text, at + 1), False


def _past_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _is_dense(raw: bytes) -> bool:
    """Say whether there are too many values to be parsed in one go, in steps between which other threads run."""
    chunks = range(0, len(raw), _CHUNK)
    if sum(raw.count(b"\\", start, start + _CHUNK) for start in chunks) > _ESCAPES:
        return True
    if sum(_openers(raw, start, start + _CHUNK) for start in chunks) <= _TOKENS:
        return False
    # What stands in strings does not count: a long text may have a million commas.
    tokens, quotes, begin, inside = 0, 0, 0, False
    while (quote := raw.find(b'"', begin)) >= 0:
        if inside and _is_escaped(raw, quote):
            begin = quote + 1
            continue
        if not inside:
            tokens += _openers(raw, begin, quote)
            quotes += 1
        if tokens > _TOKENS or quotes > 2 * _TOKENS:
            return True
        begin, inside = quote + 1, not inside
    return tokens + (0 if inside else _openers(raw, begin, len(raw))) > _TOKENS


def _openers(raw: bytes, start: int, end: int) -> int:
    return sum(raw.count(each, start, end) for each in _OPENERS)


def _is_escaped(raw: bytes, at: int) -> bool:
    before = at
    while raw[before - 1] == ord("\\"):
        before -= 1
    return (at - before) % 2 == 1


def _refuse_constant(name: str) -> Any:
    msg = f"{name} is no JSON."
    raise ValueError(msg)


_decoder = json.JSONDecoder(parse_constant=_refuse_constant)
