"""The values that JSON has as they are, written in one go: many times as fast as one by one."""

from __future__ import annotations

import json
import math
import re
from itertools import chain
from typing import Any

__all__ = ["BIG", "LONGEST_OF_SEVERAL", "ZONE", "as_json", "encoded"]

BIG = 2**63
"""Whole numbers from here on, and below its negative, are written otherwise: parsers do not agree about them."""

LONGEST_OF_SEVERAL = 20_000
"""Bits of a whole number that stands beside others in a fraction or range: to divide larger ones takes its time."""

ZONE = re.compile(r"(?!dateutil)[A-Za-z0-9_+:-]{1,40}(/[A-Za-z0-9_+-]{1,40}){0,2}", re.ASCII)
"""Names of time zones that are looked for among the known ones, and never in a file of that name."""

_LEVELS = 30
_SIMPLE = frozenset({str, int, float, bool, type(None), list, dict})

encoded = json.JSONEncoder(ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":")).encode
"""Return the JSON of texts, numbers, and lists and dicts of these."""


def as_json(value: list[Any] | dict[Any, Any], room: int) -> str | None:
    """Return the JSON of a list or dict that holds nothing but what JSON has too; None of any other.

    Raises ``OverflowError`` when it is longer than ``room``. The work is bounded by that.
    """
    level: list[Any] = [value]
    for _ in range(_LEVELS):
        kinds = set(map(type, level))
        if not kinds <= _SIMPLE or not _are_plain(level, kinds):
            return None
        room -= 2 * len(level) - 1
        if str in kinds:
            room -= sum([len(each) for each in level if type(each) is str])
        lists = [each for each in level if type(each) is list] if list in kinds else []
        dicts = [each for each in level if type(each) is dict] if dict in kinds else []
        room -= 4 * sum(map(len, dicts))
        if room < 0 or sum(map(len, lists)) > room:
            raise OverflowError
        names = set(chain.from_iterable(dicts))
        if not all(type(name) is str and name[:1] != "$" for name in names):
            return None
        if not lists and not dicts:
            return _text(value)
        level = [*chain.from_iterable(lists), *chain.from_iterable(each.values() for each in dicts)]
    return None


def _are_plain(level: list[Any], kinds: set[type]) -> bool:
    """Return whether the numbers among these are such as JSON has."""
    if int in kinds:
        numbers = [each for each in level if type(each) is int]
        if not -BIG < min(numbers) <= max(numbers) < BIG:
            return False
    return float not in kinds or all(math.isfinite(each) for each in level if type(each) is float)


def _text(value: Any) -> str | None:
    text = encoded(value)
    try:
        return text if text.isascii() or text.encode("utf-8") else None
    except UnicodeEncodeError:  # half of a character stands in it
        return None
