"""The table of kept replies in an SQLite file, through peewee: opened for its owner alone, and kept to a size."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import peewee

from rlm_jupyter.core.protocols import ModelReply
from rlm_jupyter.core.usage import Usage

__all__ = ["ReplyTable"]

_BUSY_SECONDS = 5
_TOUCH_AFTER = 3600.0  # seconds; to write down every use would cost a write for every reply that is read
_LOOK_EVERY = 64  # writes between two looks at the size
_ROOM_MADE = 0.9  # of the limit is what stays when the oldest have to go

_KEPT = ("text", "model", "finish_reason", "response_id", "reasoning", "notes")
_USAGE = tuple(each.name for each in fields(Usage))


class ReplyTable:
    """The open file. For use from one thread at a time; raises ``OSError`` and ``peewee.PeeweeException``."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # SQLite gives its other files the mode of this one
        self._max_bytes = max_bytes
        self._writes = 0
        pragmas = {"journal_mode": "wal", "synchronous": "normal"}
        self._database = peewee.SqliteDatabase(os.fspath(path), timeout=_BUSY_SECONDS, pragmas=pragmas)
        self._rows = _rows_of(self._database)
        self._open()

    def get(self, key: str, server: str | None) -> tuple[ModelReply | None, bool]:
        """Return the reply that is kept under the key, as it came, and whether its use is to be noted.

        Of several servers' it is the one that was used last, unless the server is named; None where there is none that
        can be read.
        """
        named = self._rows.key == key if server is None else (self._rows.key == key) & (self._rows.server == server)
        row = self._rows.select().where(named).order_by(self._rows.used.desc()).first()
        return (None, False) if row is None else (_read(row.reply), time.time() - row.used > _TOUCH_AFTER)

    def touch(self, key: str) -> None:
        """Note that the replies under the key are used."""
        self._rows.update(used=time.time()).where(self._rows.key == key).execute()

    def put(self, key: str, server: str, reply: ModelReply) -> None:
        """Keep a reply, in the place of one that is there; those that were not used for longest make room."""
        text = _written(reply)
        row = {"key": key, "server": server, "size": len(text), "used": time.time(), "reply": text}
        self._rows.insert(row).on_conflict_replace().execute()
        if self._writes % _LOOK_EVERY == 0:
            self._make_room()
        self._writes += 1

    def count(self) -> tuple[int, int]:
        """Return how many replies there are, and their size in bytes."""
        counted = self._rows.select(peewee.fn.COUNT(), peewee.fn.COALESCE(peewee.fn.SUM(self._rows.size), 0))
        replies, size = counted.tuples().get()
        return int(replies), int(size)

    def clear(self) -> int:
        """Forget all replies, give the room on the disk back, and return how many they were."""
        count = int(self._rows.delete().execute())
        self._database.execute_sql("VACUUM")
        return count

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _open(self) -> None:
        """Open the file and see to its table.

        While another process gives a new file its journal, SQLite says at once that it is locked, and does not wait.
        """
        last = time.monotonic() + _BUSY_SECONDS
        while True:
            try:
                self._database.connect(reuse_if_open=True)
                self._database.create_tables([self._rows])
            except peewee.OperationalError as error:
                self._database.close()
                if "locked" not in str(error) or time.monotonic() > last:
                    raise
                time.sleep(0.05)
            except BaseException:
                self._database.close()
                raise
            else:
                return

    def _make_room(self) -> None:
        _, size = self.count()
        if size <= self._max_bytes:
            return
        gone = []
        sizes = self._rows.select(self._rows.id, self._rows.size).order_by(self._rows.used).tuples()
        for row, freed in sizes:
            if size <= self._max_bytes * _ROOM_MADE:
                break
            size -= freed
            gone.append(row)
        with self._database.atomic():
            for batch in peewee.chunked(gone, 500):
                self._rows.delete().where(self._rows.id.in_(batch)).execute()


def _rows_of(database: peewee.SqliteDatabase) -> Any:
    """Return the model of the rows in this file; a model that several files shared could be bound to one at a time."""

    class Row(peewee.Model):  # type: ignore[misc, unused-ignore] # peewee has no types
        key = peewee.TextField()
        server = peewee.TextField()
        size = peewee.IntegerField()
        used = peewee.FloatField()
        reply = peewee.TextField()

        class Meta:
            table_name = "replies"
            indexes = ((("key", "server"), True), (("used", "size"), False))

    Row.bind(database)
    return Row


def _written(reply: ModelReply) -> str:
    kept = {name: getattr(reply, name) for name in _KEPT}
    return json.dumps({**kept, "notes": list(reply.notes), "usage": asdict(reply.usage)})


def _read(text: str) -> ModelReply | None:
    """Return the reply; None for what somebody else wrote there."""
    try:
        told = json.loads(text)
        usage = {name: told["usage"].get(name) for name in _USAGE}
        return ModelReply(**{name: told[name] for name in _KEPT if name in told}, usage=Usage(**usage))
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
