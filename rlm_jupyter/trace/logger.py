"""Keeps what happened: in memory, and as JSON lines in a folder."""

from __future__ import annotations

import os
import secrets
import threading
import weakref
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from .artifacts.trajectory import trajectory
from .files.jsonl import JSONLFile
from .schema import ROOT_SPAN, Event, SpanEnd
from .trace import Trace

__all__ = ["RLMLogger", "logger_of"]

_loggers: weakref.WeakValueDictionary[Path, RLMLogger] = weakref.WeakValueDictionary()


class RLMLogger:
    """Follows the runs of every ``RLM(logger=...)`` that it is given to.

    With ``log_dir`` each event is appended to ``log_file_path``, a file of its own for each logger; without, nothing is
    written. Raises ``OSError`` when the folder cannot be made.
    """

    def __init__(self, log_dir: str | os.PathLike[str] | None = None, file_name: str = "rlm") -> None:
        self.log_dir = os.fspath(log_dir) if log_dir is not None else None
        self.log_file_path: str | None = None
        self.run_ended: list[Callable[[], None]] = []
        """Called after each run, on the thread where it ended."""
        self._file: JSONLFile | None = None
        self._runs: dict[str, Trace] = {}
        self._lock = threading.Lock()
        if self.log_dir is not None:
            Path(self.log_dir).mkdir(parents=True, exist_ok=True)
            timestamp = datetime.now().astimezone().strftime("%Y-%m-%d_%H-%M-%S")
            path = Path(self.log_dir) / f"{file_name}_{timestamp}_{secrets.token_hex(4)}.jsonl"
            self.log_file_path = str(path)
            self._file = JSONLFile(path)
            _loggers[path.resolve()] = self

    def sink(self, event: Event) -> None:
        """Take in one event. Raises ``OSError`` when the log cannot be written."""
        with self._lock:
            if event.run_id not in self._runs:
                # A trajectory is of one run: the one that began last. Others are kept while they are under way.
                self._runs = {run_id: trace for run_id, trace in self._runs.items() if trace.status is None}
                self._runs[event.run_id] = Trace()
            self._runs[event.run_id].add(event)
        if self._file is not None:
            self._file(event)
        if isinstance(event, SpanEnd) and event.span_id == ROOT_SPAN:
            for tell in tuple(self.run_ended):
                tell()

    def get_trajectory(self) -> dict[str, Any] | None:
        """Return ``run_metadata`` and ``iterations`` of the run that began last; None before there is one."""
        with self._lock:
            trace = next(reversed(self._runs.values()), None)
            return trajectory(trace) if trace is not None and trace.root is not None else None

    @property
    def iteration_count(self) -> int:
        """How many iterations the run that began last has ended."""
        with self._lock:
            trace = next(reversed(self._runs.values()), None)
            return sum(span.end is not None for span in trace.iterations) if trace is not None else 0

    def close(self) -> None:
        """Close the log's file; the next event opens it again."""
        if self._file is not None:
            self._file.close()


def logger_of(log_path: str | os.PathLike[str]) -> RLMLogger | None:
    """Return the logger of this process that writes this log, or None."""
    return _loggers.get(Path(log_path).resolve())
