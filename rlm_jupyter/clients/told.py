"""What a server or a library told in a reply, as far as it is what it should be: None where it is not."""

from __future__ import annotations

import math

from rlm_jupyter.core.usage import Usage

from .retries import GarbledReplyError

__all__ = ["UNCOUNTED", "count", "dollars", "text", "without_choice"]

UNCOUNTED = "The server did not say how many tokens it took."
"""The note on a reply without usage."""


def text(told: object) -> str | None:
    """Return a string."""
    return told if isinstance(told, str) else None


def count(told: object) -> int | None:
    """Return a number of tokens."""
    return told if isinstance(told, int) and not isinstance(told, bool) and told >= 0 else None


def dollars(told: object) -> float | None:
    """Return a cost in US dollars."""
    if not isinstance(told, int | float) or isinstance(told, bool):
        return None
    return float(told) if math.isfinite(told) and told >= 0 else None


def without_choice(who: str, retries: int, spent: Usage | None) -> GarbledReplyError:
    """Return the error for a reply in which there is none."""
    msg = f"{who} sent a reply without any choice in it: ask again, or use another model."
    return GarbledReplyError(msg, retryable=True, retries=retries, spent=spent)
