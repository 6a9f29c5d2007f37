"""Keeps a trace notebook up to date with a log: the log is its source, and each end of a run the moment to write it."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path

from rlm_jupyter.trace.artifacts.markdown import render_completion
from rlm_jupyter.trace.files.jsonl import LogReader
from rlm_jupyter.trace.logger import RLMLogger, logger_of

from .writer import TraceNotebook

__all__ = [
    "TraceWriter",
    "enable_trace_notebook",
    "render_completion",
    "start_trace_writer",
    "stop_trace_writer",
]

_log = logging.getLogger(__name__)

_POLL = 1.0  # seconds; only for logs that another process writes


class TraceWriter:
    """Writes the notebook of one log until it is stopped."""

    def __init__(self, log_path: str | os.PathLike[str], notebook_path: str | os.PathLike[str] | None = None) -> None:
        self.log_path = Path(log_path)
        self._reader = LogReader(self.log_path)
        self._notebook = TraceNotebook(notebook_path if notebook_path is not None else _beside(self.log_path))
        self._logger = logger_of(self.log_path)
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._written_runs = 0
        self.written = threading.Event()
        """Set once the notebook has been written."""
        if self._logger is not None:
            self._logger.run_ended.append(self.update)
        else:
            threading.Thread(target=self._follow, name="rlm-jupyter-trace", daemon=True).start()

    @property
    def notebook_path(self) -> Path:
        """Where the notebook is; another name than the one asked for when that file is not ours to write."""
        return self._notebook.path

    def update(self) -> None:
        """Write the notebook when the log tells of runs that ended since it was written last."""
        self._write(unfinished=False)

    def stop(self) -> None:
        """Write the notebook a last time, with what there is of runs under way, and follow the log no more."""
        if self._stopped.is_set():
            return
        self._stopped.set()
        if self._logger is not None:
            self._logger.run_ended.remove(self.update)
        self._write(unfinished=True)

    def _follow(self) -> None:
        while not self._stopped.wait(_POLL):
            self.update()

    def _write(self, *, unfinished: bool) -> None:
        with self._lock:
            try:
                news = self._reader.read()
            except FileNotFoundError:
                return  # no run has begun
            except (OSError, ValueError) as error:
                self._stopped.set()
                _log.warning("The log %s is followed no more: %s", self.log_path, error)
                return
            ended = sum(trace.status is not None for trace in self._reader.traces)
            if ended > self._written_runs or (unfinished and (news or ended < len(self._reader.traces))):
                self._written_runs = ended
                if self._notebook.write(self._reader.traces) is not None:
                    self.written.set()


def enable_trace_notebook(
    log_dir: str | os.PathLike[str],
    file_name: str = "rlm",
    notebook_path: str | os.PathLike[str] | None = None,
) -> tuple[RLMLogger, TraceWriter]:
    """Return a logger for ``RLM(logger=...)``, and the handle of a trace notebook that follows its log.

    When no path is given, the notebook stands beside the log (``.trace.ipynb`` in place of ``.jsonl``). It is written
    at the end of each run.
    """
    logger = RLMLogger(log_dir, file_name)
    return logger, start_trace_writer(str(logger.log_file_path), notebook_path)


def start_trace_writer(
    log_path: str | os.PathLike[str], notebook_path: str | os.PathLike[str] | None = None
) -> TraceWriter:
    """Return the handle of a trace notebook that follows a log, which another process may be writing.

    A log of this process tells when there is something new; another's is looked at once a second.
    """
    return TraceWriter(log_path, notebook_path)


def stop_trace_writer(handle: TraceWriter) -> None:
    """Write the notebook a last time and follow its log no more. May be called twice."""
    handle.stop()


def _beside(log_path: Path) -> Path:
    stem = log_path.name.removesuffix(".jsonl")
    return log_path.with_name(f"{stem}.trace.ipynb")
