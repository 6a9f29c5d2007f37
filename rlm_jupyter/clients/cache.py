"""Keeps replies that were paid for, in a file that runs, kernels and processes share."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from rlm_jupyter.core.errors import ConfigurationError
from rlm_jupyter.core.protocols import ModelReply

if TYPE_CHECKING:
    from .reply_table import ReplyTable

__all__ = ["Cache", "CacheStats", "default_cache_path"]

T = TypeVar("T")

_log = logging.getLogger(__name__)

_MAX_BYTES = 1_000_000_000


def default_cache_path() -> Path:
    """Return ``RLM_JUPYTER_CACHE``, else ``rlm_jupyter/replies.sqlite3`` in Jupyter's data directory."""
    named = os.environ.get("RLM_JUPYTER_CACHE")
    if named:
        return Path(named).expanduser().absolute()
    from jupyter_core.paths import jupyter_data_dir

    return Path(jupyter_data_dir()) / "rlm_jupyter" / "replies.sqlite3"


@dataclass(frozen=True, slots=True)
class CacheStats:
    """How many replies a cache holds, and their size in bytes; ``problem`` says why it cannot be used, if it cannot."""

    path: Path
    replies: int = 0
    bytes: int = 0
    problem: str | None = None

    def __str__(self) -> str:
        """Say it in a line."""
        counted = "1 reply" if self.replies == 1 else f"{self.replies:,} replies"
        return self.problem or f"{counted}, {self.bytes / 1e6:,.1f} MB, in {self.path}"


class Cache:
    """Replies by the key of their request, in an SQLite file that only its owner may read.

    ``path`` is by default ``RLM_JUPYTER_CACHE``, else ``rlm_jupyter/replies.sqlite3`` in Jupyter's data directory.
    When the replies take more than ``max_bytes``, those that were not used for longest go. A key is a digest, and no
    API key is ever written. Safe to use from any thread, and by several kernels at once; pickled, it is its path and
    size. A file that cannot be used is said once, as a warning: replies are then neither found nor kept.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None, *, max_bytes: int = _MAX_BYTES) -> None:
        if type(max_bytes) is not int or max_bytes < 1:
            msg = f"max_bytes must be a whole number of at least 1, not {max_bytes!r}."
            raise ConfigurationError(msg)
        self.path = default_cache_path() if path is None else Path(path).expanduser().absolute()
        self.max_bytes = max_bytes
        self._lock = threading.Lock()
        self._file: _File | None = None
        self._closed_to: set[str] = set()

    def __reduce__(self) -> tuple[Callable[..., Cache], tuple[Path, int]]:
        """Return how to make the same again."""
        return _cache_of, (self.path, self.max_bytes)

    def __repr__(self) -> str:
        """Say where the file is."""
        return f"Cache({os.fspath(self.path)!r})"

    async def get(self, key: str) -> ModelReply | None:
        """Return the reply that is kept under the key, as it came, or None."""
        if "read" in self._closed_to:
            return None
        try:
            return await asyncio.wrap_future(self._begin(lambda table: table.get(key)))
        except _failures() as error:
            self._close_to("read", error)
            return None

    def put(self, key: str, reply: ModelReply) -> None:
        """Keep a reply, soon: nobody waits for the disk. Call it on a running event loop, where a failure is told."""
        if self._closed_to:
            return
        written = asyncio.wrap_future(self._begin(lambda table: table.put(key, reply)))
        written.add_done_callback(self._end_put)

    def stats(self) -> CacheStats:
        """Return what the file holds; waits for it, and closes it unless it was open."""
        if not self.path.exists():
            return CacheStats(self.path)
        was_open = self._file is not None
        try:
            return CacheStats(self.path, *self._begin(lambda table: table.count()).result())
        except _failures() as error:
            return CacheStats(self.path, problem=_problem(self.path, error))
        finally:
            if not was_open:
                self.close()

    def clear(self) -> int:
        """Forget all replies and return how many they were; raises ``ConfigurationError`` for a file out of use."""
        if not self.path.exists():
            return 0
        try:
            return self._begin(lambda table: table.clear()).result()
        except _failures() as error:
            raise ConfigurationError(_problem(self.path, error)) from error

    def close(self) -> None:
        """Close the file once everything is written; a later use opens it again. May be called twice."""
        opened = self._given_up()
        if opened is not None:
            opened.end().result()

    async def aclose(self) -> None:
        """Close as ``close`` does; the event loop is free meanwhile."""
        opened = self._given_up()
        if opened is not None:
            await asyncio.wrap_future(opened.end())

    def _given_up(self) -> _File | None:
        with self._lock:
            opened, self._file = self._file, None
            self._closed_to.clear()
        return opened

    def _begin(self, work: Callable[[ReplyTable], T]) -> Future[T]:
        """Have this done with the table, in the thread of the file."""
        with self._lock:
            if self._file is None:
                self._file = _File(self.path, self.max_bytes)
            return self._file.begin(work)

    def _end_put(self, written: asyncio.Future[None]) -> None:
        if written.cancelled():
            return
        error = written.exception()
        if error is not None:
            self._close_to("write", error)

    def _close_to(self, what: str, error: BaseException) -> None:
        """Go on without the file, and say so the first time."""
        told = bool(self._closed_to)
        self._closed_to.add(what)
        if not told:
            _tell(f"{_problem(self.path, error)} The run goes on, and what it pays for is not kept.")


class _File:
    """The file, opened at first use in a thread of its own, which does one thing after the other."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._path, self._max_bytes = path, max_bytes
        self._thread = ThreadPoolExecutor(1, "rlm-jupyter-cache")
        self._table: ReplyTable | None = None

    def begin(self, work: Callable[[ReplyTable], T]) -> Future[T]:
        return self._thread.submit(lambda: work(self._opened()))

    def end(self) -> Future[None]:
        closed = self._thread.submit(self._close)
        self._thread.shutdown(wait=False)
        return closed

    def _opened(self) -> ReplyTable:
        if self._table is None:
            from .reply_table import ReplyTable

            self._table = ReplyTable(self._path, self._max_bytes)
        return self._table

    def _close(self) -> None:
        if self._table is not None:
            self._table.close()


def _cache_of(path: Path, max_bytes: int) -> Cache:
    return Cache(path, max_bytes=max_bytes)


def _failures() -> tuple[type[Exception], ...]:
    import peewee

    return OSError, peewee.PeeweeException


def _problem(path: Path, error: BaseException) -> str:
    return (
        f"The cache of replies {path} cannot be used: {error}. Remove or repair the file, or name another one with "
        "cache= or RLM_JUPYTER_CACHE."
    )


def _tell(text: str) -> None:
    """Warn, or log where warnings are made errors: it must not end the run."""
    try:
        warnings.warn(text, stacklevel=3)
    except Exception:  # noqa: BLE001 - a filter or a showwarning of the user's
        _log.warning("%s", text)
