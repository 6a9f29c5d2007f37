"""Traces as JSON lines: one event a line, appended as it comes. Several runs may stand in one file."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TextIO

from rlm_jupyter.trace.schema import ROOT_SPAN, Event, SpanEnd, SpanStart
from rlm_jupyter.trace.trace import Trace

from .lines import event_of
from .versions import TraceVersionError

__all__ = ["JSONLFile", "LogReader", "TraceVersionError"]


class JSONLFile:
    """A sink that appends events to a file, and makes it with its folders. Safe to use from any thread.

    The file is open while a run is under way.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._file: TextIO | None = None
        self._running: set[str] = set()
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        """Append one event. Raises ``OSError`` when the file cannot be written."""
        line = f"{event.model_dump_json()}\n"
        with self._lock:
            if self._file is None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._file = self.path.open("a", encoding="utf-8", newline="\n")
            self._file.write(line)
            self._file.flush()
            if isinstance(event, SpanStart | SpanEnd) and event.span_id == ROOT_SPAN:
                (self._running.add if isinstance(event, SpanStart) else self._running.discard)(event.run_id)
            if not self._running:
                self._close()

    def close(self) -> None:
        """Close the file; the next event opens it again."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


class LogReader:
    """Reads a log that may still be growing: each ``read`` takes in the lines that were completed since the last."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._traces: dict[str, Trace] = {}
        self._offset = 0
        self._lines = 0
        self._newer = 0
        self._damaged: list[int] = []

    @property
    def traces(self) -> list[Trace]:
        """The runs read so far, in the order in which they began."""
        return list(self._traces.values())

    @property
    def damaged(self) -> tuple[int, ...]:
        """The numbers of the lines, from 1, that could not be read and were passed over."""
        return tuple(self._damaged)

    def read(self, *, to_end: bool = False) -> bool:
        """Return whether there were new events; with ``to_end`` a last line without a line break is read too.

        Raises ``FileNotFoundError``, and ``TraceVersionError`` when a newer version wrote into the log.
        """
        with self.path.open("rb") as log:
            log.seek(self._offset)
            text = log.read()
        end = len(text) if to_end else text.rfind(b"\n") + 1
        self._offset += end
        new = False
        for line in text[:end].splitlines():
            self._lines += 1
            new = (bool(line.strip()) and self._take(line)) or new
        return new

    def _take(self, line: bytes) -> bool:
        try:
            event = event_of(line, self.path.name)
        except TraceVersionError:
            self._newer += 1
            if not self._traces or self._newer > 1:  # a single line is one with a flipped bit
                raise
            event = None
        if event is None:
            self._damaged.append(self._lines)
            self._tell_damage()
            return False
        trace = self._traces.setdefault(event.run_id, Trace())
        trace.add(event)
        return True

    def _tell_damage(self) -> None:
        for trace in self._traces.values():
            if trace.status is None:
                trace.damage = f"The log {self.path.name} is damaged at line {self._lines}: events may be missing."
