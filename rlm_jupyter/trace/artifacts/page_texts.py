"""The texts of a page: each once, by number, cut where they are long, and no more than a browser is to hold."""

from __future__ import annotations

from rlm_jupyter.core.observation import head_and_tail

from .inert import without_controls
from .room import Room

__all__ = ["PageTexts"]

_LONGEST = 200_000  # characters
_TOTAL = 24_000_000


class PageTexts:
    """Texts, as a page holds them; ``add`` numbers them from 0."""

    def __init__(self, total: int = _TOTAL) -> None:
        self.texts: list[str] = []
        self._numbers: dict[str, int] = {}
        self._room = Room(total)

    def add(self, text: str) -> int:
        """Return the number of a text; of one that there is no room for, that of a line which says so."""
        number = self._numbers.get(text)
        if number is None:
            shown = without_controls(head_and_tail(text, _LONGEST))
            if not self._room.take(len(shown)):
                shown = f"[{len(text):,} characters, for which this page has no room: the trace has them]"
            number = self._numbers[text] = len(self.texts)
            self.texts.append(shown)
        return number
