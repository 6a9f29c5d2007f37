"""A reply that is being written: what of it can be told already, in which no half of a secret stands."""

from __future__ import annotations

import re
import string

from .key_shapes import SHAPES
from .redaction import Redactor

__all__ = ["LiveText"]

_KEY_CHARACTERS = f"{string.ascii_letters}{string.digits}_-.+/=~%:@\\"
"""What keys and passwords in URLs are made of, escapes included: a word of these may go on as one."""

_BEGUN = re.compile(
    r"(?:Bearer|bearer|BEARER)\s{0,8}\Z"
    r"|-----BEGIN [A-Z0-9 ]{0,60}\Z"
    r"|-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?:(?!-----END [A-Z0-9 ]{0,40}PRIVATE KEY)[\s\S])*\Z",
    re.ASCII,
)
"""What announces a secret that is not there yet."""


class LiveText:
    """The pieces of one reply. What they cost is linear in the text, a piece itself next to nothing."""

    __slots__ = ("_looked_at", "_redactor", "_told", "_waiting", "_whole", "told_at")

    def __init__(self, redactor: Redactor, now: float) -> None:
        self._redactor = redactor
        self._whole: list[str] = []
        self._waiting: list[str] = []
        self._looked_at = 0  # of those that wait: no word ends in them
        self._told = False
        self.told_at = now
        """When something was told at last, or the first piece came."""

    def add(self, piece: str) -> None:
        """Take in a piece."""
        self._whole.append(piece)
        self._waiting.append(piece)

    def clear(self) -> bool:
        """Forget all pieces, and return whether anything of them was told."""
        told, self._told = self._told, False
        self._whole, self._waiting, self._looked_at = [], [], 0
        return told

    def more(self) -> str:
        """Return what can be told now and was not told yet, without secrets; the word that is being written waits."""
        count = len(self._waiting)
        if self._looked_at and not any(
            piece.rstrip(_KEY_CHARACTERS) for piece in self._waiting[self._looked_at : count]
        ):
            self._looked_at = count
            return ""
        text = "".join(self._waiting[:count])
        end = len(self._certain(text.rstrip(_KEY_CHARACTERS)))
        self._waiting[:count] = [text[end:]] if end < len(text) else []
        self._looked_at = 1 if end < len(text) else 0
        self._told = self._told or end > 0
        return self._redactor.redact(text[:end])

    def broken_off(self) -> str:
        """Return all that came of a reply of which no more will come, without half a secret at its end."""
        text = "".join(self._whole)
        words = text.rstrip(_KEY_CHARACTERS)
        last = text[len(words) :]
        is_key = _BEGUN.search(words) is not None or any(shape.marker in last for shape in SHAPES)
        return self._certain(words if is_key else text)

    def _certain(self, text: str) -> str:
        """Return the beginning of the text in which no later text can find a secret."""
        begun = _BEGUN.search(text)
        return self._redactor.settled(text[: begun.start()] if begun is not None else text)
