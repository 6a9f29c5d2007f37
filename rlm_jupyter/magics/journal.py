"""Keeps the traces of this kernel's runs, and the trace notebook beside the user's notebook up to date with them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from rlm_jupyter.trace.schema import SpanEnd
from rlm_jupyter.trace.trace import Trace
from rlm_jupyter.trace.writer import TraceNotebook, trace_path_for

if TYPE_CHECKING:
    from rlm_jupyter.trace.schema import Event

__all__ = ["Journal"]


class Journal:
    """Listens to every run of this process; ``find_notebook`` says beside which notebook the traces belong."""

    def __init__(self, find_notebook: Callable[[], Path | None]) -> None:
        self._find_notebook = find_notebook
        self._lock = threading.Lock()
        self._open: dict[str, Trace] = {}
        self._files: dict[Path, TraceNotebook] = {}
        self.traces: list[Trace] = []
        self.enabled = True

    def observe(self, event: Event) -> None:
        """Take in an event of any run; when a run ends, its trace is kept and written."""
        with self._lock:
            trace = self._open.setdefault(event.run_id, Trace())
        trace.add(event)
        root = trace.root
        if isinstance(event, SpanEnd) and root is not None and event.span_id == root.span_id:
            with self._lock:
                del self._open[event.run_id]
                if self.enabled:
                    self.traces.append(trace)
            if self.enabled:
                self.write()

    def write(self) -> Path | None:
        """Write the traces beside the notebook, and return where they are; None while the notebook is not known."""
        notebook = self._find_notebook()
        if notebook is None or not self.traces:
            return None
        path = trace_path_for(notebook)
        if path is None:
            return None
        return self._files.setdefault(path, TraceNotebook(path)).write(self.traces)

    def save(self, path: Path) -> Path:
        """Write the traces to a file of the user's choice, and return where they are. Raises ``OSError``."""
        return TraceNotebook(path).save(self.traces)
