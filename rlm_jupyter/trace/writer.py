"""Writes traces into the notebook beside the user's, and never over anything that somebody else wrote."""

from __future__ import annotations

import errno
import json
import logging
import os
import re
import secrets
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .artifacts.notebook import has_run, run_cells, session_of
from .digest import cell_digest, cells_digest
from .notebook_text import CellsText, notebook_text
from .trace import Trace

__all__ = ["TraceNotebook", "trace_path_for"]

_log = logging.getLogger(__name__)

_TRACE_NAME = re.compile(r"\.trace(?:-\d+)?\.ipynb\Z")


def trace_path_for(notebook_path: str | os.PathLike[str]) -> Path | None:
    """Return where the trace of a notebook goes: ``analysis.ipynb`` has ``analysis.trace.ipynb`` beside it.

    None for a trace notebook: a run in one is looked at where it is, and traces of traces would litter the folder.
    """
    path = Path(notebook_path)
    if _TRACE_NAME.search(path.name):
        return None
    stem = path.stem if path.suffix == ".ipynb" else path.name
    return path.with_name(f"{stem}.trace.ipynb")


@dataclass(frozen=True, slots=True)
class _WrittenRun:
    events: int  # of how many it was rendered
    first: int  # the execution count of its first code cell
    cells: CellsText


class TraceNotebook:
    """A trace notebook on disk. Safe to use from any thread.

    A file that is not ours, or that the user edited, stays as it is: the next free ``name.trace-2.ipynb`` is written
    and kept to. What earlier sessions left in a file of ours stays in front of what this one writes. Only runs with new
    events are rendered; the others are kept as they stand in the file.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).resolve()
        self._first_choice, self._number = self.path, 1
        self._earlier = CellsText.of([])
        self._earlier_runs: list[str] = []
        self._runs: dict[str, _WrittenRun] = {}
        self._session_id = ""
        self._seen: tuple[int, int] | None = None
        self._warned = False
        self._lock = threading.Lock()

    def write(self, traces: Sequence[Trace]) -> Path | None:
        """Write the traces of this session, and return the path.

        A trace that was written before is brought up to date; one that is no longer given stays as it was written.
        None when the file could not be written: that is said once, in the log, and ends nothing.
        """
        try:
            return self.save(traces)
        except OSError as error:
            if not self._warned:
                reason = error.strerror or str(error)
                _log.warning("The trace notebook %s could not be written (%s). The run goes on.", self.path, reason)
            self._warned = True
            return None

    def save(self, traces: Sequence[Trace]) -> Path:
        """Write the traces as ``write`` does. Raises ``OSError`` when the file cannot be written."""
        with self._lock:
            return self._save(traces)

    def _save(self, traces: Sequence[Trace]) -> Path:
        self._render(traces)
        if self._seen is None or self._state() != self._seen:
            self._settle()
        parts = [self._earlier, *(run.cells for run in self._runs.values())]
        _replace(self.path, notebook_text(parts, self._session_id, [*self._earlier_runs, *self._runs]))
        self._seen = self._state()
        return self.path

    def _render(self, traces: Sequence[Trace]) -> None:
        """Render the runs that have new events, and those whose code cells are numbered anew by that."""
        given = {trace.run_id: trace for trace in traces if has_run(trace)}
        first = 1
        for run_id in dict.fromkeys((*self._runs, *given)):
            trace, written = given.get(run_id), self._runs.get(run_id)
            if trace is not None and (written is None or (written.events, written.first) != (len(trace.events), first)):
                events = len(trace.events)
                written = _WrittenRun(events, first, CellsText.of(run_cells(trace, first)))
                self._runs[run_id] = written
                self._session_id = self._session_id or session_of(trace)
            first += written.cells.code_cells if written is not None else 0

    def _settle(self) -> None:
        """Find the file to write, and take over what others of us left in it."""
        while (cells := _our_cells(self.path)) is None:
            self._number += 1
            self.path = _numbered(self._first_choice, self._number)
        earlier = [cell for cell in cells if _run_of(cell) not in self._runs]
        self._earlier, self._earlier_runs = CellsText.of(earlier), list(dict.fromkeys(map(_run_of, earlier)))

    def _state(self) -> tuple[int, int] | None:
        """Return what tells whether the file changed: another program's write gives it another time or size."""
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return None
        return status.st_mtime_ns, status.st_size


def _our_cells(path: Path) -> list[dict[str, Any]] | None:
    """Return the cells of a trace notebook that nobody edited: none of no file, and None when it is not ours."""
    try:
        notebook = json.loads(path.read_bytes())
    except FileNotFoundError:
        return []
    except (ValueError, IsADirectoryError):
        return None
    try:
        cells, digest = notebook["cells"], notebook["metadata"]["rlm_jupyter"]["digest"]
        unedited = cells_digest(map(cell_digest, cells)) == digest and all(_run_of(cell) for cell in cells)
    except (KeyError, TypeError, AttributeError):
        return None
    return list(cells) if unedited else None


def _run_of(cell: Mapping[str, Any]) -> str:
    ours = cell["metadata"].get("rlm_jupyter")
    return str(ours.get("run_id", "")) if isinstance(ours, Mapping) else ""


def _numbered(path: Path, number: int) -> Path:
    return path if number == 1 else path.with_name(f"{path.stem}-{number}{path.suffix}")


def _replace(path: Path, text: Iterable[bytes]) -> None:
    """Put the text in place of the file's in one step: a reader sees the old one or the new one."""
    if path.exists() and not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, "the file is read-only", str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("wb") as file:
            file.writelines(text)
        if path.exists():
            temporary.chmod(path.stat().st_mode & 0o777)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
