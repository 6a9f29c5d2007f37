"""Which notebook a kernel belongs to, and where that notebook is now."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from jupyter_server.utils import ensure_async
from tornado.web import HTTPError

from .off_loop import off_loop

if TYPE_CHECKING:
    from jupyter_events import EventLogger
    from jupyter_server.serverapp import ServerApp

    from .store import Store

__all__ = ["Move", "Notebooks"]

_log = logging.getLogger(__name__)

_CONTENTS = "https://events.jupyter.org/jupyter_server/contents_service/v1"

_FRESH = 1.0
"""Seconds for which an answer of the session manager is believed."""

_PLACES = 2_000
"""How many kernels are remembered, those that are no more among them."""


@dataclass(frozen=True, slots=True)
class Move:
    """A notebook has another path; ``new`` is None when it was deleted.

    ``old`` is None when it was deleted with its folder, and nothing had been heard of it since the server began.
    ``folder`` is what a folder around it was called, and is called now, when that was renamed.
    """

    notebook_id: int
    old: str | None
    new: str | None
    folder: tuple[str, str] | None = None


@dataclass(slots=True)
class _Place:
    """Where a kernel is: what its session said last, and which notebook that came to, which may have moved since."""

    told: str
    path: str | None
    notebook_id: int | None


class Notebooks:
    """Follows notebooks through sessions, renames, copies and deletions. Belongs to the event loop.

    A kernel is its first notebook session's: a console on the same kernel does not count, nor does a second notebook.
    A session whose path is no notebook (JupyterLab begins one under a name made up) gives none until it is. Once a
    kernel's notebook is known, it is followed by what the contents manager tells, whatever the session says.
    """

    def __init__(self, serverapp: ServerApp, store: Store) -> None:
        self._serverapp = serverapp
        self._contents: Any = serverapp.contents_manager  # which of its methods are coroutines is its own affair
        self._events = cast("EventLogger", serverapp.event_logger)
        self._store = store
        self._places: dict[str, _Place] = {}
        self._gone: set[int] = set()
        self._file_ids: dict[int, str] = {}
        self._paths: dict[int, str] = {}
        self._lock = asyncio.Lock()
        self._looked = self._answered = float("-inf")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self.on_moved: list[Callable[[int, str | None], None]] = []
        """Told of each notebook that has another path, and of those that were deleted (None)."""
        self.on_move: list[Callable[[Move], None]] = []
        """Told the same, and what the path was."""
        self.on_settled: list[Callable[[str, int | None], None]] = []
        """Told when a kernel's notebook becomes known, or is another one: kernel, notebook."""

    async def start(self) -> None:
        """Begin to listen to the contents manager, and look at the sessions that there are."""
        self._loop = asyncio.get_running_loop()
        self._events.add_listener(schema_id=_CONTENTS, listener=self._heard)
        await self.refresh()

    async def stop(self) -> None:
        """Listen no more."""
        self._events.remove_listener(listener=self._heard)
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._loop = None

    async def of_kernel(self, kernel_id: str) -> int | None:
        """Return the kernel's notebook, having asked the session manager; None while it has none."""
        await self.refresh()
        return self.current(kernel_id)

    def current(self, kernel_id: str) -> int | None:
        """Return the kernel's notebook as far as it is known. May be called from any thread, and costs nothing."""
        place = self._places.get(kernel_id)
        unknown = place is None or place.notebook_id is None  # a known one is looked after when a run begins or ends
        if unknown and time.monotonic() - self._looked > _FRESH:
            self.refresh_soon()
        return place.notebook_id if place is not None else None

    def kernels_of(self, notebook_id: int) -> list[str]:
        """Return the kernels that belong to the notebook."""
        return [kernel_id for kernel_id, place in tuple(self._places.items()) if place.notebook_id == notebook_id]

    def refresh_soon(self) -> None:
        """Ask the session manager as soon as the loop comes to it. May be called from any thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._looked = time.monotonic()  # once is enough
            self._loop.call_soon_threadsafe(self._spawn_refresh)

    async def refresh(self) -> None:
        """Ask the session manager which notebook each kernel belongs to; at the same time once for all who ask."""
        asked = time.monotonic()
        async with self._lock:
            if self._answered >= asked:
                return
            self._looked = self._answered = time.monotonic()
            await self._look()

    async def locate(self, notebook_id: int) -> str | None:
        """Return the path at which the notebook is now; None when it was deleted, or is not to be found."""
        async with self._lock:
            path = await off_loop(self._store.path_of, notebook_id)
            if path is None or await self._exists(path):
                return path
            found = await self._found_by_id(notebook_id)
            if found is None or found == path:
                return None
            await self._move(path, found)
            return found

    # --- sessions -----------------------------------------------------------------------------------------------------

    async def _look(self) -> None:
        try:
            sessions = await ensure_async(self._serverapp.session_manager.list_sessions())
        except Exception as error:  # noqa: BLE001 - any session manager may stand here, and the next look may succeed
            _log.warning("The sessions could not be listed (%s: %s).", type(error).__name__, error)
            return
        for kernel_id, path in (await self._notebook_sessions(sessions)).items():
            try:
                await self._place(kernel_id, path)
            except Exception as error:  # noqa: BLE001 - as above, of contents managers and of a store that is busy
                _log.warning("Kernel %s has no notebook yet (%s: %s).", kernel_id, type(error).__name__, error)
        for kernel_id in list(self._places)[:-_PLACES]:
            if kernel_id not in self._serverapp.kernel_manager:
                del self._places[kernel_id]

    async def _notebook_sessions(self, sessions: Iterable[Mapping[str, Any]]) -> dict[str, str]:
        """Return for each kernel the path of its first notebook session."""
        told: dict[str, str] = {}
        for session in sessions:
            kernel_id, path = str((session.get("kernel") or {}).get("id")), str(session.get("path") or "").strip("/")
            if path and kernel_id not in told and await self._is_notebook(str(session.get("type")), path):
                told[kernel_id] = path
        return told

    async def _is_notebook(self, session_type: str, path: str) -> bool:
        """Return whether the session is a notebook's; one in a text format (jupytext's) is a ``file`` to JupyterLab."""
        if session_type != "file":
            return session_type == "notebook"
        try:
            model = await ensure_async(self._contents.get(path, content=False))
        except HTTPError:
            return False
        return bool(model["type"] == "notebook")

    async def _place(self, kernel_id: str, told: str) -> None:
        place = self._places.get(kernel_id)
        if place is None:
            place = self._places[kernel_id] = _Place(told, None, None)
        elif place.told == told and place.notebook_id is not None and place.notebook_id not in self._gone:
            return
        before = place.notebook_id
        path, notebook_id = await self._resolved(place, told)
        place.told, place.path, place.notebook_id = told, path, notebook_id
        if notebook_id is None or notebook_id == before:
            return
        if before is None:
            await off_loop(self._store.attach, kernel_id, notebook_id)
        for listener in self.on_settled:
            listener(kernel_id, notebook_id)

    async def _resolved(self, place: _Place, told: str) -> tuple[str | None, int | None]:
        """Return which notebook the session's path is: a known one, one that moved there, or a new one."""
        if not await self._exists(told):
            return place.path, place.notebook_id
        notebook_id = await off_loop(self._store.notebook_at, told)
        if notebook_id is None and place.path not in (None, told) and place.notebook_id not in self._gone:
            old = str(place.path)
            if not await self._exists(old):
                await self._move(old, told)
                notebook_id = await off_loop(self._store.notebook_at, told)
        file_id = self._file_id(told)
        if notebook_id is None:
            await self._follow_file(file_id, told)
            notebook_id = await off_loop(self._store.notebook, told, file_id)
        if file_id is not None:
            self._file_ids[notebook_id] = file_id
        self._paths[notebook_id] = told
        return told, notebook_id

    # --- what happens to files ----------------------------------------------------------------------------------------

    async def _heard(self, logger: Any, schema_id: str, data: dict[str, Any]) -> None:
        """Take note of what the contents manager did."""
        action, path = data.get("action"), str(data.get("path", "")).strip("/")
        source = str(data.get("source_path") or "").strip("/")
        if action not in ("rename", "copy", "delete"):
            return
        async with self._lock:  # fair: what happened first is taken note of first
            if action == "rename":
                await self._move(source, path)
            elif action == "copy":
                await off_loop(self._store.copied, source, path)
            else:
                await self._delete(path)

    async def _move(self, old: str, new: str) -> None:
        moved = await off_loop(self._moved, old, new)
        for place in self._places.values():
            if place.path is not None and _is_in(place.path, old):
                place.path = new + place.path[len(old) :]
                place.notebook_id = await off_loop(self._store.notebook_at, place.path) or place.notebook_id
        for notebook_id, path in moved:
            self._paths[notebook_id] = path
            self._tell(Move(notebook_id, old + path[len(new) :], path, (old, new) if path != new else None))

    def _moved(self, old: str, new: str) -> list[tuple[int, str]]:
        paths = [(notebook_id, self._store.path_of(notebook_id)) for notebook_id in self._store.moved(old, new)]
        return [(notebook_id, path) for notebook_id, path in paths if path is not None and _is_in(path, new)]

    async def _delete(self, path: str) -> None:
        file = await off_loop(self._store.notebook_at, path)
        deleted = await off_loop(self._store.deleted, path)
        self._gone.update(deleted)
        for notebook_id in deleted:
            old = self._paths.pop(notebook_id, path if notebook_id == file else None)
            self._tell(Move(notebook_id, old, None))

    def _tell(self, move: Move) -> None:
        for each in self.on_move:
            each(move)
        for listener in self.on_moved:
            listener(move.notebook_id, move.new)

    # --- files --------------------------------------------------------------------------------------------------------

    async def _exists(self, path: str) -> bool:
        try:
            return bool(await ensure_async(self._contents.file_exists(path)))
        except HTTPError:  # a path that leads out of the root
            return False

    def _file_id(self, path: str) -> str | None:
        """Return the file's number, where ``jupyter_server_fileid`` counts files."""
        numbers = self._serverapp.web_app.settings.get("file_id_manager")
        try:
            return numbers.index(path) if numbers is not None else None
        except (sqlite3.Error, OSError, ValueError) as error:
            _log.debug("%s has no file id: %s", path, error)
            return None

    async def _follow_file(self, file_id: str | None, path: str) -> None:
        """Take note that a notebook was moved behind the server's back, when its file turns up under this path."""
        for notebook_id, known in tuple(self._file_ids.items()):
            old = await off_loop(self._store.path_of, notebook_id) if known == file_id else None
            if old is not None and old != path and not await self._exists(old):
                await self._move(old, path)

    async def _found_by_id(self, notebook_id: int) -> str | None:
        """Return where a file is that was moved behind the server's back, if somebody counts files."""
        numbers, file_id = self._serverapp.web_app.settings.get("file_id_manager"), self._file_ids.get(notebook_id)
        if numbers is None or file_id is None:
            return None
        try:
            path = numbers.get_path(file_id)
        except (sqlite3.Error, OSError, ValueError) as error:
            _log.debug("File %s cannot be looked for: %s", file_id, error)
            return None
        path = str(path).strip("/") if path else None
        return path if path and await self._exists(path) else None

    def _spawn_refresh(self) -> None:
        if self._loop is not None:
            task = self._loop.create_task(self.refresh())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)


def _is_in(path: str, folder: str) -> bool:
    """Return whether the path is that of the file or folder, or below it."""
    return path == folder or path.startswith(f"{folder}/")
