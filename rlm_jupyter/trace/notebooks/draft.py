"""A trace notebook before it is written: which file it goes into, which runs are rendered anew, and what is kept.

It does no input and no output: it says what is to be looked at, read and written, and is told what came of it. So it is
the same for a kernel, which writes plain files, and for a server, which writes through its contents manager.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from rlm_jupyter.core.digest import bytes_digest
from rlm_jupyter.trace.artifacts.notebook import Cell, has_run, run_cells, session_of
from rlm_jupyter.trace.artifacts.play_cell import Beside, PlayCell, recordings_of
from rlm_jupyter.trace.digest import cell_digest, cells_digest
from rlm_jupyter.trace.file_names import beside, numbered
from rlm_jupyter.trace.files.recording import file_name_of
from rlm_jupyter.trace.schema import Status
from rlm_jupyter.trace.trace import Trace

from .text import CellsText, notebook_text
from .torn import is_torn, was_ours

__all__ = [
    "Drop",
    "Keep",
    "Look",
    "Read",
    "Refill",
    "Step",
    "TraceDraft",
    "Write",
    "Written",
    "is_recording",
    "ours_in",
    "recordings_in",
]

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
class Keep:
    """Write a file beside the notebook, unless there is one that holds what its name says (``is_recording``)."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Drop:
    """Delete a file beside the notebook when it holds what its name says, and no notebook there holds that name.

    A person's copy of a notebook that we wrote is played from the same file.
    """

    name: str


@dataclass(frozen=True, slots=True)
class Written:
    """The state in which the file is now; None when that is not known."""

    state: Hashable | None


Step: TypeAlias = Look | Read | Refill | Write | Keep | Drop


@dataclass(slots=True)
class _RenderedRun:
    events: tuple[int, Status | None]  # of how many it was rendered, and how they said that the run had ended
    first: int  # the execution count of its first code cell
    cells: CellsText
    file: str | None  # what the file of its recording is called, where that is too large for the notebook
    aside: bytes | None  # what that file holds, until it is written

    @classmethod
    def of(cls, trace: Trace, first: int) -> _RenderedRun:
        play = PlayCell.of(trace)
        cells = CellsText.of(run_cells(trace, first, play))
        file, aside = (play.aside.file_name, play.aside.data) if play.aside is not None else (None, None)
        return cls((trace.extent, trace.status), first, cells, file, aside)


class TraceDraft:
    """What belongs into a trace notebook, and into which file. Not to be used by two threads at once.

    A file that is not ours, or that the user edited, stays as it is: the next free ``name.trace-2.ipynb`` is written
    and kept to. What earlier sessions left in a file of ours stays in front of what this one writes. Only runs with new
    events are rendered; the others are kept as they stand in the file.

    What stood in a file that a person deleted, or gave another name, is not written again: only the runs after it.

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
        self._standing: dict[str, bool] = {}
        """The runs in the file as we wrote it, and whether each had ended."""
        self._taken_away: set[str] = set()
        self._unused: set[str] = set()

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
        runs = self._runs.values()
        return len(self._earlier.json) + sum(len(run.cells.json) + len(run.aside or b"") for run in runs)

    def render(self, traces: Sequence[Trace]) -> None:
        """Render the runs that have new events, and those whose code cells are numbered anew by that.

        A run that is no longer given stays as it was rendered, and one that a person took away is passed over.
        """
        given = {trace.run_id: trace for trace in traces if has_run(trace) and trace.run_id not in self._taken_away}
        first = 1
        for run_id in dict.fromkeys((*self._runs, *given)):
            trace, run = given.get(run_id), self._runs.get(run_id)
            events = (trace.extent, trace.status) if trace is not None else (0, None)
            if trace is not None and (run is None or (run.events, run.first) != (events, first)):
                self._unused.update([run.file] if run is not None and run.file is not None else [])
                run = self._runs[run_id] = _RenderedRun.of(trace, first)
                self._session_id = self._session_id or session_of(trace)
            first += run.cells.code_cells if run is not None else 0

    def saving(self) -> Generator[Step, Any, str]:
        """Yield what is to be done to bring the file up to date with what was rendered, and return its name.

        The name is empty when there is nothing to be written: all of it stood in a file that a person took away.
        """
        for attempt in range(_TRIES):
            state = yield Look(self.name)
            if state is None and self._standing and not self._let_go():
                return ""
            if self._seen is None or state != self._seen:
                state = yield from self._settle()
            yield from self._keeping()
            whatever = attempt == _TRIES - 1
            run_ids = [*self._earlier_runs, *self._runs]
            parts = [self._earlier, *(run.cells for run in self._runs.values())]
            text = notebook_text(parts, self._session_id, run_ids)
            written: Written | None = yield Write(self.name, text, state, whatever)
            self._seen = written.state if written is not None else None
            if written is not None:
                self._standing = dict.fromkeys(self._earlier_runs, True)
                self._standing |= {run_id: run.events[1] is not None for run_id, run in self._runs.items()}
                break
        for name in sorted(self._unused - {run.file for run in self._runs.values()}):
            yield Drop(beside(self.name, name))
        self._unused.clear()
        return self.name

    def _keeping(self) -> Generator[Step, Any, None]:
        """Write the recordings that stand beside the notebook, before it names them."""
        for run in self._runs.values():
            if run.file is not None and run.aside is not None:
                yield Keep(beside(self.name, run.file), run.aside)
                run.aside = None

    def _let_go(self) -> bool:
        """Write nothing again of what stood in the file, which is gone, and return whether there is anything else.

        A run that had not ended then has news by now: it goes on in the next file.
        """
        self._taken_away.update(run_id for run_id, ended in self._standing.items() if ended)
        self._standing.clear()
        self._unused.clear()
        self._earlier, self._earlier_runs, self._seen = CellsText.of([]), [], None
        self._runs = {run_id: run for run_id, run in self._runs.items() if run_id not in self._taken_away}
        return bool(self._runs)

    def bring_back(self) -> None:
        """Write again what stood in files that a person took away, as far as it is rendered anew."""
        self._taken_away.clear()
        self._standing.clear()

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
            self._unused.clear()  # what is not ours any more may be played from them

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


def recordings_in(content: Content) -> list[str]:
    """Return the names of the files that hold recordings of runs in this notebook."""
    cells = ours_in(content, edited=True) or []
    return [named.file_name for named in recordings_of(cells) if isinstance(named, Beside)]


def is_recording(path: str, data: bytes) -> bool:
    """Return whether the data of a file are the recording that its name, the last part of the path, says it is."""
    return file_name_of(bytes_digest(data)) == path.replace("\\", "/").rpartition("/")[2]


def _untouched(cell: Cell) -> Cell:
    """Return the cell without what a Jupyter server says of its trust, which is not for the file."""
    if "trusted" not in cell["metadata"]:
        return cell
    return {**cell, "metadata": {name: value for name, value in cell["metadata"].items() if name != "trusted"}}


def _run_of(cell: Mapping[str, Any]) -> str:
    ours = cell["metadata"].get("rlm_jupyter")
    return str(ours.get("run_id", "")) if isinstance(ours, Mapping) else ""
