"""The tables, as numbered steps: a file is brought up to date one step at a time, each in a transaction of its own.

A step that was released is never changed; what comes later is another step at the end.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import TypeAlias

__all__ = ["MIGRATIONS", "Migration", "NewerStoreError", "migrate"]

Migration: TypeAlias = Sequence[str]
"""The statements of one step."""

_FIRST: Migration = (
    # `root` is what paths are relative to: servers of several folders share the file, and each sees its own rows.
    # A live path has one row. A row that is merged into another stays for whoever still knows its number.
    """
    CREATE TABLE notebooks (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        root TEXT NOT NULL,
        path TEXT NOT NULL,
        file_id TEXT,
        created REAL NOT NULL,
        deleted REAL,
        merged_into INTEGER,
        copied_from INTEGER,
        copied REAL
    )
    """,
    "CREATE UNIQUE INDEX notebooks_path ON notebooks (root, path) WHERE deleted IS NULL",
    "CREATE INDEX notebooks_file ON notebooks (file_id) WHERE file_id IS NOT NULL",
    # Numbers are never used twice: what is deleted in slices must not find itself below a new run.
    # `seen` and `arrived` are this side's clock; `began` and `ended` are the kernel's.
    # `made` counts ends that were made for a run whose kernel died; they are numbered after `last_seq`.
    # Long texts stand last, so that a list need not read past them.
    """
    CREATE TABLE runs (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        run_id TEXT NOT NULL UNIQUE,
        root TEXT NOT NULL,
        kernel_id TEXT NOT NULL,
        server TEXT NOT NULL,
        version INTEGER NOT NULL,
        notebook INTEGER,
        session_id TEXT,
        turn INTEGER,
        cell_id TEXT,
        status TEXT,
        arrived REAL NOT NULL,
        seen REAL NOT NULL,
        began REAL NOT NULL,
        ended REAL,
        abandoned REAL,
        started INTEGER NOT NULL DEFAULT 0,
        indexed INTEGER NOT NULL DEFAULT 0,
        last_seq INTEGER NOT NULL DEFAULT -1,
        events INTEGER NOT NULL DEFAULT 0,
        made INTEGER NOT NULL DEFAULT 0,
        bytes INTEGER NOT NULL DEFAULT 0,
        iterations INTEGER NOT NULL DEFAULT 0,
        subcalls INTEGER NOT NULL DEFAULT 0,
        children INTEGER NOT NULL DEFAULT 0,
        calls INTEGER NOT NULL DEFAULT 0,
        unpriced_calls INTEGER NOT NULL DEFAULT 0,
        input_tokens INTEGER NOT NULL DEFAULT 0,
        output_tokens INTEGER NOT NULL DEFAULT 0,
        cost REAL NOT NULL DEFAULT 0,
        model TEXT NOT NULL DEFAULT '',
        backend TEXT NOT NULL DEFAULT '',
        environment TEXT NOT NULL DEFAULT '',
        error TEXT,
        question TEXT NOT NULL DEFAULT '',
        answer TEXT
    )
    """,
    "CREATE INDEX runs_root ON runs (root)",
    "CREATE INDEX runs_session ON runs (notebook, session_id)",
    "CREATE INDEX runs_kernel ON runs (kernel_id)",
    "CREATE INDEX runs_open ON runs (server) WHERE status IS NULL",
    # A span has a row as soon as either of its events is here. Payloads are JSON; the columns beside them say nothing
    # that the payloads do not. `calls` counts requests, repeated ones included, and is NULL for what is no call.
    """
    CREATE TABLE spans (
        id INTEGER PRIMARY KEY,
        run INTEGER NOT NULL,
        span_id TEXT NOT NULL,
        start_seq INTEGER,
        end_seq INTEGER,
        kind TEXT NOT NULL,
        parent_id TEXT,
        status TEXT,
        started REAL,
        ended REAL,
        model TEXT,
        calls INTEGER,
        input_tokens INTEGER,
        output_tokens INTEGER,
        cost REAL,
        start_payload TEXT,
        end_payload TEXT
    )
    """,
    "CREATE UNIQUE INDEX spans_id ON spans (run, span_id)",
    "CREATE INDEX spans_start ON spans (run, start_seq)",
    "CREATE INDEX spans_end ON spans (run, end_seq)",
    """
    CREATE TABLE texts (
        id INTEGER PRIMARY KEY,
        run INTEGER NOT NULL,
        digest TEXT NOT NULL,
        seq INTEGER NOT NULL,
        size INTEGER NOT NULL,
        cut INTEGER NOT NULL,
        text TEXT NOT NULL
    )
    """,
    "CREATE UNIQUE INDEX texts_digest ON texts (run, digest)",
    "CREATE INDEX texts_seq ON texts (run, seq)",
    # The numbers below `last_seq` that never came, as ranges with both ends: none, as a rule.
    """
    CREATE TABLE gaps (
        run INTEGER NOT NULL,
        first INTEGER NOT NULL,
        last INTEGER NOT NULL,
        PRIMARY KEY (run, first)
    ) WITHOUT ROWID
    """,
    # Runs that were deleted: what still has to be swept up, and whose late events are not wanted.
    """
    CREATE TABLE dropped (
        run INTEGER PRIMARY KEY,
        run_id TEXT NOT NULL UNIQUE,
        dropped REAL NOT NULL,
        swept INTEGER NOT NULL DEFAULT 0
    )
    """,
    """
    CREATE VIEW usage AS
    SELECT runs.run_id, coalesce(spans.model, '') AS model, sum(spans.calls) AS calls,
        coalesce(sum(spans.input_tokens), 0) AS input_tokens, coalesce(sum(spans.output_tokens), 0) AS output_tokens,
        sum(spans.cost) AS cost, sum(spans.cost IS NULL) AS unpriced_calls
    FROM spans JOIN runs ON runs.id = spans.run
    WHERE spans.calls IS NOT NULL
    GROUP BY spans.run, coalesce(spans.model, '')
    """,
)

# Of runs that were stored before, it is not known.
_ITERATION_LIMIT: Migration = ("ALTER TABLE runs ADD COLUMN max_iterations INTEGER",)

# Replies while they come, and pictures. What was told of a reply stays, as a number of its own, when the whole is here.
_PIECES: Migration = (
    """
    CREATE TABLE pieces (
        id INTEGER PRIMARY KEY,
        run INTEGER NOT NULL,
        span_id TEXT NOT NULL,
        seq INTEGER NOT NULL,
        at REAL NOT NULL,
        anew INTEGER NOT NULL,
        text TEXT NOT NULL
    )
    """,
    "CREATE UNIQUE INDEX pieces_seq ON pieces (run, seq)",
    "ALTER TABLE texts ADD COLUMN media_type TEXT",
)

# Requests that were lost and sent again may have been charged; only calls of several requests are looked into for them.
_LOST: Migration = (
    "DROP VIEW usage",
    """
    CREATE VIEW usage AS
    SELECT runs.run_id, coalesce(spans.model, '') AS model, sum(spans.calls) AS calls,
        coalesce(sum(spans.input_tokens), 0) AS input_tokens, coalesce(sum(spans.output_tokens), 0) AS output_tokens,
        sum(spans.cost) AS cost,
        sum((spans.cost IS NULL)
            + CASE WHEN spans.calls > 1 THEN coalesce(json_extract(spans.end_payload, '$.lost'), 0) ELSE 0 END
        ) AS unpriced_calls
    FROM spans JOIN runs ON runs.id = spans.run
    WHERE spans.calls IS NOT NULL
    GROUP BY spans.run, coalesce(spans.model, '')
    """,
)

# Which run it takes up again; of runs that were stored before, there is none.
_RESUMED: Migration = ("ALTER TABLE runs ADD COLUMN resumes TEXT",)

# How a text is written that is a large value: such a one is compressed.
_ENCODED: Migration = ("ALTER TABLE texts ADD COLUMN encoding TEXT",)

MIGRATIONS: Sequence[Migration] = (_FIRST, _ITERATION_LIMIT, _PIECES, _LOST, _RESUMED, _ENCODED)
"""All steps; a file's version is how many of them were taken."""


class NewerStoreError(Exception):
    """The file was written by a newer version, and this one does not know its tables."""


def migrate(connection: sqlite3.Connection, migrations: Sequence[Migration] = MIGRATIONS) -> int:
    """Bring the tables up to date, and return the version from which that was done.

    Several processes may do so at the same time. Raises ``NewerStoreError``, and leaves such a file as it is.
    """
    found = _version(connection)
    while True:
        _refuse_newer(_version(connection), len(migrations))
        if _version(connection) == len(migrations):
            return found
        connection.execute("BEGIN IMMEDIATE")
        try:
            version = _version(connection)  # another process may have been quicker
            if version < len(migrations):
                for statement in migrations[version]:
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {version + 1:d}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _refuse_newer(version: int, known: int) -> None:
    if version > known:
        msg = (
            f"It was written by a newer rlm-jupyter (store version {version}; this one knows versions up to {known}). "
            "Upgrade with pip install -U rlm-jupyter, or let RLMExtension.store_path name another file."
        )
        raise NewerStoreError(msg)
