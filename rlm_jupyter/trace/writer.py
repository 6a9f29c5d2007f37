"""Writes traces into the notebook beside the user's, and never over anything that somebody else wrote."""

from __future__ import annotations

import errno
import json
import logging
import os
import re
import secrets
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .artifacts.notebook import RenderedRuns, notebook_of, to_notebook
from .digest import cells_digest
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


class TraceNotebook:
    """A trace notebook on disk. Safe to use from any thread.

    A file that is not ours, or that the user edited, stays as it is: the next free ``name.trace-2.ipynb`` is written
    and kept to. What earlier sessions left in a file of ours stays in front of what this one writes.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).resolve()
        self._first_choice, self._number = self.path, 1
        self._earlier: list[dict[str, Any]] = []
        self._rendered: RenderedRuns = {}
        self._seen: tuple[int, int] | None = None
        self._warned = False
        self._lock = threading.Lock()

    def write(self, traces: Sequence[Trace]) -> Path | None:
        """Write all the traces of this session, in place of what it wrote before, and return the path.

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
        """Write all the traces as ``write`` does. Raises ``OSError`` when the file cannot be written."""
        with self._lock:
            return self._save(traces)

    def _save(self, traces: Sequence[Trace]) -> Path:
        notebook = to_notebook(traces, self._rendered)
        own = notebook["metadata"]["rlm_jupyter"]
        if self._seen is None or self._state() != self._seen:
            self._settle(set(own["run_ids"]))
        if self._earlier:
            earlier_runs = list(dict.fromkeys(_run_of(cell) for cell in self._earlier))
            run_ids = [*earlier_runs, *own["run_ids"]]
            notebook = notebook_of([*self._earlier, *notebook["cells"]], own["session_id"], run_ids)
        _replace(self.path, json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")
        self._seen = self._state()
        return self.path

    def _settle(self, own_runs: set[str]) -> None:
        """Find the file to write, and take over what others of us left in it."""
        while (cells := _our_cells(self.path)) is None:
            self._number += 1
            self.path = _numbered(self._first_choice, self._number)
        self._earlier = [cell for cell in cells if _run_of(cell) not in own_runs]

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
        unedited = cells_digest(cells) == digest and all(_run_of(cell) for cell in cells)
    except (KeyError, TypeError, AttributeError):
        return None
    return list(cells) if unedited else None


def _run_of(cell: Mapping[str, Any]) -> str:
    ours = cell["metadata"].get("rlm_jupyter")
    return str(ours.get("run_id", "")) if isinstance(ours, Mapping) else ""


def _numbered(path: Path, number: int) -> Path:
    return path if number == 1 else path.with_name(f"{path.stem}-{number}{path.suffix}")


def _replace(path: Path, text: str) -> None:
    """Put the text in place of the file's in one step: a reader sees the old one or the new one."""
    if path.exists() and not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, "the file is read-only", str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8", newline="\n")
        if path.exists():
            temporary.chmod(path.stat().st_mode & 0o777)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
