"""The SQLite file: opened for its owner alone, brought up to date, and put aside when it is damaged."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from .files import make_private, put_aside
from .migrations import MIGRATIONS, Migration, NewerStoreError, migrate
from .roots import own_views
from .words import has_full_text, index_words

__all__ = ["Database", "StoreError"]

T = TypeVar("T")

_log = logging.getLogger(__name__)

_BUSY_SECONDS = 30.0
"""How long a write waits for another process's."""

_WAL_LIMIT = 64_000_000  # bytes of the write-ahead log that stay on disk when a busy time is over
_CACHE_KILOBYTES = 16_000
_IDLE_READERS = 4
_CORRUPT, _NO_DATABASE = 11, 26  # SQLite's codes; Python knows them from 3.11 on


class StoreError(Exception):
    """The store cannot be opened, read or written; the message says why, and what can be done."""


class Database:
    """One file, one writing connection, and reading ones that a write never blocks. Safe to use from any thread."""

    def __init__(
        self,
        path: Path,
        *,
        root: str | None = None,
        migrations: Sequence[Migration] = MIGRATIONS,
        full_text: bool = True,
        begins_anew: bool = True,
    ) -> None:
        self.path = path
        self._begins_anew = begins_anew
        self._views = own_views(root)
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
        connection, generation = self._reader()
        try:
            return _in_transaction(connection, "BEGIN", work)
        finally:
            with self._readers_lock:
                keep = generation == self._generation and len(self._idle) < _IDLE_READERS and not self._closed
                if keep:
                    self._idle.append(connection)
            if not keep:
                connection.close()

    def _reader(self) -> tuple[sqlite3.Connection, int]:
        """Return a connection for reading, and of which generation it is."""
        with self._readers_lock:
            generation = self._generation
            if self._idle:
                return self._idle.pop(), generation
        # A write may hold the lock for long; once the file is there, and brought up to date, it is not needed.
        if self._is_open():
            with contextlib.suppress(sqlite3.OperationalError):  # somebody took the file away: see below
                connection = self._connect_reader()
                if generation == self._generation and self._is_open():
                    return connection, generation
                connection.close()
        with self._lock:
            self._open()
            return self._connect_reader(), self._generation

    def _connect_reader(self) -> sqlite3.Connection:
        connection = _connect(self.path, mode="rw")
        try:
            connection.executescript(self._views)
            connection.execute("PRAGMA query_only = ON")
        except BaseException:
            connection.close()
            raise
        return connection

    def _is_open(self) -> bool:
        return self._writer is not None and self._file == _identity(self.path)

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
        connection, self.journal = _connect_writer(self.path)
        try:
            # In WAL mode NORMAL survives kill -9 at any moment: what a process wrote is the system's. Only a power cut
            # can take the last transactions, and it cannot damage the file. Other journals need FULL for that.
            connection.execute(f"PRAGMA synchronous = {'NORMAL' if self.journal == 'wal' else 'FULL'}")
            connection.execute(f"PRAGMA journal_size_limit = {_WAL_LIMIT}")
            connection.execute(f"PRAGMA cache_size = {-_CACHE_KILOBYTES}")
            connection.execute("PRAGMA secure_delete = FAST")  # what is deleted shall not be found in the file
            migrate(connection, self._migrations)
            connection.executescript(self._views)
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
        # What is stored breaks no constraint: when one is broken, it is by an index of words that is not what it was.
        in_words = self.full_text and isinstance(error, sqlite3.IntegrityError)
        if not (in_words or _is_damage(error)):
            raise error
        if self._writer is None or not self._is_open():
            self._disconnect()  # another process has put it aside already
        elif self.full_text and _is_sound(self._writer):
            _log.warning("The word index of the store %s was damaged (%s) and is made anew.", self.path, error)
            _in_transaction(self._writer, "BEGIN IMMEDIATE", lambda connection: index_words(connection, anew=True))
        else:
            self._disconnect()
            self._put_aside(error)

    def _put_aside(self, error: sqlite3.DatabaseError) -> None:
        if not self._begins_anew:
            msg = (
                f"The store {self.path} is damaged ({error}). A server that uses it puts the file aside and begins a "
                "new one; nothing was changed now."
            )
            raise StoreError(msg)
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


def _connect(path: Path, mode: str = "rwc") -> sqlite3.Connection:
    """Return a connection; mode ``rw`` makes no file where there is none."""
    uri = path.absolute().as_uri()
    if not uri.startswith("file:///"):  # a share of Windows: SQLite wants no host
        uri = uri.replace("file://", "file:////", 1)
    return sqlite3.connect(
        f"{uri}?mode={mode}",
        uri=True,
        timeout=_BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
    )


def _connect_writer(path: Path) -> tuple[sqlite3.Connection, str]:
    """Return a connection, and the journal: a write-ahead log where the file system has what that needs."""
    connection = _connect(path)
    try:
        return connection, _begin_log(connection)
    except sqlite3.DatabaseError as error:
        connection.close()
        if not isinstance(error, sqlite3.OperationalError) or _is_locked(error):
            raise
        reason = error
    connection = _connect(path)
    try:
        # A log that is in the file's head already can only be left alone, without the memory that processes share.
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("PRAGMA locking_mode = NORMAL")
        _in_transaction(connection, "BEGIN IMMEDIATE", lambda _: None)
    except sqlite3.DatabaseError:
        connection.close()
        raise
    _log.warning("The store %s cannot have a write-ahead log (%s): reads and writes wait for others.", path, reason)
    return connection, "delete"


def _begin_log(connection: sqlite3.Connection) -> str:
    deadline = time.monotonic() + _BUSY_SECONDS
    if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
        # Pages that are freed can be given back; it has to be said before the first table is made.
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    while True:
        try:
            if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                connection.execute("PRAGMA journal_mode = WAL")
            break
        except sqlite3.OperationalError as error:
            # SQLite does not wait here by itself when another process opens the same file.
            if not _is_locked(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
    _in_transaction(connection, "BEGIN IMMEDIATE", lambda _: None)  # some file systems fail only now
    return str(connection.execute("PRAGMA journal_mode").fetchone()[0])


def _is_locked(error: sqlite3.OperationalError) -> bool:
    return "locked" in str(error)


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
    """Return whether all but the index of words is as it should be."""
    try:
        found = [str(row[0]).lower() for row in connection.execute("PRAGMA integrity_check(100)")]
    except sqlite3.DatabaseError:
        return False
    return all(line == "ok" or "fts5" in line for line in found)
