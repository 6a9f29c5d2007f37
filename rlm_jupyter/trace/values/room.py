"""Which values one trace holds in full, and how many characters of them it still takes."""

from __future__ import annotations

import threading
from typing import Any

from rlm_jupyter.trace.redaction import Redactor

__all__ = ["ValueRoom"]


class ValueRoom:
    """Counts the texts of values, each once, up to a limit. Safe to use from any thread.

    ``left`` is how many characters more there is room for.
    """

    def __init__(self, limit: int, redactor: Redactor) -> None:
        self.left = limit
        self._largest = 0
        self._held: set[str] = set()
        self._redactor = redactor
        self._lock = threading.Lock()

    def text_of(self, value: Any) -> str | None:
        """Return the value as text; None when it is no plain data, or too long for what is left."""
        from . import write_value

        room = max(self.left, self._largest)  # what is here already costs nothing
        return write_value(value, room) if room > 0 else None

    def holds(self, digest: str) -> bool:
        """Return whether the text of this digest was taken."""
        return digest in self._held

    def takes(self, digest: str, text: str) -> bool:
        """Count a text that the trace is to hold, and return whether it may: it fits, and no secret stands in it."""
        if digest in self._held:
            return True
        if len(text) > self.left or self._redactor.redact(text) != text:
            return False
        with self._lock:
            fits = digest in self._held or len(text) <= self.left
            if fits and digest not in self._held:
                self._held.add(digest)
                self.left -= len(text)
                self._largest = max(self._largest, len(text))
        return fits
