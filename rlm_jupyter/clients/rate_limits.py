"""What a server's headers say about when to come back."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

__all__ = ["pause_until_reset", "retry_after", "should_retry"]

_LONGEST_PAUSE = 30.0  # seconds; a limit for the day is better asked about now and then
_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")
_UNITS = (86_400.0, 3_600.0, 60.0, 1.0, 0.001)  # seconds, in the order of the groups


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return in how many seconds the server wants to be asked again: ``Retry-After``, or the same in ms."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    said = headers.get("retry-after")
    seconds = _number(said)
    if seconds is not None or not said:
        return seconds
    try:
        return max(0.0, parsedate_to_datetime(said).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def should_retry(headers: Mapping[str, str]) -> bool | None:
    """Return what the server says of repeating the request, in OpenAI's header; None where it says nothing."""
    return {"true": True, "false": False}.get(headers.get("x-should-retry", "").lower())


def pause_until_reset(headers: Mapping[str, str]) -> float:
    """Return for how many seconds nothing more is to be sent: until a limit that is used up is reset, 30 s at most."""
    pause = 0.0
    for kind in ("requests", "tokens"):
        if _number(headers.get(f"x-ratelimit-remaining-{kind}")) == 0:
            pause = max(pause, _duration(headers.get(f"x-ratelimit-reset-{kind}", "")))
    return min(pause, _LONGEST_PAUSE)


def _duration(said: str) -> float:
    """Return the seconds in ``6m0s``, ``20ms``, ``2m59.56s`` or ``1.5``; 0 for anything else."""
    found = _DURATION.fullmatch(said.strip())
    if found is None:
        return _number(said) or 0.0
    return sum(float(number) * unit for number, unit in zip(found.groups(), _UNITS, strict=True) if number)


def _number(said: str | None) -> float | None:
    """Return a number that is not below 0."""
    if not said:
        return None
    try:
        number = float(said)
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None
