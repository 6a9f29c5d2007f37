"""Writes a value as text: by its exact type, so that no code of the user's runs, and no further than the limit."""

from __future__ import annotations

import base64
import math
import pathlib
from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from rlm_jupyter.core.pictures import Picture

from .plain import BIG, LONGEST_OF_SEVERAL, ZONE, as_json, encoded
from .sources import sourced
from .tables import tabled

__all__ = ["written"]

_DEPTH = 40
"""Containers within each other."""

_PATHS = (pathlib.PosixPath, pathlib.WindowsPath, pathlib.PurePosixPath, pathlib.PureWindowsPath)
_FEWEST = 8
"""Items of a container from which on it is worth to see whether JSON's own writer can take all of them."""


class _NotWrittenError(Exception):
    """The value is no plain data, or too long."""


def written(value: Any, limit: int) -> str | None:
    """Return the value as text; None when it is no plain data, or would be longer than ``limit`` characters."""
    writer = _Writer(limit)
    try:
        writer.write(value, _DEPTH)
        text = "".join(writer.pieces)
        text.isascii() or text.encode("utf-8")  # what cannot be kept in a file is no text
    # Others may change a container meanwhile, and libraries may fail at what is in a table.
    except (_NotWrittenError, RuntimeError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError):
        return None
    return text


class _Writer:
    """Puts pieces of text together, of which ``room`` characters more may come."""

    def __init__(self, limit: int) -> None:
        self.pieces: list[str] = []
        self._room = limit
        self._open: set[int] = set()

    def write(self, value: Any, depth: int) -> None:
        kind = type(value)
        write = _WRITERS.get(kind)
        if kind in _CONTAINERS:
            if depth == 0 or id(value) in self._open:  # it holds itself, or nearly
                raise _NotWrittenError
            self._open.add(id(value))
            _CONTAINERS[kind](self, value, depth - 1)
            self._open.discard(id(value))
        elif write is not None:
            write(self, value)
        else:
            self._other(value, depth)

    def _put(self, piece: str) -> None:
        self._room -= len(piece)
        if self._room < 0:
            raise _NotWrittenError
        self.pieces.append(piece)

    def _needs(self, characters: float) -> None:
        """Give up before anything is done when so many characters cannot be had."""
        if characters > self._room:
            raise _NotWrittenError

    def _tag(self, name: str, payload: Any, depth: int = 1) -> None:
        """Write something that is made of other values under its type's name."""
        self._put(f'{{"${name}":')
        self.write(payload, depth)
        self._put("}")

    def _other(self, value: Any, depth: int) -> None:
        """Write tables, and what is written as its name or source."""
        found = tabled(value, self._needs) or sourced(value)
        if found is None or depth == 0:
            raise _NotWrittenError
        self._tag(*found, depth - 1)

    def _word(self, value: bool | None) -> None:
        self._put("null" if value is None else "true" if value else "false")

    def _int(self, value: int) -> None:
        if -BIG < value < BIG:
            self._put(str(value))
        else:
            self._needs(value.bit_length() / 4)
            self._put(f'{{"$int":"{value:x}"}}')

    def _float(self, value: float) -> None:
        self._put(repr(value) if math.isfinite(value) else f'{{"$float":"{value}"}}')

    def _str(self, value: str) -> None:
        self._needs(len(value))
        if not value.isascii():
            try:
                value.encode("utf-8")
            except UnicodeEncodeError:  # half of a character stands in it
                self._tag("str", base64.b64encode(value.encode("utf-8", "surrogatepass")).decode("ascii"))
                return
        self._put(encoded(value))

    def _bytes(self, value: bytes | bytearray) -> None:
        self._needs(4 * len(value) / 3)
        self._put(f'{{"${type(value).__name__}":"{base64.b64encode(value).decode("ascii")}"}}')

    def _complex(self, value: complex) -> None:
        self._tag("complex", [value.real, value.imag])

    def _range(self, value: range) -> None:
        self._numbers("range", [value.start, value.stop, value.step])

    def _numbers(self, name: str, numbers: list[int]) -> None:
        """Write numbers that whoever reads them has to reckon with, which takes too long with huge ones."""
        if any(each.bit_length() > LONGEST_OF_SEVERAL for each in numbers):
            raise _NotWrittenError
        self._tag(name, numbers)

    def _decimal(self, value: Decimal) -> None:
        self._put(f'{{"$decimal":"{value}"}}')

    def _fraction(self, value: Fraction) -> None:
        self._numbers("fraction", [value.numerator, value.denominator])

    def _date(self, value: date) -> None:
        self._put(f'{{"$date":"{value.isoformat()}"}}')

    def _time(self, value: datetime | time) -> None:
        kind, zone = type(value).__name__, value.tzinfo
        if zone is not None and type(zone) is not ZoneInfo and not _is_offset(zone):
            raise _NotWrittenError
        if type(zone) is not ZoneInfo and not value.fold:
            self._put(f'{{"${kind}":"{value.isoformat()}"}}')
            return
        key = zone.key if type(zone) is ZoneInfo else None
        if zone is not None and not (type(key) is str and ZONE.fullmatch(key)):
            raise _NotWrittenError
        self._tag("zoned", [kind, value.replace(tzinfo=None).isoformat(), key, value.fold])

    def _timedelta(self, value: timedelta) -> None:
        self._tag("timedelta", [value.days, value.seconds, value.microseconds])

    def _path(self, value: pathlib.PurePath) -> None:
        self._tag("path", [type(value).__name__, str(value)])

    def _picture(self, value: Picture) -> None:
        self._needs(4 * len(value.data) / 3)
        self._tag("picture", [value.media_type, value.base64])

    def _list(self, value: list[Any], depth: int) -> None:
        self._needs(2 * len(value) + 1)
        if self._at_once(value):
            return
        self._put("[")
        self._items(value, depth)
        self._put("]")

    def _tagged_list(self, value: tuple[Any, ...] | set[Any] | frozenset[Any], depth: int) -> None:
        self._needs(2 * len(value))
        self._put(f'{{"${type(value).__name__}":[')
        if type(value) is tuple:
            self._items(value, depth)
        else:
            self._in_order(value, depth)
        self._put("]}")

    def _items(self, items: Iterable[Any], depth: int) -> None:
        for number, each in enumerate(items):
            if number:
                self._put(",")
            self.write(each, depth)

    def _in_order(self, items: Iterable[Any], depth: int) -> None:
        """Write the items of a set in the order of their texts: the same set is the same text in every process."""
        begin, texts = len(self.pieces), []
        for each in items:
            at = len(self.pieces)
            self.write(each, depth)
            texts.append("".join(self.pieces[at:]))
            del self.pieces[at:]
        self._put("," * max(0, len(texts) - 1))
        self.pieces[begin:] = [",".join(sorted(texts))]

    def _at_once(self, value: list[Any] | dict[Any, Any]) -> bool:
        """Write a container of what JSON has too, and return whether it is one."""
        try:
            text = as_json(value, self._room) if len(value) >= _FEWEST else None
        except OverflowError:
            raise _NotWrittenError from None
        if text is not None:
            self._put(text)
        return text is not None

    def _dict(self, value: dict[Any, Any], depth: int) -> None:
        self._needs(3 * len(value) + 1)
        if self._at_once(value):
            return
        plain = all(type(key) is str and key[:1] != "$" and _is_text(key) for key in value)
        self._put("{" if plain else '{"$dict":[')
        for number, (key, each) in enumerate(value.items()):
            self._put("," if number else "")
            self._put("" if plain else "[")
            self.write(key, depth)
            self._put(":" if plain else ",")
            self.write(each, depth)
            self._put("" if plain else "]")
        self._put("}" if plain else "]}")


def _is_offset(zone: Any) -> bool:
    """Return whether the time zone is an offset, and nothing that an offset does not tell."""
    return type(zone) is timezone and len(zone.__getinitargs__()) == 1  # type: ignore[attr-defined]


def _is_text(value: str) -> bool:
    try:
        return value.isascii() or bool(value.encode("utf-8"))
    except UnicodeEncodeError:
        return False


_CONTAINERS: dict[type, Callable[[_Writer, Any, int], None]] = {
    list: _Writer._list,  # noqa: SLF001 - all of this class
    dict: _Writer._dict,  # noqa: SLF001
    **dict.fromkeys((tuple, set, frozenset), _Writer._tagged_list),  # noqa: SLF001
}

_WRITERS: dict[type, Callable[[_Writer, Any], None]] = {
    **dict.fromkeys((bool, type(None)), _Writer._word),  # noqa: SLF001
    int: _Writer._int,  # noqa: SLF001
    float: _Writer._float,  # noqa: SLF001
    str: _Writer._str,  # noqa: SLF001
    **dict.fromkeys((bytes, bytearray), _Writer._bytes),  # noqa: SLF001
    complex: _Writer._complex,  # noqa: SLF001
    range: _Writer._range,  # noqa: SLF001
    Decimal: _Writer._decimal,  # noqa: SLF001
    Fraction: _Writer._fraction,  # noqa: SLF001
    date: _Writer._date,  # noqa: SLF001
    **dict.fromkeys((datetime, time), _Writer._time),  # noqa: SLF001
    timedelta: _Writer._timedelta,  # noqa: SLF001
    **dict.fromkeys(_PATHS, _Writer._path),  # noqa: SLF001
    Picture: _Writer._picture,  # noqa: SLF001
}
