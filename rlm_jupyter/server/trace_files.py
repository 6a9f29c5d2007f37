"""Keeps the trace notebooks up to date with the store, through the contents manager."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from tornado.web import HTTPError

from rlm_jupyter.trace.file_names import trace_name_for

from .contents import Contents
from .off_loop import off_loop
from .trace_file import TraceFile

if TYPE_CHECKING:
    from jupyter_server.services.contents.manager import ContentsManager

    from rlm_jupyter.trace.trace import Trace

    from .notebooks import Move, Notebooks
    from .store import Change, Store

__all__ = ["TraceFiles"]

_log = logging.getLogger(__name__)

_FIRST = 1.0
"""Seconds after which the trace of a run that goes on is written for the first time."""

_IDLE = 10.0
"""Of a run under way, a file is written so many times more seldom than writing it takes: a huge run is no burden."""

_AT_ONCE = 2
"""How many files are rendered and written at the same time."""

_MOMENT, _PATIENCE = 0.05, 20
"""Seconds between two looks for a notebook that is not there, and how many looks are worth it."""

_IN_MEMORY = 64_000_000
"""Bytes of rendered runs that are kept, so that only new ones have to be rendered."""

_EARLIER = 200
"""How many of a notebook's runs, the last ones, a file is given anew that was torn."""

_HOMELESS = 1_000
"""How many runs are remembered whose kernel has no notebook yet."""


@dataclass(slots=True, eq=False)
class _Entry:
    """A notebook's trace, the runs that it does not hold as they are now, and when it is to be written."""

    notebook_id: int
    file: TraceFile
    runs: set[str] = field(default_factory=set)
    due: float | None = None
    timer: asyncio.TimerHandle | None = None
    writing: bool = False
    ended: float = float("-inf")
    took: float = 0.0
    path: str = ""
    problem: str | None = None
    told: tuple[str | None, str | None] | None = None


class TraceFiles:
    """Writes the trace notebook of each notebook: when a run ends, and at intervals while one is under way.

    ``location`` is ``beside`` the notebook, ``nowhere``, or a folder below the contents manager's root, in which traces
    stand under their notebooks' own paths; ``interval`` is in seconds. Belongs to the event loop; rendering is done in
    threads. Raises ``ValueError`` for a folder that leads out of the root.
    """

    def __init__(
        self,
        contents_manager: ContentsManager,
        store: Store,
        notebooks: Notebooks,
        *,
        location: str = "beside",
        interval: float = 5.0,
    ) -> None:
        if ".." in location.split("/"):
            msg = f"Trace notebooks cannot be written to {location!r}: name a folder below the server's root directory."
            raise ValueError(msg)
        self._contents = Contents(contents_manager)
        self._store = store
        self._notebooks = notebooks
        self._location = location.strip("/") or "beside"
        self._interval = interval
        self._entries: dict[int, _Entry] = {}
        self._homeless: dict[str, dict[str, bool]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self.on_written: list[Callable[[int, str | None, str | None], None]] = []
        """Called with a notebook's number, the path of its trace, and what keeps it from being written.

        When one of them is another one than before. The path is None where no trace is to be written.
        """
        notebooks.on_move.append(self._moved)
        notebooks.on_settled.append(self._settled)

    def changed(self, change: Change) -> None:
        """Take note of what changed about a run: it is written soon, and at once when it has ended."""
        if change.began or change.ended:
            self._notebooks.refresh_soon()
        if self._location == "nowhere":
            if change.notebook_id is not None:
                self._tell(self._entry(change.notebook_id))
            return
        at_once = change.ended or change.whole
        if change.notebook_id is not None:
            self._touch(change.notebook_id, change.run_id, at_once=at_once)
        elif sum(map(len, self._homeless.values())) < _HOMELESS:
            self._homeless.setdefault(change.kernel_id, {})[change.run_id] = at_once

    async def flush(self) -> None:
        """Write all that is not written, whether it is due or not, and wait for what is under way."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        for entry in [entry for entry in self._entries.values() if entry.runs]:
            self._cancel(entry)
            await self._write(entry)
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def path_of(self, notebook_id: int) -> str | None:
        """Return the path of a notebook's trace notebook; None when this server has written none."""
        entry = self._entries.get(notebook_id)
        return entry.file.written if entry is not None else None

    async def found_at(self, notebook_id: int, notebook_path: str) -> str | None:
        """Return where a notebook's trace is, or will be in a moment; None where there is none.

        Before this server has written it, that is the file which stands in its place.
        """
        entry, place = self._entries.get(notebook_id), self.place(notebook_path)
        if entry is not None and entry.file.written is not None:
            return entry.file.written
        if entry is not None and (entry.runs or entry.writing) and entry.problem is None:
            return place
        try:
            return place if place is not None and await self._contents.exists(place) else None
        except Exception as error:  # noqa: BLE001 - whatever a contents manager has, it keeps nobody from reading runs
            _log.debug("Whether there is a trace of %s is not known: %s", notebook_path, error)
            return None

    def problems(self) -> dict[str, str]:
        """Return what keeps trace notebooks from being written, by the path of the notebook."""
        return {entry.path: entry.problem for entry in self._entries.values() if entry.problem is not None}

    def place(self, notebook_path: str) -> str | None:
        """Return where the trace of a notebook belongs; None where none is written, as that of a trace notebook."""
        trace = trace_name_for(notebook_path)
        if trace is None or self._location == "nowhere":
            return None
        place = trace if self._location == "beside" else f"{self._location}/{trace}"
        return None if self._contents.hides(place) else place

    # --- when ---------------------------------------------------------------------------------------------------------

    def _touch(self, notebook_id: int, run_id: str, *, at_once: bool) -> None:
        entry = self._entry(notebook_id)
        entry.runs.add(run_id)
        now = self._now()
        if at_once:
            due = max(now, entry.ended + entry.took)
        else:
            due = max(now + min(_FIRST, self._interval), entry.ended + max(self._interval, _IDLE * entry.took))
        self._schedule(entry, due)

    def _schedule(self, entry: _Entry, due: float) -> None:
        if entry.due is not None and entry.due <= due:
            return
        self._cancel(entry)
        entry.due = due
        if not entry.writing:
            entry.timer = asyncio.get_running_loop().call_at(due, self._begin, entry)

    def _cancel(self, entry: _Entry) -> None:
        if entry.timer is not None:
            entry.timer.cancel()
        entry.timer = entry.due = None

    def _begin(self, entry: _Entry) -> None:
        self._cancel(entry)
        entry.writing = True
        self._spawn(self._write(entry), lambda: self._go_on(entry))

    def _go_on(self, entry: _Entry) -> None:
        """Write again what changed while it was written."""
        entry.writing = False
        due, entry.due = entry.due, None
        if due is not None and entry.runs:
            self._schedule(entry, max(due, entry.ended + entry.took))

    def _spawn(self, work: Coroutine[Any, Any, None], then: Any = None) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)

        def done(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            if then is not None:
                then()

        task.add_done_callback(done)

    # --- what ---------------------------------------------------------------------------------------------------------

    async def _write(self, entry: _Entry) -> None:
        async with self._slots:
            runs, began = tuple(entry.runs), self._now()
            entry.runs.clear()
            try:
                await self._bring(entry, runs)
            except Exception as error:  # noqa: BLE001 - any contents manager may stand here, and raise what it likes
                entry.runs.update(runs)  # tried again when the next run begins, goes on or ends
                await self._failed(entry, error)
            self._tell(entry)
            entry.ended = self._now()
            entry.took = entry.ended - began
        self._shed()

    async def _bring(self, entry: _Entry, runs: tuple[str, ...]) -> None:
        """Bring the notebook's trace up to date with these runs."""
        async with entry.file.lock:
            if not await self._bring_along(entry):
                await self._missing(entry, runs)
                return
            failures = await entry.file.write([partial(self._store.excerpt, run_id) for run_id in sorted(runs)])
        if failures:
            raise failures[0]
        entry.problem = None

    async def _bring_along(self, entry: _Entry) -> bool:
        """Let the file follow its notebook to where it is now, and return whether that is anywhere."""
        for _ in range(_PATIENCE):
            path = await self._located(entry)
            if path is None:
                return False
            entry.path = path
            entry.file.stands()
            stood = entry.file.home
            if await entry.file.follow(path) or stood in (None, path):
                break
            if await self._notebooks.locate(entry.notebook_id) == path:
                break  # there was no file
            entry.file.home = stood  # it went elsewhere while it was looked for
        return True

    async def _located(self, entry: _Entry) -> str | None:
        """Return where the notebook is; one that is being renamed is for a moment at neither place."""
        path = await self._notebooks.locate(entry.notebook_id)
        for _ in range(_PATIENCE if entry.problem is None else 0):
            if path is not None or await off_loop(self._store.path_of, entry.notebook_id) is None:
                break
            await asyncio.sleep(_MOMENT)
            path = await self._notebooks.locate(entry.notebook_id)
        return path

    async def _missing(self, entry: _Entry, runs: tuple[str, ...]) -> None:
        path = await off_loop(self._store.path_of, entry.notebook_id)
        if path is None:  # deleted
            self._entries.pop(entry.notebook_id, None)
            return
        entry.path = path
        entry.runs.update(runs)
        self._say(entry, f"The notebook {path} is not there any more. Its trace is written on once it is.")

    async def _failed(self, entry: _Entry, error: Exception) -> None:
        if (
            entry.path
            and isinstance(error, HTTPError)
            and await self._notebooks.locate(entry.notebook_id) != entry.path
        ):
            self._schedule(entry, self._now())  # it was renamed, or deleted, meanwhile
            return
        reason = (error.log_message or error.reason) if isinstance(error, HTTPError) else str(error)
        where = self.place(entry.path) if entry.path else None
        self._say(
            entry,
            f"The trace of {entry.path or 'a notebook'} cannot be written to {where} "
            f"({reason or type(error).__name__}). Nothing is lost, the store has it; it is tried again with the next "
            "run. If the folder cannot be written, let RLMExtension.trace_location name one that can.",
        )

    def _tell(self, entry: _Entry) -> None:
        """Tell who listens where the trace is and what is wrong with it, unless that is known."""
        where = None if self._location == "nowhere" else entry.file.written or self.place(entry.path)
        problem = self._why_not(entry.path) if where is None else entry.problem
        if entry.notebook_id in self._entries and entry.told != (where, problem):
            entry.told = where, problem
            for listener in self.on_written:
                listener(entry.notebook_id, where, problem)

    def _why_not(self, path: str) -> str:
        if self._location == "nowhere":
            return "RLMExtension.trace_location of the server is 'nowhere'"
        if trace_name_for(path) is None:
            return "this is a trace notebook"
        return "it would be a hidden file, and ContentsManager.allow_hidden of the server is off"

    def _earlier(self, notebook_id: int) -> list[Callable[[], Trace | None]]:
        path = self._store.path_of(notebook_id)
        runs = self._store.runs(notebook=path, limit=_EARLIER) if path is not None else []
        return [partial(self._store.excerpt, run.run_id) for run in reversed(runs)]

    def _say(self, entry: _Entry, problem: str) -> None:
        if entry.problem is None:
            _log.warning("%s", problem)
        entry.problem = problem

    def _shed(self) -> None:
        """Keep no more in memory than was agreed: what was written longest ago goes."""
        held = sum(entry.file.size for entry in self._entries.values())
        for entry in sorted(self._entries.values(), key=lambda entry: entry.ended):
            if held <= _IN_MEMORY:
                return
            if not entry.file.lock.locked() and not entry.runs:
                held -= entry.file.size
                entry.file.forget()

    # --- where --------------------------------------------------------------------------------------------------------

    def _settled(self, kernel_id: str, notebook_id: int | None) -> None:
        runs = self._homeless.pop(kernel_id, {}) if notebook_id is not None else {}
        for run_id, at_once in runs.items():
            self._touch(int(notebook_id or 0), run_id, at_once=at_once)

    def _moved(self, move: Move) -> None:
        if self._location == "nowhere":
            return
        entry = self._entry(move.notebook_id)
        if move.folder is not None:
            entry.file.folders.append(move.folder)
        if entry.file.home is None:
            entry.file.home = move.old if move.folder is None or self._location != "beside" else move.new
        self._spawn(self._follow(entry))

    def _entry(self, notebook_id: int) -> _Entry:
        entry = self._entries.get(notebook_id)
        if entry is None:
            earlier = partial(self._earlier, notebook_id)
            file = TraceFile(self._contents, self.place, earlier, beside=self._location == "beside")
            entry = self._entries[notebook_id] = _Entry(notebook_id, file)
        return entry

    async def _follow(self, entry: _Entry) -> None:
        """Let the file follow its notebook to where it is now, or go with it."""
        async with entry.file.lock:
            try:
                if await off_loop(self._store.path_of, entry.notebook_id) is None:
                    self._cancel(entry)
                    entry.runs.clear()
                    self._entries.pop(entry.notebook_id, None)
                    await entry.file.delete()
                elif await self._bring_along(entry):
                    if entry.runs:
                        self._schedule(entry, self._now())
                    if entry.told is not None:
                        self._tell(entry)
            except Exception as error:  # noqa: BLE001 - as above
                await self._failed(entry, error)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
