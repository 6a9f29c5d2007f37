"""Logs of the runs under way, where no server keeps them: if this kernel is killed, the next one can take them up."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from rlm_jupyter.trace.files.jsonl import JSONLFile
from rlm_jupyter.trace.schema import ROOT_SPAN, SpanEnd

if TYPE_CHECKING:
    from rlm_jupyter.trace.schema import Event
    from rlm_jupyter.trace.trace import Trace

__all__ = ["OpenLogs", "left_behind"]

_log = logging.getLogger(__name__)

_DAYS = 30
"""How long a log is kept that nobody takes up."""


class OpenLogs:
    """Writes each run down while it is under way, and deletes what it wrote when the run is over.

    The folder is in Jupyter's data directory, and for its owner only.
    """

    def __init__(self) -> None:
        self._open: dict[str, tuple[JSONLFile, str | None]] = {}

    def begin(self, run_id: str, resumes: str | None) -> None:
        """Keep the events of this run, which takes up the run ``resumes``, if one."""
        self._open[run_id] = (JSONLFile(_folder() / f"{run_id}.{os.getpid()}.jsonl"), resumes)

    def observe(self, event: Event) -> None:
        """Write an event of a run that is kept; with its last one the log goes. What is not written ends nothing."""
        log, resumes = self._open.get(event.run_id, (None, None))
        if log is None:
            return
        if isinstance(event, SpanEnd) and event.span_id == ROOT_SPAN:
            del self._open[event.run_id]
            log.close()
            _forget(log.path)
            if event.status == "ok" and resumes is not None:
                for path in _folder().glob(f"{resumes}.*.jsonl"):
                    _forget(path)
            return
        try:
            log(event)
        except OSError as error:
            del self._open[event.run_id]
            _log.warning("What this run does is not kept for another kernel (%s). It goes on.", error.strerror or error)


def left_behind(notebook: Path) -> list[Trace]:
    """Return the runs of this notebook that a kernel was killed in, in the order in which they began."""
    from rlm_jupyter.trace.files.errors import TraceFileError
    from rlm_jupyter.trace.files.opened import read_traces
    from rlm_jupyter.trace.files.versions import TraceVersionError

    found: list[Trace] = []
    for path in _abandoned():
        with suppress(OSError, TraceFileError, TraceVersionError):
            found += [trace for trace in read_traces(path) if trace.run.notebook == str(notebook)]
    return found


def _abandoned() -> Iterator[Path]:
    """Yield the logs whose kernels are gone; those that are too old are deleted."""
    for path in sorted(_folder().glob("*.jsonl")):
        with suppress(OSError):
            if path.stat().st_mtime < time.time() - _DAYS * 86_400:
                _forget(path)
            elif not _is_written(path):
                yield path


def _is_written(path: Path) -> bool:
    """Return whether the process that began the log is there: not another one that came to have its number."""
    import psutil

    run_id, process = path.stem.rpartition(".")[::2]
    try:
        began = int(run_id[:12], 16) / 1000  # milliseconds, which a run's id begins with
        return bool(psutil.Process(int(process)).create_time() < began + 1)
    except (ValueError, psutil.NoSuchProcess):
        return False
    except psutil.AccessDenied:
        return True


def _folder() -> Path:
    from jupyter_core.paths import jupyter_data_dir

    folder = Path(jupyter_data_dir()) / "rlm_jupyter" / "under_way"
    with suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _forget(path: Path) -> None:
    with suppress(OSError):
        path.unlink()
