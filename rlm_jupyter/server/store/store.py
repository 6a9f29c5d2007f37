"""The store: one door to all that is kept."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from . import notebooks, reading, sessions
from .database import Database
from .endings import abandon_runs
from .events import take_events
from .excerpt import excerpt
from .files import disk_bytes
from .incoming import Source
from .lease import Lease
from .passages import search_run
from .retention import Bounds, drop_runs, prune, shrink, sweep
from .rows import Change, FoundRun, Passages, Pruned, RunRow, SessionRow, TextRow, UsageRow
from .search import search

if TYPE_CHECKING:
    from rlm_jupyter.trace.schema import Event
    from rlm_jupyter.trace.trace import Trace
    from rlm_jupyter.trace.wire import SessionRecord

__all__ = ["Store"]

T = TypeVar("T")


class Store:
    """Notebooks, their sessions and runs, in the SQLite file at ``path``. Safe to use from any thread.

    The file is opened at first use. Every write is one transaction; a read sees one moment and waits for no write.
    Beyond ``max_runs``, ``max_days`` or ``max_bytes`` old runs go when ``prune`` is called; None sets no bound.
    ``root`` is what the paths of notebooks are relative to. Stores of several roots may share the file: each sees its
    own notebooks and runs, only the bounds are for all of them. None, for whoever counts and prunes, sees everything.
    All methods raise ``StoreError`` when the file cannot be used; a damaged one is put aside, and a new one begun,
    unless ``begins_anew`` is false.
    """

    def __init__(
        self,
        path: Path,
        root: str | None = None,
        *,
        max_runs: int | None = None,
        max_days: float | None = None,
        max_bytes: int | None = None,
        full_text: bool = True,
        begins_anew: bool = True,
    ) -> None:
        self.path = Path(path)
        self.bounds = Bounds(max_runs, max_days, max_bytes)
        root = reading.plain(root).replace("\0", "") if root is not None else None
        self._root = root or ""
        self._database = Database(self.path, root=root, full_text=full_text, begins_anew=begins_anew)
        self._lease = Lease(self.path)

    # Writes.

    def take(self, kernel_id: str, notebook_id: int | None, events: Sequence[Event]) -> tuple[list[Change], int]:
        """Store events that a kernel sent, and return what they changed, run by run, and how many were refused.

        They may come in any order, and again: the first one under a number stays, and the same one again changes
        nothing. A run belongs to the kernel that sent its first event.
        """

        def work(connection: sqlite3.Connection) -> tuple[list[Change], int]:
            self._lease.take()
            notebook = notebooks.resolved(connection, notebook_id)
            server, full_text = self._lease.token, self._database.full_text
            source = Source(reading.plain(kernel_id), notebook, self._root, server, full_text)
            return take_events(connection, source, events)

        return self._database.write(work)

    def abandon(self, kernel_id: str | None, *, alive: Collection[str] = ()) -> list[Change]:
        """End a kernel's open runs as interrupted, and return what that changed.

        None means the kernels of this server and of servers that are gone, except those that are still ``alive``; those
        of another server that shares the file are left alone, and those of another root to the next server that has
        it. An event that comes late is stored all the same, and a run's own end takes the place of the one that is made
        here.
        """

        def work(connection: sqlite3.Connection) -> list[Change]:
            query = "SELECT id, kernel_id, server FROM own_runs WHERE status IS NULL ORDER BY id"
            found = connection.execute(query).fetchall()
            if kernel_id is not None:
                return abandon_runs(connection, [run for run, kernel, _ in found if kernel == reading.plain(kernel_id)])
            held = {token for token in {row[2] for row in found} - {self._lease.token} if self._lease.is_held(token)}
            gone = [run for run, kernel, server in found if server not in held and kernel not in alive]
            return abandon_runs(connection, gone)

        changes = self._database.write(work)
        if kernel_id is None:
            self._lease.sweep()
        return changes

    def notebook(self, path: str, file_id: str | None = None) -> int:
        """Return the number of the live notebook at the path, which is a new one if need be.

        A notebook that is known by its ``file_id`` keeps its number under the new path.
        """
        known = self.notebook_at(path)
        if known is not None and file_id is None:
            return known
        return self._database.write(lambda connection: notebooks.notebook(connection, self._root, path, file_id))

    def attach(self, kernel_id: str, notebook_id: int) -> None:
        """Give the kernel's runs that have no notebook yet this one."""
        self._database.write(lambda connection: notebooks.attach(connection, kernel_id, notebook_id))

    def moved(self, old: str, new: str) -> list[int]:
        """Follow a notebook, or all below a folder, to another path, and return the numbers of the notebooks concerned.

        Where there is a notebook already, it takes over the sessions of the one that comes; the number of that one goes
        on to mean it.
        """
        return self._database.write(lambda connection: notebooks.moved(connection, old, new))

    def copied(self, path: str, copy: str) -> None:
        """Remember that a notebook is a copy, so that it offers the original's sessions from before it was made."""
        self._database.write(lambda connection: notebooks.copied(connection, self._root, path, copy))

    def deleted(self, path: str) -> list[int]:
        """Mark a notebook, or all below a folder, as deleted, and return their numbers.

        What was said in them is kept; a new notebook of that name has another number.
        """
        return self._database.write(lambda connection: notebooks.deleted(connection, path))

    def delete_run(self, run_id: str) -> bool:
        """Delete a run with all that belongs to it, and return whether there was one. What comes late is refused."""

        def work(connection: sqlite3.Connection) -> int:
            key = reading.key_of(connection, run_id)
            return self._drop(connection, [key] if key is not None else [])

        return self._deleted(work) > 0

    def delete_session(self, notebook_id: int | None, session_id: str) -> int:
        """Delete the runs of a notebook's session, and return how many; those of what it is a copy of stay."""

        def work(connection: sqlite3.Connection) -> int:
            query = "SELECT id FROM own_runs WHERE notebook IS ? AND session_id = ?"
            values = (notebooks.resolved(connection, notebook_id), reading.plain(session_id))
            unknown = notebook_id is not None and values[0] is None
            return self._drop(connection, [row[0] for row in connection.execute(query, values)] if not unknown else [])

        return self._deleted(work)

    def prune(self, *, dry_run: bool = False) -> Pruned:
        """Delete runs that have ended until the rest is within the bounds, and return what went.

        The oldest runs of the notebook that holds most go first, and of no notebook the last five, unless they are too
        old. Deleted notebooks that nothing belongs to go, too. With ``dry_run`` nothing does, and the bytes are
        estimated.
        """
        return prune(self._database, self.bounds, dry_run=dry_run)

    def vacuum(self) -> None:
        """Give what is free in the file back to the file system."""
        sweep(self._database)
        shrink(self._database)

    def close(self) -> None:
        """Close the file; the store cannot be used any more."""
        self._database.close()
        self._lease.give_up()

    # Reads.

    def missing(self, run_id: str, limit: int = 1_000) -> list[tuple[int, int]]:
        """Return the numbers below a run's last one that never came, as ranges with both ends, the lowest first."""
        return self._database.read(lambda connection: reading.missing(connection, run_id, limit))

    def path_of(self, notebook_id: int) -> str | None:
        """Return a notebook's path; None when it was deleted, or never was."""
        return self._database.read(lambda connection: notebooks.path_of(connection, notebook_id))

    def notebook_at(self, path: str) -> int | None:
        """Return the number of the live notebook at the path."""
        return self._database.read(lambda connection: notebooks.notebook_at(connection, path))

    def sessions(self, notebook: str | None = None, *, limit: int = 100, offset: int = 0) -> list[SessionRow]:
        """Return the sessions of the notebook at a path, or of all, the last one first."""

        def work(connection: sqlite3.Connection) -> list[SessionRow]:
            if notebook is None:
                return sessions.sessions_of_all(connection, limit, offset)
            key = notebooks.notebook_at(connection, notebook)
            found = sessions.sessions_of(connection, key) if key is not None else []
            return found[max(0, offset) :][: max(0, limit)]

        return self._database.read(work)

    def session(self, notebook_id: int | None, prefix: str | None) -> list[SessionRow]:
        """Return the sessions of a notebook whose ids begin so: one, when it is the whole id; none, or several.

        A prefix of None means the last session in which a question was answered; a notebook of None those runs that
        have none.
        """
        return self._database.read(lambda connection: sessions.sessions_with(connection, notebook_id, prefix))

    def conversation(self, notebook_id: int | None, session_id: str) -> SessionRecord:
        """Return what was said in a session: its answered turns, and the settings of its last run."""
        return self._database.read(lambda connection: sessions.conversation(connection, notebook_id, session_id))

    def runs(
        self,
        notebook: str | None = None,
        session: str | None = None,
        kernel: str | None = None,
        status: str | None = None,
        limit: int = 100,
        before: str | None = None,
    ) -> list[RunRow]:
        """Return the runs that fit, the last one first; ``before`` is the run after which a page ended.

        ``status`` may be ``running``. A session that a copied notebook took up has the original's runs, too.
        """

        def work(connection: sqlite3.Connection) -> list[RunRow]:
            where: list[str] = []
            values: list[Any] = []
            if notebook is not None:
                key = notebooks.notebook_at(connection, notebook)
                if key is None:
                    return []
                found = notebooks.scopes(connection, key)
                condition, values = sessions.in_scopes(found if session is not None else found[:1])
                where.append(condition)
            for column, value in (("session_id", session), ("kernel_id", kernel), ("status", status)):
                if value is not None:
                    running = column == "status" and value == "running"
                    where.append(f"runs.{column} IS ?")
                    values.append(None if running else reading.plain(value))
            return reading.runs(connection, where, values, limit=limit, before=before)

        return self._database.read(work)

    def run(self, run_id: str) -> RunRow | None:
        """Return a run, with the whole of its texts."""
        return self._database.read(lambda connection: reading.run(connection, run_id))

    def spans(self, run_id: str, since: int = 0, limit: int = 1_000, most: int | None = None) -> list[str]:
        """Return start and end events, each as JSON, whose numbers are ``since`` or higher, in order.

        With ``most`` the list ends after the event that brings it beyond so many characters, but never after its first.
        """
        return self._database.read(lambda connection: reading.spans(connection, run_id, since, limit, most))

    def text(self, run_id: str, digest: str) -> TextRow | None:
        """Return a text that the run's events name."""
        return self._database.read(lambda connection: reading.text(connection, run_id, digest))

    def usage(self, run_id: str) -> list[UsageRow]:
        """Return what the run's calls took, model by model."""
        return self._database.read(lambda connection: reading.usage(connection, run_id))

    def trace(self, run_id: str) -> Trace | None:
        """Return the trace of a run, as far as it has come; None while its beginning is missing."""
        return self._database.read(lambda connection: reading.trace(connection, run_id))

    def events(self, run_id: str, since: int, most: int) -> tuple[list[str], int | None]:
        """Return events of a run as JSON, texts among them, from this number on, and the number of the next one.

        They have no more than ``most`` characters, unless the first alone has.
        """
        return self._database.read(lambda connection: reading.events(connection, run_id, since, most))

    def cut_runs(self, notebook_id: int, prefix: str | None, session: str | None) -> list[str]:
        """Return the ids of a notebook's runs that begin so; without a prefix the last run, if it has no answer.

        With a ``session``, only its runs count.
        """
        return self._database.read(lambda connection: sessions.cut_runs(connection, notebook_id, prefix, session))

    def excerpt(self, run_id: str) -> Trace | None:
        """Return the part of a run's trace that a notebook shows, in which the rest is counted (``Trace.omitted``).

        Of a huge run ``trace`` takes gigabytes; this does not.
        """
        return self._database.read(lambda connection: excerpt(connection, run_id))

    def search(self, words: str, notebook: str | None = None, *, limit: int = 20, offset: int = 0) -> list[FoundRun]:
        """Return the runs whose question or answer holds all the words, the best ones first.

        Every string may be looked for. ``notebook`` is a path.
        """

        def work(connection: sqlite3.Connection) -> list[FoundRun]:
            key = notebooks.notebook_at(connection, notebook) if notebook is not None else None
            if notebook is not None and key is None:
                return []
            full_text = self._database.full_text
            return search(connection, words, key, limit, offset, full_text=full_text)

        return self._database.read(work)

    def search_run(self, run_id: str, words: str, kind: str | None = None, *, limit: int = 200) -> Passages:
        """Return where a run's spans, or those of one kind, hold the text or all of its words, in their order.

        Every string may be looked for. It takes a few seconds at most: the rest of a huge run is not looked at.
        """
        return self._database.read(lambda connection: search_run(connection, run_id, words, kind, limit))

    def stats(self) -> dict[str, Any]:
        """Return what there is, by name: counts, bytes on the disk, when the oldest and the newest run began."""
        counted = self._database.read(reading.counts)
        words = "index" if self._database.full_text else "reading"
        return {**counted, "bytes": disk_bytes(self.path), "journal": self._database.journal, "search": words}

    def _drop(self, connection: sqlite3.Connection, runs: list[int]) -> int:
        return drop_runs(connection, runs, full_text=self._database.full_text)

    def _deleted(self, work: Callable[[sqlite3.Connection], int]) -> int:
        dropped = self._database.write(work)
        if dropped:
            self.vacuum()
        return dropped
