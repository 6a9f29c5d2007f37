"""The SQLite file: opened for its owner alone, brought up to date, and put aside when it is damaged."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from .files import make_private, put_aside
from .migrations import MIGRATIONS, Migration, NewerStoreError, migrate
from .words import has_full_text, index_words

__all__ = ["Database", "StoreError"]

T = TypeVar("T")

_log = logging.getLogger(__name__)

_BUSY_SECONDS = 30.0
"""How long a write waits for another process's."""

_WAL_LIMIT = 64_000_000  # bytes of the write-ahead log that stay on disk when a busy time is over
_IDLE_READERS = 4
_CORRUPT, _NO_DATABASE = 11, 26  # SQLite's codes; Python knows them from 3.11 on


class StoreError(Exception):
    """The store cannot be opened, read or written; the message says why, and what can be done."""


class Database:
    """One file, one writing connection, and reading ones that a write never blocks. Safe to use from any thread."""

    def __init__(self, path: Path, *, migrations: Sequence[Migration] = MIGRATIONS, full_text: bool = True) -> None:
        self.path = path
        self.journal = ""
        self.full_text = full_text
        self._wanted_full_text = full_text
        self._migrations = migrations
        self._writer: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._idle: list[sqlite3.Connection] = []
        self._generation = 0
        self._closed = False
        self._lock = threading.RLock()
        self._readers_lock = threading.Lock()

    def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return what ``work`` returns, done in one transaction: all is kept, or nothing. Raises ``StoreError``."""
        with self._lock:
            try:
                try:
                    return _in_transaction(self._open(), "BEGIN IMMEDIATE", work)
                except sqlite3.DatabaseError as error:
                    self._mend(error)
                    return _in_transaction(self._open(), "BEGIN IMMEDIATE", work)
            except (sqlite3.Error, OSError) as error:
                msg = self._reason("written", error)
                raise StoreError(msg) from error

    def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return what ``work`` returns, which sees one moment of the store. Raises ``StoreError``."""
        try:
            try:
                return self._read(work)
            except sqlite3.DatabaseError as error:
                with self._lock:
                    self._mend(error)
                return self._read(work)
        except (sqlite3.Error, OSError) as error:
            msg = self._reason("read", error)
            raise StoreError(msg) from error

    def tidy(self, statement: str) -> None:
        """Execute a statement that is none of a transaction, unless another process is in its way."""
        with self._lock:
            try:
                connection = self._open()
                connection.execute("PRAGMA busy_timeout = 0")
                try:
                    connection.executescript(statement)  # which goes through all steps, also of what has no rows
                finally:
                    connection.execute(f"PRAGMA busy_timeout = {int(1000 * _BUSY_SECONDS)}")
            except sqlite3.OperationalError as error:
                _log.debug("The store was not tidied: %s", error)
            except (sqlite3.Error, OSError) as error:
                msg = self._reason("tidied", error)
                raise StoreError(msg) from error

    def close(self) -> None:
        """Close all connections; nothing is read or written afterwards."""
        with self._lock:
            self._closed = True
            self._disconnect()

    def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with self._readers_lock:
            generation = self._generation
            connection = self._idle.pop() if self._idle else None
        if connection is None:
            with self._lock:
                self._open()
                generation = self._generation
            connection = _connect(self.path)
            connection.execute("PRAGMA query_only = ON")
        try:
            return _in_transaction(connection, "BEGIN", work)
        finally:
            with self._readers_lock:
                keep = generation == self._generation and len(self._idle) < _IDLE_READERS and not self._closed
                if keep:
                    self._idle.append(connection)
            if not keep:
                connection.close()

    def _open(self) -> sqlite3.Connection:
        """Return the writing connection; a file that somebody took away is begun anew."""
        if self._closed:
            msg = f"The store {self.path} is closed."
            raise StoreError(msg)
        if self._writer is not None and self._file != _identity(self.path):
            _log.warning("The store %s was removed or replaced; it is opened anew.", self.path)
            self._disconnect()
        if self._writer is None:
            try:
                self._writer = self._connected()
            except sqlite3.DatabaseError as error:
                if not _is_damage(error):
                    raise
                self._put_aside(error)
                self._writer = self._connected()
            self._file = _identity(self.path)
        return self._writer

    def _connected(self) -> sqlite3.Connection:
        make_private(self.path)
        connection = _connect(self.path)
        try:
            # Pages that are freed can be given back; it has to be said before the first table is made.
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            self.journal = _begin_journal(connection)
            # In WAL mode NORMAL survives kill -9 at any moment: what a process wrote is the system's. Only a power cut
            # can take the last transactions, and it cannot damage the file. Other journals need FULL for that.
            connection.execute(f"PRAGMA synchronous = {'NORMAL' if self.journal == 'wal' else 'FULL'}")
            connection.execute(f"PRAGMA journal_size_limit = {_WAL_LIMIT}")
            connection.execute("PRAGMA secure_delete = FAST")  # what is deleted shall not be found in the file
            migrate(connection, self._migrations)
            self.full_text = self._wanted_full_text and has_full_text(connection)
            if self.full_text:
                _in_transaction(connection, "BEGIN IMMEDIATE", index_words)
            make_private(self.path)
        except BaseException as error:
            connection.close()
            if isinstance(error, NewerStoreError):
                msg = f"The store {self.path} cannot be opened. {error}"
                raise StoreError(msg) from None
            raise
        return connection

    def _mend(self, error: sqlite3.DatabaseError) -> None:
        """Make a damaged store usable, or raise the error again when it is of another kind."""
        if not _is_damage(error):
            raise error
        if self._writer is not None and self._file == _identity(self.path):
            if self.full_text and _is_sound(self._writer):
                _log.warning("The word index of the store %s was damaged (%s) and is made anew.", self.path, error)
                _in_transaction(self._writer, "BEGIN IMMEDIATE", lambda connection: index_words(connection, anew=True))
                return
            self._disconnect()
            self._put_aside(error)
        else:  # another process has put it aside already
            self._disconnect()

    def _put_aside(self, error: sqlite3.DatabaseError) -> None:
        kept = put_aside(self.path)
        _log.warning("The store %s is damaged (%s). It was kept as %s, and a new one is begun.", self.path, error, kept)

    def _disconnect(self) -> None:
        with self._readers_lock:
            readers, self._idle = self._idle, []
            self._generation += 1
        for connection in readers:
            connection.close()
        if self._writer is not None:
            self._writer.close()
        self._writer = None

    def _reason(self, done: str, error: Exception) -> str:
        reason = f"{error.strerror}: {error.filename}" if isinstance(error, OSError) and error.strerror else str(error)
        hint = " Make room on the disk." if "disk is full" in reason else ""
        return f"The store {self.path} could not be {done} ({reason}).{hint}"


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=256
    )
    connection.execute("PRAGMA foreign_keys = OFF")  # runs are deleted in slices
    return connection


def _begin_journal(connection: sqlite3.Connection) -> str:
    """Switch to a write-ahead log where the file system has what it needs, and return the journal that there is."""
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            journal = str(connection.execute("PRAGMA journal_mode").fetchone()[0])
            return journal if journal == "wal" else str(connection.execute("PRAGMA journal_mode = WAL").fetchone()[0])
        except sqlite3.OperationalError as error:
            # SQLite does not wait here by itself when another process opens the same file.
            if "locked" in str(error) and time.monotonic() < deadline:
                time.sleep(0.02)
                continue
            if "locked" in str(error):
                raise
            _log.warning("The store cannot have a write-ahead log (%s): reads and writes will wait for another.", error)
            return str(connection.execute("PRAGMA journal_mode = DELETE").fetchone()[0])


def _in_transaction(connection: sqlite3.Connection, begin: str, work: Callable[[sqlite3.Connection], T]) -> T:
    connection.execute(begin)
    try:
        result = work(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return result


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    code = getattr(error, "sqlite_errorcode", None)
    if code is not None:
        return code & 0xFF in (_CORRUPT, _NO_DATABASE)
    return "malformed" in str(error) or "not a database" in str(error)


def _is_sound(connection: sqlite3.Connection) -> bool:
    try:
        return [tuple(row) for row in connection.execute("PRAGMA quick_check(1)")] == [("ok",)]
    except sqlite3.DatabaseError:
        return False
