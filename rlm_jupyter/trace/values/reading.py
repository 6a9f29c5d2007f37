"""Reads what ``writing`` wrote: hostile text gives a ``ValueError``, and runs nothing."""

from __future__ import annotations

import base64
import binascii
import json
import math
import pathlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from rlm_jupyter.core.pictures import MEDIA_TYPES, Picture

from . import NotRecordedError
from .plain import LONGEST_OF_SEVERAL, ZONE
from .tables import CELLS_PER_CHARACTER, FREE_CELLS, READERS

__all__ = ["check", "read"]

_DEPTH = 200
"""Containers within each other; of what is written, each takes two at most."""

_LIKE = 64
"""Items of a set or dict that may have one hash: each is compared with all of these."""

_HEXADECIMAL = re.compile(r"-?[0-9a-f]+", re.ASCII)
_SOURCES = {
    "module": "the module {0}",
    "import": "{0}",
    "source": "{0[0]}, which the notebook defined",
    "instance": "an object of the class {0[0]}, which the notebook defined",
}
_PATHS: Mapping[str, type[pathlib.PurePath]] = {
    "PosixPath": pathlib.Path,
    "WindowsPath": pathlib.Path,
    "PurePosixPath": pathlib.PurePosixPath,
    "PureWindowsPath": pathlib.PureWindowsPath,
}


def read(text: str, namespace: dict[str, Any] | None) -> Any:
    """Return the value. With a namespace, modules are imported and sources run in it; without one nothing is run.

    Raises ``ValueError`` for what is no value, and ``NotRecordedError`` for what cannot be had without more.
    """
    return _read(text, _Reader(namespace, FREE_CELLS + CELLS_PER_CHARACTER * len(text)))


def check(text: str) -> None:
    """Raise what ``read`` does for what is plainly no value; sets, dicts, zones and tables are not made."""
    _read(text, _Reader(None, None))


def _read(text: str, reader: _Reader) -> Any:
    try:
        return reader.value(json.loads(text, parse_constant=_refuse), _DEPTH)
    except NotRecordedError:
        raise
    except ImportError as error:
        msg = f"The value needs the package {error.name}, which is not installed here: pip install {error.name}"
        raise NotRecordedError(msg) from error
    except _UNFIT as error:
        msg = f"This is no value that a trace holds, or it is damaged ({type(error).__name__})."
        raise ValueError(msg) from error


class _Reader:
    """Makes the values; ``room`` is how many characters arrays of texts may take, None when nothing is to be made."""

    def __init__(self, namespace: dict[str, Any] | None, room: int | None) -> None:
        self._namespace = namespace
        self._room = room

    def value(self, told: Any, depth: int) -> Any:
        """Return the value that is told; of a container its items are read first."""
        kind = type(told)
        if kind is not list and kind is not dict:
            return told
        if depth == 0:
            msg = "It is too deep."
            raise ValueError(msg)
        if kind is list:
            return [self.value(each, depth - 1) for each in told]
        tag = next(iter(told)) if len(told) == 1 else ""
        if tag[:1] == "$":
            return self._tagged(tag[1:], told[tag], depth - 1)
        return {key: self.value(each, depth - 1) for key, each in told.items()}

    def _tagged(self, name: str, told: Any, depth: int) -> Any:
        if name in _SOURCES:
            return self._made_again(name, told, depth)
        plain, made, table = _PLAIN.get(name), _MADE.get(name), READERS.get(name)
        if plain is not None:
            return plain(self.value(told, depth))
        if made is None and table is None:
            msg = f"There is no ${name}."
            raise ValueError(msg)
        parts = self.value(told, depth)
        if self._room is None:
            return None
        return made(parts) if made is not None else table(parts, self._takes)  # type: ignore[misc]

    def _takes(self, characters: int) -> None:
        """Count what an array takes. Raises ``ValueError`` when it is much more than its text."""
        self._room = (self._room or 0) - characters
        if self._room < 0:
            msg = "It takes much more memory than its text."
            raise ValueError(msg)

    def _made_again(self, name: str, told: Any, depth: int) -> Any:
        texts, count = (told, 2) if name == "source" else ([told], 1)
        if name == "instance" and type(told) is list and len(told) == 3 and type(told[2]) is dict:
            texts, count = told[:2], 2
            told = [*texts, self.value(told[2], depth)]
        if type(texts) is not list or len(texts) != count or not all(type(each) is str for each in texts):
            msg = f"This is no ${name}."
            raise ValueError(msg)
        shown = _SOURCES[name].format(told)[:200]
        if self._namespace is None:
            msg = f"The value is {shown}. Only a replay makes it again, for that runs what the trace names."
            raise NotRecordedError(msg)
        from .sources import made_again

        try:
            return made_again(name, told, self._namespace)
        except Exception as error:  # the source, or what is imported, may raise anything
            msg = f"The value is {shown}, and it could not be made again: {type(error).__name__}: {error}"
            raise NotRecordedError(msg) from error


def _refuse(name: str) -> Any:
    msg = f"{name} is not how a number is told."
    raise ValueError(msg)


def _text(told: Any) -> str:
    if type(told) is not str:
        raise TypeError
    return told


def _ints(told: Any, count: int) -> list[int]:
    """Return so many whole numbers, none of which is so large that reckoning with it takes time."""
    if type(told) is not list or len(told) != count or not all(type(each) is int for each in told):
        raise TypeError
    if any(each.bit_length() > LONGEST_OF_SEVERAL for each in told):
        raise OverflowError
    return told


def _bytes(told: Any) -> bytes:
    return base64.b64decode(_text(told), validate=True)


def _int(told: Any) -> int:
    if _HEXADECIMAL.fullmatch(told) is None:
        raise binascii.Error
    return int(told, 16)


def _float(told: Any) -> float:
    value = float(_text(told))
    if math.isfinite(value):
        msg = "Such a number is told as it is."
        raise ValueError(msg)
    return value


def _complex(told: Any) -> complex:
    if not all(type(each) in (int, float) for each in told):
        raise TypeError
    return complex(*told)


def _path(told: list[str]) -> pathlib.PurePath:
    kind, text = told
    return _PATHS[kind](_text(text))


def _picture(told: list[str]) -> Picture:
    media_type, held = told
    if media_type not in MEDIA_TYPES:
        msg = "This is no picture."
        raise ValueError(msg)
    return Picture(media_type, _bytes(held))


def _zoned(told: Any) -> datetime | time:
    """Return a time with a zone that has a name, or one that was twice on its day."""
    kind, text, key, fold = told
    if key is not None and not ZONE.fullmatch(key):
        msg = "This is no time zone."
        raise ValueError(msg)
    value: datetime | time = {"datetime": datetime, "time": time}[kind].fromisoformat(text)  # type: ignore[attr-defined]
    return value.replace(tzinfo=None if key is None else ZoneInfo(key), fold=_ints([fold], 1)[0])


def _list(told: Any) -> list[Any]:
    if type(told) is not list:
        msg = "Items are told as a list."
        raise TypeError(msg)
    return told


def _hashed(items: Iterable[Any]) -> None:
    """Raise ``ValueError`` when many of these have one hash, as no data has: they would take hours to be told apart."""
    like = Counter(map(hash, items))
    if like and max(like.values()) > _LIKE:
        msg = "The items are made to be alike."
        raise ValueError(msg)


def _set(told: Any) -> set[Any]:
    _hashed(_list(told))
    return set(told)


def _dict(told: Any) -> dict[Any, Any]:
    pairs = [(key, value) for key, value in _list(told)]
    _hashed(key for key, _ in pairs)
    return dict(pairs)


_PLAIN: Mapping[str, Callable[[Any], Any]] = {
    "int": _int,
    "float": _float,
    "str": lambda told: _bytes(told).decode("utf-8", "surrogatepass"),
    "bytes": _bytes,
    "bytearray": lambda told: bytearray(_bytes(told)),
    "complex": _complex,
    "range": lambda told: range(*_ints(told, 3)),
    "decimal": lambda told: Decimal(_text(told)),
    "fraction": lambda told: Fraction(*_ints(told, 2)),
    "date": date.fromisoformat,
    "datetime": datetime.fromisoformat,
    "time": time.fromisoformat,
    "timedelta": lambda told: timedelta(*_ints(told, 3)),
    "path": _path,
    "picture": _picture,
    "tuple": lambda told: tuple(_list(told)),
}
"""What makes a value, in time and memory by the length of its text."""

_MADE: Mapping[str, Callable[[Any], Any]] = {
    "set": _set,
    "frozenset": lambda told: frozenset(_set(told)),
    "dict": _dict,
    "zoned": _zoned,
}
"""What makes a value whose items may be made to take more, or that looks at the machine's files of time zones."""

_UNFIT = (ArithmeticError, AttributeError, LookupError, MemoryError, OSError, RecursionError, TypeError, ValueError)
"""What Python, numpy and pandas have against parts that do not fit each other."""
