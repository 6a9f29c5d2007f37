"""What cannot come out twice alike: times, addresses, names of temporary files, the order of a set."""

from __future__ import annotations

import base64
import binascii
import re
import struct
import time
from collections.abc import Callable, Iterator
from datetime import date, datetime, timezone

__all__ = ["Settled"]

_NEAR = 36 * 3600  # seconds around a moment in which a date is taken for its own, whatever the time zone

_MONTHS = {name: at for at, name in enumerate("jan feb mar apr may jun jul aug sep oct nov dec".split(), 1)}
_WEEKDAY = "(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]{0,6},? )?"
_MONTH = "(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}"

_ISO = re.compile(r"(?<!\d)(\d{4})([-/.]?)(\d\d)\2(\d\d)(?!\d)")
_CALL = re.compile(r"\b(?:datetime|date|Timestamp)\((\d{4}), (\d{1,2}), (\d{1,2})[^()]{0,200}(?:\([^()]{0,100}\))?\)")
_MONTH_FIRST = re.compile(rf"\b{_WEEKDAY}{_MONTH} +(\d{{1,2}})(?:,? [\d:. ]{{0,20}}?)? ?(\d{{4}})\b", re.IGNORECASE)
_DAY_FIRST = re.compile(rf"\b{_WEEKDAY}(\d{{1,2}}) {_MONTH} (\d{{4}})\b", re.IGNORECASE)
_EPOCH = re.compile(r"(?<![\d.])(\d{10})(\d{3}|\d{6}|\d{9})?(?:\.\d+)?(?!\d)")

_PLAIN = (
    (re.compile(r"\b(?:[0-9a-f]{32}|[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})\b"), "<uuid>"),
    (re.compile(r"\b0x[0-9a-fA-F]{6,16}\b"), "<address>"),
    (re.compile(r"(?<![\d.])(?:9[34]\d{12}|1[34]\d{13})(?![\d.])"), "<id>"),  # id() of objects on Linux
    (re.compile(r"\bT_[0-9a-f]{5}"), "<style>"),  # pandas' styled tables
    (re.compile(r"(?:/private)?(?:/var/folders/[^\s'\"<>,;)]+|(?:/var)?/tmp/[^\s'\"<>,;)]+)"), "<temporary file>"),
    (re.compile(r"(?<!\w)[A-Za-z]:\\[^\s'\"<>|:]{0,300}\\Temp\\[^\s'\"<>,;)]+"), "<temporary file>"),
    (re.compile(r"\btmp[a-z0-9_]{8}\b"), "<temporary file>"),
    (re.compile(r"(?<![\d:])(?:\d+ days?, )?\d{1,2}:\d\d:\d\d(?:[.,]\d+)?(?: ?[AP]M\b|Z|[+-]\d\d:?\d\d)?"), "<time>"),
    (re.compile(r"\bCPU times: [^\n]*"), "<duration>"),
    (re.compile(r"(?<![\d,])\d[\d,]{0,20} loops each\b"), "<loops>"),
    (re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?:e[-+]?\d+)? ?(?:ns|us|µs|μs|ms)\b"), "<duration>"),
    (re.compile(r"(?<![\w.])\d+\.\d+(?:e[-+]?\d+)? ?(?:s|sec|secs|seconds?|min|minutes?)\b"), "<duration>"),
)

_SET = re.compile(r"\{('[^'{}\\]*'(?:, '[^'{}\\]*')+)\}")
_ITEM = re.compile(r"'[^'{}\\]*'")

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_IN_BASE64 = re.compile(r"iVBORw0KGgo[A-Za-z0-9+/\n]+={0,2}")


class Settled:
    """Compares texts without regard to what cannot repeat.

    Dates and seconds since the epoch count as the moment's own only near it: ``recorded_at``, in such seconds, for what
    was recorded, and now for what was replayed. A date that the code read in its context is a date to be compared.
    """

    def __init__(self, recorded_at: float) -> None:
        self._recorded_at = recorded_at

    def same(self, recorded: str, replayed: str) -> bool:
        """Return whether the texts differ by nothing but what cannot repeat. Linear in the texts."""
        return _settled(recorded, self._recorded_at) == _settled(replayed, time.time())


def _settled(text: str, moment: float) -> str:
    text = _PNG_IN_BASE64.sub(lambda found: _without_png_metadata(found[0]), text)
    for pattern, instead in _PLAIN[:2]:
        text = pattern.sub(instead, text)
    text = _EPOCH.sub(_near(moment, _epoch), text)
    for pattern, read in ((_CALL, _numbers), (_ISO, _iso), (_MONTH_FIRST, _month_first), (_DAY_FIRST, _day_first)):
        text = pattern.sub(_near(moment, read), text)
    for pattern, instead in _PLAIN[2:]:
        text = pattern.sub(instead, text)
    text = re.sub(r"<date>[T ,]*<time>", "<date>", text)
    return _SET.sub(lambda found: "{" + ", ".join(sorted(_ITEM.findall(found[1]))) + "}", text)


def _near(moment: float, read: Callable[[re.Match[str]], float]) -> Callable[[re.Match[str]], str]:
    """Return what puts a mark in the place of a date that is near the moment, and leaves any other."""

    def replaced(found: re.Match[str]) -> str:
        try:
            at = read(found)
        except ValueError:  # no such day
            return found[0]
        return "<date>" if abs(at - moment) <= _NEAR else found[0]

    return replaced


def _noon(year: str, month: int, day: str) -> float:
    when = date(int(year), month, int(day))
    return datetime(when.year, when.month, when.day, 12, tzinfo=timezone.utc).timestamp()


def _numbers(found: re.Match[str]) -> float:
    return _noon(found[1], int(found[2]), found[3])


def _iso(found: re.Match[str]) -> float:
    return _noon(found[1], int(found[3]), found[4])


def _month_first(found: re.Match[str]) -> float:
    return _noon(found[3], _MONTHS[found[1].lower()], found[2])


def _day_first(found: re.Match[str]) -> float:
    return _noon(found[3], _MONTHS[found[2].lower()], found[1])


def _epoch(found: re.Match[str]) -> float:
    return float(found[1])


def _without_png_metadata(text: str) -> str:
    """Return the base64 of a PNG without the chunks that are no picture: texts, times, the program's name."""
    try:
        picture = base64.b64decode(text.replace("\n", ""), validate=True)
    except (binascii.Error, ValueError):
        return text
    chunks = b"".join(chunk for kind, chunk in _chunks(picture) if kind[:1].isupper())
    return base64.b64encode(chunks).decode("ascii") if chunks else text


def _chunks(picture: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield a PNG's chunks, each with its kind, which begins with a capital where it is part of the picture."""
    at = len(_PNG) if picture.startswith(_PNG) else len(picture)
    while at + 8 <= len(picture):
        size, kind = struct.unpack(">I4s", picture[at : at + 8])
        yield kind, picture[at : at + 12 + size]
        at += 12 + size
