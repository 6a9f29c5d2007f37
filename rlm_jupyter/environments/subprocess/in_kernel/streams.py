"""Keeps what a cell prints within bounds: a backlog would outlast the patience with a cell that is ended."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

__all__ = ["Bounded"]

_KEPT = 900_000  # characters of head, and of tail, of one stream and cell; the host keeps a few more


class Bounded:
    """Stands before a stream's ``write`` for a cell: sends the first text on, and of the rest the tail at the end.

    Made anew for each cell, because IPython has a ``write`` of its own for each. Safe to use from any thread.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._send = stream.write
        self._lock = threading.RLock()
        self._room = _KEPT
        self._tail: deque[str] = deque()
        self._tail_size = self._lost = 0
        stream.write = self.write

    def write(self, text: str) -> int:
        """Take text as the stream does, and return its length."""
        if not isinstance(text, str):
            return int(self._send(text))  # which refuses it
        with self._lock:
            head, rest = text[: self._room], text[self._room :]
            if head:
                self._room -= len(head)
                self._send(head)
            if rest:
                self._hold(rest)
        return len(text)

    def end(self) -> None:
        """Send what is held, and stand aside."""
        if self._stream.write == self.write:
            self._stream.write = self._send
        with self._lock:
            if self._lost:
                self._send(f"\n[... {self._lost:,} characters left out ...]\n")
            if self._tail:
                self._send("".join(self._tail))
            self._tail.clear()
            self._tail_size = self._lost = 0
            self._room = _KEPT

    def _hold(self, text: str) -> None:
        self._tail.append(text)
        self._tail_size += len(text)
        while self._tail_size > _KEPT:
            excess = self._tail_size - _KEPT
            first = self._tail.popleft()
            kept = first[excess:] if len(first) > 2 * excess or not self._tail else ""
            if kept:
                self._tail.appendleft(kept)
            self._tail_size -= len(first) - len(kept)
            self._lost += len(first) - len(kept)
