"""A trace notebook before it is written: which file it goes into, which runs are rendered anew, and what is kept.

It does no input and no output: it says what is to be looked at, read and written, and is told what came of it. So it is
the same for a kernel, which writes plain files, and for a server, which writes through its contents manager.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from .artifacts.notebook import Cell, has_run, run_cells, session_of
from .digest import cell_digest, cells_digest
from .file_names import numbered
from .notebook_text import CellsText, notebook_text
from .schema import Status
from .torn import is_torn, was_ours
from .trace import Trace

__all__ = ["Look", "Read", "Refill", "Step", "TraceDraft", "Write", "Written", "ours_in"]

_FULL = 50_000_000
"""Bytes of a file from which on a new session begins the next one: each write is of the whole file."""

_TRIES = 3
"""How often a file that changes between reading and writing is read again. It is ours each time; then it is written."""


Content: TypeAlias = bytes | str | Mapping[str, Any] | None
"""What a file holds; see ``Read``."""


@dataclass(frozen=True, slots=True)
class Look:
    """Say in which state the file is: a value that is another one once somebody wrote it, None when it is not there.

    With ``patient``, only after a while, in which somebody who is writing the file would have gone on.
    """

    name: str
    patient: bool = False


@dataclass(frozen=True, slots=True)
class Read:
    """Return what the file holds: its text, or the notebook; None when it is not there, and {} when it is no file."""

    name: str


@dataclass(frozen=True, slots=True)
class Refill:
    """Render the notebook's earlier runs, the first one first: the file that held them is torn."""


@dataclass(frozen=True, slots=True)
class Write:
    """Write the file and return ``Written``; None when it is no longer in the state ``over``, and was not written.

    With ``whatever`` it is to be written also then.
    """

    name: str
    text: Iterable[bytes]
    over: Hashable | None
    whatever: bool


@dataclass(frozen=True, slots=True)
class Written:
    """The state in which the file is now; None when that is not known."""

    state: Hashable | None


Step: TypeAlias = Look | Read | Refill | Write


@dataclass(frozen=True, slots=True)
class _RenderedRun:
    events: tuple[int, Status | None]  # of how many it was rendered, and how they said that the run had ended
    first: int  # the execution count of its first code cell
    cells: CellsText


class TraceDraft:
    """What belongs into a trace notebook, and into which file. Not to be used by two threads at once.

    A file that is not ours, or that the user edited, stays as it is: the next free ``name.trace-2.ipynb`` is written
    and kept to. What earlier sessions left in a file of ours stays in front of what this one writes. Only runs with new
    events are rendered; the others are kept as they stand in the file.

    With ``mends``, whoever does the steps knows the earlier runs: what is left of a file whose writer was killed is
    written over when it is ours, and the file that is written instead holds what that one held.
    """

    def __init__(self, name: str, *, mends: bool = False) -> None:
        self.name = name
        """The file that is written, as far as it is known."""
        self._first_choice, self._number = name, 1
        self._mends = mends
        self._earlier = CellsText.of([])
        self._earlier_runs: list[str] = []
        self._runs: dict[str, _RenderedRun] = {}
        self._session_id = ""
        self._seen: Hashable | None = None

    @property
    def first_choice(self) -> str:
        """The name of the file that has no number in its name."""
        return self._first_choice

    @property
    def number(self) -> int:
        """The number of the file: 1 for the one that has none in its name."""
        return self._number

    @property
    def size(self) -> int:
        """How many bytes of cells are kept in memory."""
        return len(self._earlier.json) + sum(len(run.cells.json) for run in self._runs.values())

    def render(self, traces: Sequence[Trace]) -> None:
        """Render the runs that have new events, and those whose code cells are numbered anew by that.

        A run that is no longer given stays as it was rendered.
        """
        given = {trace.run_id: trace for trace in traces if has_run(trace)}
        first = 1
        for run_id in dict.fromkeys((*self._runs, *given)):
            trace, run = given.get(run_id), self._runs.get(run_id)
            events = (trace.extent, trace.status) if trace is not None else (0, None)
            if trace is not None and (run is None or (run.events, run.first) != (events, first)):
                run = self._runs[run_id] = _RenderedRun(events, first, CellsText.of(run_cells(trace, first)))
                self._session_id = self._session_id or session_of(trace)
            first += run.cells.code_cells if run is not None else 0

    def saving(self) -> Generator[Step, Any, str]:
        """Yield what is to be done to bring the file up to date with what was rendered, and return its name."""
        for attempt in range(_TRIES):
            state = yield Look(self.name)
            if self._seen is None or state != self._seen:
                state = yield from self._settle()
            whatever = attempt == _TRIES - 1
            run_ids = [*self._earlier_runs, *self._runs]
            parts = [self._earlier, *(run.cells for run in self._runs.values())]
            text = notebook_text(parts, self._session_id, run_ids)
            written: Written | None = yield Write(self.name, text, state, whatever)
            self._seen = written.state if written is not None else None
            if written is not None:
                break
        return self.name

    def moved(self, first_choice: str, number: int) -> None:
        """Take note that the file has another name; what it holds is looked at again before it is written."""
        self._first_choice, self._number = first_choice, number
        self.name = numbered(first_choice, number)
        self._seen = None

    def forget(self) -> None:
        """Keep no cells in memory; they are taken from the file at the next write."""
        self._earlier, self._earlier_runs, self._runs = CellsText.of([]), [], {}
        self._seen = None

    def _settle(self) -> Generator[Step, Any, Hashable | None]:
        """Find the file to write, take over what others of us left in it, and return its state before that."""
        torn = False
        while True:
            state: Hashable | None = yield Look(self.name)
            content: Content = yield Read(self.name)
            cells = ours_in(content)
            if self._mends and cells is None and is_torn(content):
                if (yield Look(self.name, patient=True)) != state:
                    continue
                torn = True
                cells = [] if was_ours(content) else None
            if cells is not None and self._take_over(cells):
                if torn and not cells:
                    yield from self._refill()
                return state
            self._number += 1
            self.name = numbered(self._first_choice, self._number)

    def _refill(self) -> Generator[Step, Any, None]:
        later, self._runs = self._runs, {}
        try:
            yield Refill()
        finally:
            self._runs |= {run_id: run for run_id, run in later.items() if run_id not in self._runs}

    def _take_over(self, cells: Sequence[Cell]) -> bool:
        """Keep the cells of other runs, unless the file is full and none of ours is in it."""
        runs = dict.fromkeys(map(_run_of, cells))
        kept = [cell for cell in cells if _run_of(cell) not in self._runs]
        earlier = CellsText.of(kept)
        if len(earlier.json) > _FULL and not self._runs.keys() & runs.keys():
            return False
        self._earlier, self._earlier_runs = earlier, [run_id for run_id in runs if run_id not in self._runs]
        return True


def ours_in(content: Content, *, edited: bool = False) -> list[Cell] | None:
    """Return the cells of a trace notebook that nobody edited: none of no file, and None when it is not ours.

    With ``edited``, the user may have changed it.
    """
    if content is None:
        return []
    try:
        notebook = content if isinstance(content, Mapping) else json.loads(content)
        cells, digest = notebook["cells"], notebook["metadata"]["rlm_jupyter"]["digest"]
        if edited:
            return list(cells)
        unedited = cells_digest(map(cell_digest, cells)) == digest and all(_run_of(cell) for cell in cells)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return [_untouched(cell) for cell in cells] if unedited else None


def _untouched(cell: Cell) -> Cell:
    """Return the cell without what a Jupyter server says of its trust, which is not for the file."""
    if "trusted" not in cell["metadata"]:
        return cell
    return {**cell, "metadata": {name: value for name, value in cell["metadata"].items() if name != "trusted"}}


def _run_of(cell: Mapping[str, Any]) -> str:
    ours = cell["metadata"].get("rlm_jupyter")
    return str(ours.get("run_id", "")) if isinstance(ours, Mapping) else ""
