"""Writes traces into the notebook beside the user's, and never over anything that somebody else wrote."""

from __future__ import annotations

import errno
import logging
import os
import secrets
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rlm_jupyter.trace.file_names import trace_name_for
from rlm_jupyter.trace.trace import Trace

from .draft import Drop, Keep, Look, Read, Refill, Step, TraceDraft, Written, is_recording

__all__ = ["TraceNotebook", "trace_path_for"]

_log = logging.getLogger(__name__)


def trace_path_for(notebook_path: str | os.PathLike[str]) -> Path | None:
    """Return where the trace of a notebook goes: ``analysis.ipynb`` has ``analysis.trace.ipynb`` beside it.

    None for a trace notebook: a run in one is looked at where it is, and traces of traces would litter the folder.
    """
    path = Path(notebook_path)
    name = trace_name_for(path.name)
    return path.with_name(name) if name is not None else None


class TraceNotebook:
    """A trace notebook on disk, as its draft has it. Safe to use from any thread."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._draft = TraceDraft(str(Path(path).resolve()))
        self._warned = False
        self._lock = threading.Lock()

    @property
    def path(self) -> Path:
        """The file; another one than asked for when that one is not ours to write."""
        return Path(self._draft.name)

    def write(self, traces: Sequence[Trace]) -> Path | None:
        """Write the traces of this session, and return the path.

        A trace that was written before is brought up to date; one that is no longer given stays as it was written. What
        stood in a file that a person deleted or renamed is not written again.
        None when the file could not be written: that is said once, in the log, and ends nothing.
        """
        try:
            return self._write(traces)
        except OSError as error:
            if not self._warned:
                reason = error.strerror or str(error)
                _log.warning("The trace notebook %s could not be written (%s). The run goes on.", self.path, reason)
            self._warned = True
            return None

    def save(self, traces: Sequence[Trace]) -> Path:
        """Write the traces, also those of a file that a person took away, and return the path.

        Raises ``OSError`` when the file cannot be written.
        """
        with self._lock:
            self._draft.bring_back()
        return self._write(traces)

    def _write(self, traces: Sequence[Trace]) -> Path:
        with self._lock:
            self._draft.render(traces)
            steps = self._draft.saving()
            answer: Any = None
            while True:
                try:
                    step = steps.send(answer)
                except StopIteration as stop:
                    return Path(stop.value or self._draft.name)
                answer = _done(step)


def _done(step: Step) -> Any:
    if isinstance(step, Refill):
        return None  # of a draft that mends; what a kernel replaces in one step is never torn
    path = Path(step.name)
    if isinstance(step, Look):
        return _state(path)
    if isinstance(step, Read):
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None
        except IsADirectoryError:
            return {}
    if isinstance(step, Keep):
        if not _is_recording(path):
            _replace(path, [step.data])
        return None
    if isinstance(step, Drop):
        if _is_recording(path) and not _is_named(path):
            path.unlink(missing_ok=True)
        return None
    if not step.whatever and _state(path) != step.over:
        return None
    _replace(path, step.text)
    return Written(_state(path))


def _is_recording(path: Path) -> bool:
    return path.is_file() and is_recording(path.name, path.read_bytes())


def _is_named(path: Path) -> bool:
    """Return whether a notebook beside the file holds the file's name; also when that cannot be said."""
    try:
        return any(path.name.encode() in other.read_bytes() for other in path.parent.glob("*.ipynb"))
    except OSError:
        return True


def _state(path: Path) -> tuple[int, int] | None:
    """Return what tells whether the file changed: another program's write gives it another time or size."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_mtime_ns, status.st_size


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
