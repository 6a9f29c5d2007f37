"""The index of the words in questions and answers: SQLite's FTS5, where this SQLite has it."""

from __future__ import annotations

import sqlite3

__all__ = ["add_words", "forget_words", "has_full_text", "index_words", "take_words"]


_MERGE_PAGES = 200


def has_full_text(connection: sqlite3.Connection) -> bool:
    """Return whether this SQLite has FTS5."""
    try:
        connection.execute("CREATE VIRTUAL TABLE temp.probe USING fts5(word)")
    except sqlite3.OperationalError:
        return False
    connection.execute("DROP TABLE temp.probe")
    return True


def index_words(connection: sqlite3.Connection, *, anew: bool = False) -> None:
    """See that there is an index, and that it knows the runs that were stored while there was none."""
    if anew:
        connection.execute("DROP TABLE IF EXISTS words")
    connection.execute(
        "CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5("
        "question, answer, content='runs', content_rowid='id', tokenize='unicode61 remove_diacritics 2')"
    )
    unknown = "SELECT EXISTS (SELECT 1 FROM runs WHERE indexed = 0 AND started = 1)"
    if anew or connection.execute(unknown).fetchone()[0]:
        connection.execute("INSERT INTO words (words) VALUES ('rebuild')")
        connection.execute("UPDATE runs SET indexed = 1")


def take_words(connection: sqlite3.Connection, run: int) -> None:
    """Take a run's words out of the index; to be done before its texts change, which the index does not hold itself."""
    connection.execute(
        "INSERT INTO words (words, rowid, question, answer) "
        "SELECT 'delete', id, question, answer FROM runs WHERE id = ? AND indexed = 1",
        (run,),
    )


def forget_words(connection: sqlite3.Connection, *, first: bool) -> bool:
    """Drop some words that no run holds any more from the index's file; return whether there may be more.

    The index only marks what is deleted, until it merges its parts; the first step says that all are to be merged.
    """
    before = connection.total_changes
    connection.execute(
        "INSERT INTO words (words, rank) VALUES ('merge', ?)", (-_MERGE_PAGES if first else _MERGE_PAGES,)
    )
    return connection.total_changes - before >= 2


def add_words(connection: sqlite3.Connection, run: int) -> None:
    """Put a run's words into the index."""
    connection.execute(
        "INSERT INTO words (rowid, question, answer) SELECT id, question, answer FROM runs WHERE id = ?", (run,)
    )
    connection.execute("UPDATE runs SET indexed = 1 WHERE id = ?", (run,))
