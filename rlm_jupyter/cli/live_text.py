"""What the model writes, shown in the terminal as it comes."""

from __future__ import annotations

import threading
from typing import TextIO

from rlm_jupyter.trace.artifacts.inert import without_controls

__all__ = ["LiveText"]


class LiveText:
    """Writes the pieces of replies to a terminal, and begins a line of its own whenever somebody else writes.

    Safe to use from any thread. A terminal obeys control characters, so none of the model's gets there.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._within_line = False
        self._lock = threading.Lock()

    def __call__(self, piece: str | None) -> None:
        """Write a piece of a reply; None takes back what came of it, which is asked for anew."""
        text = "\n(the connection broke: once more)\n" if piece is None else without_controls(piece)
        if not text:
            return
        with self._lock:
            self._stream.write(text)
            self._stream.flush()
            self._within_line = not text.endswith("\n")

    def write(self, text: str) -> int:
        """Write lines of somebody else's."""
        with self._lock:
            if self._within_line:
                self._stream.write("\n")
                self._within_line = False
            return self._stream.write(text)

    def flush(self) -> None:
        """Flush the terminal."""
        self._stream.flush()
