"""Keeps the traces of this kernel's runs, and the trace notebook beside the user's notebook up to date with them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rlm_jupyter.trace.schema import SpanEnd
from rlm_jupyter.trace.trace import Trace
from rlm_jupyter.trace.writer import TraceNotebook, trace_path_for

if TYPE_CHECKING:
    from rlm_jupyter.trace.schema import Event

__all__ = ["Journal"]

_SPARE = 200
"""How many traces are kept that are in no file: a kernel may run for weeks."""


@dataclass(slots=True)
class _Kept:
    """A trace; ``written`` when it belongs into the trace notebook, ``left_out`` when it never shall."""

    trace: Trace
    written: bool
    left_out: bool


class Journal:
    """Listens to every run of this process.

    ``find_notebook`` says beside which notebook the traces belong; ``writes``, as a run ends, whether this one's does.
    """

    def __init__(self, find_notebook: Callable[[], Path | None], writes: Callable[[], bool]) -> None:
        self._find_notebook = find_notebook
        self._writes = writes
        self._lock = threading.Lock()
        self._open: dict[str, Trace] = {}
        self._left_out: set[str] = set()
        self._kept: list[_Kept] = []
        self._files: dict[Path, TraceNotebook] = {}
        self.written: Path | None = None

    @property
    def traces(self) -> list[Trace]:
        """The runs that have ended, in the order of their ends."""
        return [kept.trace for kept in self._kept]

    def observe(self, event: Event) -> None:
        """Take in an event of any run; when a run ends, its trace is kept and written."""
        with self._lock:
            if event.seq == 0:
                self._open[event.run_id] = Trace()
            trace = self._open.get(event.run_id)
        if trace is None:  # the run has ended: nobody waits for what comes late
            return
        trace.add(event)
        root = trace.root
        if isinstance(event, SpanEnd) and root is not None and event.span_id == root.span_id and self._keep(trace):
            self.write()

    def leave_out(self, event: Event) -> None:
        """Keep the run of this event, which is its first, out of every file."""
        if event.seq == 0:
            self._left_out.add(event.run_id)

    def write(self) -> Path | None:
        """Write what belongs beside the notebook, and return where it is; None when it could not be written."""
        file, traces = self._file(), [kept.trace for kept in self._kept if kept.written]
        path = file.write(traces) if file is not None and traces else None
        self.written = path if path is not None else self.written
        return path

    def save(self, path: Path | None) -> Path | None:
        """Write the traces where the user says, else beside the notebook, and return where they are.

        None while the notebook is not known. Raises ``LookupError`` when there is nothing to save, and ``OSError``.
        """
        saved = [kept for kept in self._kept if not kept.left_out]
        if not saved:
            msg = "There is no trace to save: no question was asked in this kernel yet, or all with --no-trace."
            raise LookupError(msg)
        file = TraceNotebook(path) if path is not None else self._file()
        if file is None:
            return None
        for kept in saved if path is None else ():
            kept.written = True  # or the next run would write the file without it
        return file.save([kept.trace for kept in saved])

    def _keep(self, trace: Trace) -> bool:
        """Keep the trace of a run that has ended, and return whether it is to be written."""
        with self._lock:
            del self._open[trace.run_id]
            left_out = trace.run_id in self._left_out
            self._left_out.discard(trace.run_id)
            kept = _Kept(trace, written=self._writes() and not left_out, left_out=left_out)
            nowhere = self._find_notebook() is None
            spare = [each for each in self._kept if nowhere or not each.written]
            dropped = spare[0] if len(spare) >= _SPARE else None
            self._kept = [*(each for each in self._kept if each is not dropped), kept]
        return kept.written

    def _file(self) -> TraceNotebook | None:
        notebook = self._find_notebook()
        path = trace_path_for(notebook) if notebook is not None else None
        return self._files.setdefault(path, TraceNotebook(path)) if path is not None else None
