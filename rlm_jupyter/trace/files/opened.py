"""Files that hold traces, opened whatever is in them: logs, packed logs, trace notebooks, and recordings beside those.

What a file holds decides how it is read, not what it is called. Nothing of it is run, nothing that it names is opened
but a recording beside a notebook, and what it may take of time and memory is bounded (``Bounds``).
"""

from __future__ import annotations

import gzip
import os
import stat
import warnings
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import IO, Any, NoReturn, cast

from rlm_jupyter.trace.schema import Event
from rlm_jupyter.trace.trace import Trace

from .allowance import EVENTS_LIMIT, Allowance
from .errors import TraceFileError
from .lines import LINE_LIMIT, event_of
from .notebook_file import is_notebook, notebook_of, recordings_in
from .recording import unpack
from .versions import TraceVersionError

__all__ = [
    "BOUNDS",
    "Bounds",
    "TraceFile",
    "TraceFileError",
    "TraceVersionError",
    "open_traces",
    "read_traces",
    "traces_of",
]


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a file may have: bytes of it, bytes of it unpacked, lines, events and runs."""

    file: int = 1_000_000_000
    unpacked: int = 2_000_000_000
    lines: int = 10_000_000
    events: int = EVENTS_LIMIT
    runs: int = 100_000
    notebook: int = 200_000_000
    """Bytes of a notebook or a recording, which are read as a whole."""

    @property
    def allowance(self) -> Allowance:
        """What all lines and recordings of one file may take together."""
        return Allowance(self.unpacked, self.events)


BOUNDS = Bounds()

_NEWER = 100  # lines that ours cannot read at the beginning of a log: there is no use in reading all of it
_HEAD = 1_000_000  # bytes; a log's first line is shorter, as a rule
_GZIP = b"\x1f\x8b"
_WHAT_HOLDS_ONE = "a log in JSON lines (also as .gz), a trace notebook, or a recording (.rlm)"


@dataclass(frozen=True, slots=True)
class TraceFile:
    """What was found in a file: its traces, what of it could not be read, and the notebook when it is one."""

    traces: list[Trace]
    damage: str | None = None
    notebook: dict[str, Any] | None = None


def traces_of(source: Any, bounds: Bounds = BOUNDS) -> list[Trace]:
    """Return the traces that are meant, of which there is at least one, each with a run.

    ``source`` is a ``Trace``, what has one as ``trace`` (a result, an error of a run), the path of a file, or several
    of these. Raises ``TraceFileError``, ``TraceVersionError``, and ``OSError`` for a file that cannot be opened.
    """
    if isinstance(source, str | os.PathLike):
        return read_traces(source, bounds)
    if isinstance(source, list | tuple):
        found = [trace for each in source for trace in traces_of(each, bounds)]
    else:
        trace = source if isinstance(source, Trace) else getattr(source, "trace", None)
        if not isinstance(trace, Trace):
            msg = (
                f"That is no trace: give a Trace, a result, or the path of {_WHAT_HOLDS_ONE}, not of type "
                f"{type(source).__name__}."
            )
            raise TraceFileError(msg)
        found = [trace] if _has_run(trace) else []
    if not found:
        msg = "No run is recorded there: a run's first event, its start, is missing."
        raise TraceFileError(msg)
    return found


def read_traces(path: str | os.PathLike[str], bounds: Bounds = BOUNDS) -> list[Trace]:
    """Return the traces that a file holds, in the order in which their runs began; at least one.

    Of a damaged log there is what can be read: a warning tells that, and so does the ``damage`` of the traces. Raises
    ``TraceFileError`` when the file holds no run that can be read, or too much; ``TraceVersionError`` when a newer
    version wrote it; ``OSError`` when it cannot be opened.
    """
    found = open_traces(path, bounds)
    if found.damage is not None:
        warnings.warn(found.damage, stacklevel=2)
    return found.traces


def open_traces(path: str | os.PathLike[str], bounds: Bounds = BOUNDS) -> TraceFile:
    """Return what a file holds, as ``read_traces`` does, and what is wrong with it in place of a warning."""
    file = Path(os.path.expanduser(path))  # noqa: PTH111 - Path.expanduser raises for a user that is not there
    status = file.stat()
    if not stat.S_ISREG(status.st_mode):
        what = "is a folder" if stat.S_ISDIR(status.st_mode) else "is no ordinary file"
        msg = f"{file.name or file} {what}: name {_WHAT_HOLDS_ONE}."
        raise TraceFileError(msg)
    if status.st_size > bounds.file:
        msg = f"{file.name} has {status.st_size:,} bytes; a file of traces may have {bounds.file:,}."
        raise TraceFileError(msg)
    with file.open("rb") as opened:
        head = opened.read(len(_GZIP))
        opened.seek(0)
        if _is_zlib(head):
            recording = _whole(opened, file.name, bounds)
            return TraceFile([_unpacked(recording, file.name, bounds.allowance)])
        if head != _GZIP:
            return _read(opened, file, bounds)
        with gzip.open(opened) as packed:
            try:
                return _read(cast(IO[bytes], packed), file, bounds)
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                msg = f"{file.name} is damaged: {error}. Unpack what there is of it (gzip -dc) and open that."
                raise TraceFileError(msg) from error


def _read(opened: IO[bytes], file: Path, bounds: Bounds) -> TraceFile:
    head = opened.read(_HEAD)
    opened.seek(0)
    if is_notebook(head):
        notebook = notebook_of(_whole(opened, file.name, bounds), file.name)
        return TraceFile(_recorded(notebook, file, bounds.allowance), notebook=notebook)
    return _LogFile(file.name, bounds).read(opened)


def _is_zlib(head: bytes) -> bool:
    return len(head) == 2 and head[:1] == b"\x78" and int.from_bytes(head, "big") % 31 == 0


def _whole(opened: IO[bytes], name: str, bounds: Bounds) -> bytes:
    text = opened.read(bounds.notebook + 1)
    if len(text) > bounds.notebook:
        msg = f"{name} is larger than the {bounds.notebook:,} bytes that a notebook or a recording may have here."
        raise TraceFileError(msg)
    return text


def _recorded(notebook: dict[str, Any], file: Path, allowance: Allowance) -> list[Trace]:
    traces = [_unpacked(data, file.name, allowance) for data in recordings_in(notebook, file)]
    if not traces:
        msg = (
            f"{file.name} is a notebook without a recording of a run. Open its log in JSON lines, or export the run "
            "again as a notebook."
        )
        raise TraceFileError(msg)
    return traces


def _unpacked(data: bytes, name: str, allowance: Allowance) -> Trace:
    try:
        return unpack(data, allowance)
    except TraceVersionError:
        raise
    except ValueError as error:
        msg = f"{name}: {error}"
        raise TraceFileError(msg) from error


class _LogFile:
    """A log as it is read: its traces so far, and what of it could not be read."""

    def __init__(self, name: str, bounds: Bounds) -> None:
        self._name = name
        self._bounds = bounds
        self._traces: dict[str, Trace] = {}
        self._allowance = bounds.allowance
        self._newer: TraceVersionError | None = None
        self._lines = 0
        self._damaged: list[int] = []
        self._damage_count = 0

    def read(self, opened: IO[bytes]) -> TraceFile:
        """Take in all lines, and return the traces that have a run."""
        for line in self._each(opened):
            self._take(line)
        traces = [self._mended(trace) for trace in self._traces.values()]
        with_a_run = [trace for trace in traces if _has_run(trace)]
        if not with_a_run:
            if self._newer is not None:
                raise self._newer
            what = "is empty" if not self._lines else "holds no run that can be read"
            msg = f"{self._name} {what}. A trace stands in {_WHAT_HOLDS_ONE}."
            raise TraceFileError(msg)
        strays = len(traces) - len(with_a_run)
        if strays and not self._damage_count:
            return TraceFile(with_a_run, f"{self._name}: events of {strays:,} runs without a beginning are left out.")
        return TraceFile(with_a_run, self._told(with_a_run) if self._damage_count else None)

    def _each(self, opened: IO[bytes]) -> Iterator[bytes]:
        """Yield the lines that say something; of one that is too long its beginning, which is no event."""
        most = self._bounds.lines
        while line := opened.readline(LINE_LIMIT + 1):
            self._lines += 1
            self._count_bytes(line)
            rest = line
            while len(line) > LINE_LIMIT and rest and not rest.endswith(b"\n"):
                rest = opened.readline(LINE_LIMIT)
                self._count_bytes(rest)
            if self._lines > most:
                self._refuse(f"more than {most:,} lines")
            if not line.isspace():
                yield line

    def _take(self, line: bytes) -> None:
        event = self._event_of(line)
        if event is None:
            self._damage_count += 1
            if len(self._damaged) < 5:
                self._damaged.append(self._lines)
            for trace in self._traces.values() if self._damage_count <= 5 else ():
                if trace.status is None:
                    trace.damage = self._damage
            return
        if event.run_id not in self._traces:
            if len(self._traces) >= self._bounds.runs:
                self._refuse(f"more than {self._bounds.runs:,} runs")
            self._traces[event.run_id] = Trace()
            self._traces[event.run_id].damage = self._damage if self._damage_count else None
        try:
            self._allowance.take(event)
        except ValueError as error:
            self._refuse(str(error))
        self._traces[event.run_id].add(event)

    def _event_of(self, line: bytes) -> Event | None:
        """Return the event of a line, of which a newer version is damage where ours wrote others."""
        try:
            return event_of(line, self._name)
        except TraceVersionError as error:
            self._newer = self._newer or error
            if not self._traces and self._damage_count >= _NEWER:
                raise
            return None

    def _count_bytes(self, line: bytes) -> None:
        try:
            self._allowance.take_bytes(len(line))
        except ValueError as error:
            self._refuse(str(error))

    @property
    def _damage(self) -> str:
        return f"The log {self._name} is damaged at line {self._damaged[-1]}: events may be missing."

    def _refuse(self, extent: str) -> NoReturn:
        msg = f"{self._name} holds {extent}, and is not opened. Cut it into a file for each run."
        raise TraceFileError(msg)

    def _mended(self, trace: Trace) -> Trace:
        """Return the trace with its events in their order, each once."""
        if all(one.seq < other.seq for one, other in pairwise(trace.events)):
            return trace
        events: dict[int, Event] = {}
        for event in trace.events:
            if events.setdefault(event.seq, event) != event:
                trace.damage = f"The log {self._name} tells of two different events by one number: it may be wrong."
        mended = Trace(events[seq] for seq in sorted(events))
        mended.damage = trace.damage
        return mended

    def _told(self, traces: Sequence[Trace]) -> str:
        for trace in traces:
            if trace.damage is None and len(trace.events) <= trace.events[-1].seq:
                trace.damage = self._damage
        lines = ", ".join(str(number) for number in self._damaged)
        more = f" and {self._damage_count - 5:,} more" if self._damage_count > 5 else ""
        several = f"lines {lines}{more} could not be read and are"
        told = several if self._damage_count > 1 else f"line {lines} could not be read and is"
        return f"{self._name}: {told} left out; the traces may be partial."


def _has_run(trace: Trace) -> bool:
    return trace.root is not None and trace.root.kind == "run"
