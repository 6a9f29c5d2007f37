"""Collects what one cell puts out, in nbformat's shape and order, and keeps it within bounds."""

from __future__ import annotations

import re
import threading
from typing import Any

from .mime_data import held

__all__ = ["Sink"]

_TEXT_LIMIT = 2_000_000
"""Characters kept of one run of stream output: endless printing must not fill the memory."""

_OUTPUTS_LIMIT = 500
"""Outputs kept of one cell; beyond it, streams are no longer told apart by when they were written to."""

_OVERWRITTEN = re.compile(r"^[^\n]*\r(?=[^\n\r])", re.MULTILINE)


class _StreamText:
    """Text of one stream, of which head and tail are kept once it is too long."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._head: list[str] = []
        self._tail: list[str] = []
        self._head_size = self._tail_size = self._lost = 0

    def write(self, text: str) -> None:
        room = _TEXT_LIMIT // 2 - self._head_size
        if room > 0:
            self._head.append(text[:room])
            self._head_size += min(room, len(text))
            text = text[room:]
        if text:
            self._tail.append(text)
            self._tail_size += len(text)
        if self._tail_size > _TEXT_LIMIT:  # twice what is kept, so that each character is copied about once
            self._cut_tail()

    def text(self) -> str:
        self._cut_tail()
        gap = f"\n[... {self._lost:,} characters left out ...]\n" if self._lost else ""
        whole = "".join([*self._head, gap, *self._tail])
        # What a progress bar overwrote is not on a person's screen either.
        return _OVERWRITTEN.sub("", whole) if "\r" in whole else whole

    def _cut_tail(self) -> None:
        excess = self._tail_size - _TEXT_LIMIT // 2
        if excess > 0:
            self._tail = ["".join(self._tail)[excess:]]
            self._tail_size -= excess
            self._lost += excess

    def output(self) -> dict[str, Any]:
        return {"output_type": "stream", "name": self.name, "text": self.text()}


class Sink:
    """Collects the outputs of one cell in nbformat's shape and order. Safe to write to from any thread."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._outputs: list[_StreamText | dict[str, Any]] = []
        self._display_ids: dict[str, dict[str, Any]] = {}
        self._clear_next = False
        self._dropped = 0

    def write(self, name: str, text: str) -> None:
        """Add text to the stream ``name`` (``stdout`` or ``stderr``)."""
        if not text:
            return
        with self._lock:
            self._clear_if_due()
            self._stream(name).write(text)

    def display(self, data: dict[str, Any], metadata: dict[str, Any], display_id: str | None, *, update: bool) -> None:
        """Add a rich output, or replace those that carry the same display id."""
        with self._lock:
            shown = self._display_ids.get(display_id) if display_id else None
            if update and shown is not None:
                shown["data"], shown["metadata"] = held(data), metadata
                return
            output = {"output_type": "display_data", "data": held(data), "metadata": metadata}
            self._add(output)
            if display_id:
                self._display_ids[display_id] = output

    def result(self, data: dict[str, Any], metadata: dict[str, Any]) -> None:
        """Add the value of the cell's last expression."""
        output = {"output_type": "execute_result", "data": held(data), "metadata": metadata}
        with self._lock:
            self._add({**output, "execution_count": None})

    def clear(self, *, wait: bool) -> None:
        """Drop what was put out so far; with ``wait``, once something new comes."""
        with self._lock:
            self._clear_next = True
            if not wait:
                self._clear_if_due()

    def take(self) -> list[dict[str, Any]]:
        """Return the outputs so far and begin anew."""
        with self._lock:
            if self._dropped:
                self._stream("stderr").write(f"[... {self._dropped:,} displays left out ...]\n")
            taken = [each.output() if isinstance(each, _StreamText) else each for each in self._outputs]
            self._clear_next = True
            self._clear_if_due()
            return taken

    def _stream(self, name: str) -> _StreamText:
        streams = [each for each in self._outputs[-1:] if isinstance(each, _StreamText) and each.name == name]
        if not streams and len(self._outputs) >= _OUTPUTS_LIMIT:
            streams = [each for each in self._outputs if isinstance(each, _StreamText) and each.name == name]
        if not streams:
            streams = [_StreamText(name)]
            self._outputs += streams
        return streams[-1]

    def _add(self, output: dict[str, Any]) -> None:
        self._clear_if_due()
        if len(self._outputs) < _OUTPUTS_LIMIT:
            self._outputs.append(output)
        else:
            self._dropped += 1

    def _clear_if_due(self) -> None:
        if self._clear_next:
            self._clear_next = False
            self._outputs = []
            self._display_ids = {}
            self._dropped = 0
