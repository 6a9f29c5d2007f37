"""Keeps the traces of this kernel's runs, and the trace notebook beside the user's notebook up to date with them."""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rlm_jupyter.core.digest import text_digest
from rlm_jupyter.core.observation import head_and_tail
from rlm_jupyter.core.usage import UsageSummary
from rlm_jupyter.session import ANSWER_LIMIT
from rlm_jupyter.trace.notebooks.writer import TraceNotebook, trace_path_for
from rlm_jupyter.trace.schema import ModelCallEnd, RunStart, SpanEnd, SpanStart, SubcallEnd
from rlm_jupyter.trace.trace import Span, Trace

from .open_logs import OpenLogs

if TYPE_CHECKING:
    from rlm_jupyter.trace.schema import Event

__all__ = ["Journal"]

_SPARE = 200
"""How many traces are kept that are in no file: a kernel may run for weeks."""

_VEIL = "[said in a run that is not kept]"


@dataclass(slots=True)
class _Kept:
    """A trace; ``written`` when this kernel writes it into the trace notebook, ``left_out`` when nobody ever shall.

    ``shared`` when it is published, ``stored`` once a server said that it has all of it, and ``awaited`` until then,
    where it is the server's to write.
    """

    trace: Trace
    written: bool
    left_out: bool
    shared: bool
    awaited: bool
    stored: bool = False


@dataclass(slots=True)
class _Open:
    """The trace of a run that is under way, and whether it is published."""

    trace: Trace
    shared: bool


class Journal:
    """Listens to every run of this process.

    ``find_notebook`` says beside which notebook the traces belong; ``writes``, as a run ends, whether this one's does;
    ``server_writes``, whether a Jupyter server does it in this kernel's place.
    """

    def __init__(
        self,
        find_notebook: Callable[[], Path | None],
        writes: Callable[[], bool],
        server_writes: Callable[[], bool] = lambda: False,
    ) -> None:
        self._find_notebook = find_notebook
        self._writes = writes
        self._server_writes = server_writes
        self._lock = threading.Lock()
        self._open: dict[str, _Open] = {}
        self._left_out: set[str] = set()
        self._kept: list[_Kept] = []
        self._veiled: set[str] = set()  # digests of what was said in runs that are not shared
        self._files: dict[Path, TraceNotebook] = {}
        self.written: Path | None = None
        self.spent = UsageSummary()
        """What the runs that have ended have used, those whose traces are not kept any more among them."""
        self._logs = OpenLogs()
        self.lost = 0
        """How many of their requests were sent and gave no reply, so that nobody knows what they cost."""

    @property
    def traces(self) -> list[Trace]:
        """The runs that have ended, in the order of their ends."""
        return [kept.trace for kept in self._kept]

    def observe(self, event: Event) -> None:
        """Take in an event of any run; when a run ends, its trace is kept and written."""
        with self._lock:
            if event.seq == 0:
                shared = self._writes() and event.run_id not in self._left_out
                self._open[event.run_id] = _Open(Trace(), shared)
                self._open[event.run_id].trace.vouched = True
                if shared and not self._server_writes() and self._find_notebook() is not None:
                    self._logs.begin(event.run_id, _resumes(event))
            run = self._open.get(event.run_id)
        if run is None:  # the run has ended: nobody waits for what comes late
            return
        trace = run.trace
        trace.add(event)
        self._logs.observe(event)
        root = trace.root
        if isinstance(event, SpanEnd) and root is not None and event.span_id == root.span_id and self._keep(trace):
            self.write()

    def leave_out(self, event: Event) -> None:
        """Keep the run of this event, which is its first, out of every file."""
        if event.seq == 0:
            self._left_out.add(event.run_id)

    def shares(self, run_id: str) -> bool:
        """Return whether this run, which has begun, may be published."""
        run = self._open.get(run_id)
        return run is not None and run.shared

    def shared_events(self, run_id: str, ranges: Sequence[tuple[int, int]] | None = None) -> list[Event]:
        """Return the events so far of a run that is published: of these numbers, both ends included, or all.

        None of a run that is not here, or not published.
        """
        run = self._open.get(run_id)
        kept = next((kept for kept in self._kept if kept.trace.run_id == run_id), None)
        shared = run if run is not None else kept
        if shared is None or not shared.shared:
            return []
        events = [self.veiled(event) for event in shared.trace.events]
        if ranges is None:
            return events
        found: list[Event] = []
        for first, last in ranges:
            found += events[bisect_left(events, first, key=_number) : bisect_right(events, last, key=_number)]
        return found

    def veiled(self, event: Event) -> Event:
        """Return the event as it is published: a run tells its model what was said in the turns before.

        What was said in a run that is not shared is left out of it.
        """
        if event.event != "blob" or event.digest not in self._veiled:
            return event
        return event.model_copy(update={"text": _VEIL, "cut": True})

    def stored(self, run_id: str) -> None:
        """Take note that a server has all of this run."""
        for kept in self._kept:
            if kept.trace.run_id == run_id:
                kept.stored, kept.awaited = True, False

    def not_stored(self) -> list[str]:
        """Return the published runs of which no server said so."""
        with self._lock:
            under_way = [run_id for run_id, run in self._open.items() if run.shared]
            return [*(kept.trace.run_id for kept in self._kept if kept.shared and not kept.stored), *under_way]

    def overdue(self, run_id: str | None) -> None:
        """Write this run, or any (None), that a server was to write and did not say it has stored."""
        late = [kept for kept in self._kept if kept.awaited and run_id in (None, kept.trace.run_id)]
        for kept in late:
            kept.awaited, kept.written = False, True
        if late:
            self.write()

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
        server_writes = self._server_writes()
        with self._lock:
            shared = self._open.pop(trace.run_id).shared
            self.spent.include(trace.usage)
            self.lost += sum(map(_lost, trace.walk()))
            left_out = trace.run_id in self._left_out
            self._left_out.discard(trace.run_id)
            wanted = self._writes() and not left_out
            awaited = wanted and shared and server_writes
            kept = _Kept(trace, written=wanted and not awaited, left_out=left_out, shared=shared, awaited=awaited)
            nowhere = self._find_notebook() is None
            spare = [each for each in self._kept if nowhere or not each.written]
            dropped = next((each for each in spare if each.stored), spare[0]) if len(spare) >= _SPARE else None
            self._kept = [*(each for each in self._kept if each is not dropped), kept]
            if not shared:
                said = trace.run.question, head_and_tail(trace.answer or "", ANSWER_LIMIT)
                self._veiled.update(text_digest(text) for text in said if text)
        return kept.written

    @property
    def awaited(self) -> int:
        """How many runs a server is to write and has not said it has stored."""
        return sum(kept.awaited for kept in self._kept)

    def _file(self) -> TraceNotebook | None:
        notebook = self._find_notebook()
        path = trace_path_for(notebook) if notebook is not None else None
        return self._files.setdefault(path, TraceNotebook(path)) if path is not None else None


def _lost(span: Span) -> int:
    """Return how many requests of a call gave no reply, and may have been charged: one that was refused is not."""
    payload = span.end.payload if span.end is not None else None
    if span.end is None or not isinstance(payload, ModelCallEnd | SubcallEnd) or payload.cached:
        return 0
    return payload.lost + (span.end.status != "ok" and payload.usage.cost is None)


def _resumes(event: Event) -> str | None:
    return event.payload.resumes if isinstance(event, SpanStart) and isinstance(event.payload, RunStart) else None


def _number(event: Event) -> int:
    return event.seq
