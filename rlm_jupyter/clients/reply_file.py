"""The file of replies, open: written in one thread, read in another, which no other process's lock keeps waiting."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from rlm_jupyter.core.protocols import ModelReply

if TYPE_CHECKING:
    from .reply_table import ReplyTable

__all__ = ["ReplyFile"]

T = TypeVar("T")


class ReplyFile:
    """Opens the file at first use. What is done in a thread is done in its order; safe to use from any thread."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._writer = _Desk(path, max_bytes, "rlm-jupyter-cache")
        self._reader = _Desk(path, max_bytes, "rlm-jupyter-cache-reads")
        self._unwritten: dict[tuple[str, str], ModelReply] = {}
        self._gave_up = False

    def get(self, key: str, server: str | None) -> Future[ModelReply | None]:
        """Return the reply to a request, of this server or of any; None where there is none."""
        for (asked, of), reply in self._unwritten.copy().items():
            if asked == key and server in (None, of):
                found: Future[ModelReply | None] = Future()
                found.set_result(reply)
                return found
        return self._reader.begin(lambda table: self._read(table, key, server))

    def put(self, key: str, server: str, reply: ModelReply) -> Future[None]:
        """Keep a reply. After the first that cannot be kept, all that wait behind it are dropped: each might wait."""
        self._unwritten[key, server] = reply

        def put(table: ReplyTable) -> None:
            try:
                if not self._gave_up:
                    table.put(key, server, reply)
            except Exception:
                self._gave_up = True
                raise
            finally:
                self._unwritten.pop((key, server), None)

        return self._writer.begin(put)

    def begin(self, work: Callable[[ReplyTable], T]) -> Future[T]:
        """Have something done with the table, after what was to be written before."""
        return self._writer.begin(work)

    def end(self) -> list[Future[None]]:
        """Close the file once all is done that was begun."""
        return [self._reader.end(), self._writer.end()]

    def _read(self, table: ReplyTable, key: str, server: str | None) -> ModelReply | None:
        reply, is_stale = table.get(key, server)
        if is_stale and not self._gave_up:
            with contextlib.suppress(RuntimeError):  # it is being closed
                self._writer.begin(lambda own: own.touch(key))
        return reply


class _Desk:
    """A thread and what it has open."""

    def __init__(self, path: Path, max_bytes: int, name: str) -> None:
        self._path, self._max_bytes = path, max_bytes
        self._thread = ThreadPoolExecutor(1, name)
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
