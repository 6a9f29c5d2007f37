"""Keeps replies that were paid for, in a file that runs, kernels and processes share."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import wait
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakSet

from rlm_jupyter.core.errors import ConfigurationError
from rlm_jupyter.core.protocols import ModelReply

from .reply_file import ReplyFile

__all__ = ["Cache", "CacheStats", "default_cache_path"]

_log = logging.getLogger(__name__)

_MAX_BYTES = 1_000_000_000
_CLOSE_SECONDS = 4.0  # for which what is not yet written is waited for
_LOCKED = "The cache of replies {} is in use elsewhere, and busy: the replies that came last may not be kept."
_GOES_ON = {
    "read": "The run goes on: no reply is found in it, and none is kept.",
    "write": "The run goes on: replies are found in it, and no further ones are kept.",
}


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
    """Replies by the key of their request and the server that gave them, in an SQLite file for its owner alone.

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
        self._file: ReplyFile | None = None
        self._closed_to: set[str] = set()
        self.tell: Callable[[str], None] = _warn
        """Told, once, of a file that cannot be used: by a warning, unless somebody shows it otherwise."""
        _caches.add(self)

    def __reduce__(self) -> tuple[Callable[..., Cache], tuple[Path, int]]:
        """Return how to make the same again."""
        return _cache_of, (self.path, self.max_bytes)

    def __repr__(self) -> str:
        """Say where the file is."""
        return f"Cache({os.fspath(self.path)!r})"

    async def get(self, key: str, server: str | None = None) -> ModelReply | None:
        """Return the reply that is kept of this server, or of any, to the request of this key, as it came; or None."""
        if "read" in self._closed_to:
            return None
        try:
            return await asyncio.wrap_future(self._opened().get(key, server))
        except _failures() as error:
            self._close_to("read", error)
            return None

    def put(self, key: str, server: str, reply: ModelReply) -> None:
        """Keep a reply, soon: nobody waits for the disk. Call it on a running event loop, where a failure is told."""
        if self._closed_to:
            return
        written = asyncio.wrap_future(self._opened().put(key, server, reply))
        written.add_done_callback(self._end_put)

    def stats(self) -> CacheStats:
        """Return what the file holds; waits for it, and closes it unless it was open."""
        if not self.path.exists():
            return CacheStats(self.path)
        was_open = self._file is not None
        try:
            return CacheStats(self.path, *self._opened().begin(lambda table: table.count()).result())
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
            return self._opened().begin(lambda table: table.clear()).result()
        except _failures() as error:
            raise ConfigurationError(_problem(self.path, error)) from error

    def close(self) -> None:
        """Close the file once everything is written; a later use opens it again. May be called twice."""
        opened = self._given_up()
        if opened is not None and wait(opened.end(), _CLOSE_SECONDS).not_done:
            self._tell(_LOCKED.format(self.path))

    async def aclose(self) -> None:
        """Close as ``close`` does; the event loop is free meanwhile."""
        opened = self._given_up()
        if opened is not None:
            closed = [asyncio.wrap_future(each) for each in opened.end()]
            if (await asyncio.wait(closed, timeout=_CLOSE_SECONDS))[1]:
                self._tell(_LOCKED.format(self.path))

    def _given_up(self) -> ReplyFile | None:
        with self._lock:
            opened, self._file = self._file, None
            self._closed_to.clear()
        return opened

    def _opened(self) -> ReplyFile:
        with self._lock:
            if self._file is None:
                self._file = ReplyFile(self.path, self.max_bytes)
            return self._file

    def _forget_the_file(self) -> None:
        """A forked child has the file but not its threads: it opens it anew, and leaves the parent's alone."""
        if self._file is not None:
            _parents.append(self._file)
        self._lock, self._file = threading.Lock(), None

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
            self._tell(f"{_problem(self.path, error)} {_GOES_ON[what]}")

    def _tell(self, text: str) -> None:
        """Tell, or log where that fails, as where warnings are made errors: it must not end the run."""
        try:
            self.tell(text)
        except Exception:  # noqa: BLE001 - a filter or a showwarning of the user's
            _log.warning("%s", text)


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


def _warn(text: str) -> None:
    """Warn without a line of ours below it: what went wrong stands in none."""
    warnings.warn_explicit(text, UserWarning, "rlm-jupyter", 0)


def _forget_all() -> None:
    for cache in list(_caches):
        cache._forget_the_file()  # noqa: SLF001 - of this module


_caches: WeakSet[Cache] = WeakSet()
_parents: list[ReplyFile] = []
"""Files of the process that this one was forked from: to close them here could harm them there."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
