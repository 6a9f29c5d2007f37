"""Whose rows a connection sees: servers of several folders share the file, and a path means another file in each."""

from __future__ import annotations

__all__ = ["own_views"]

_OWN = """
    CREATE TEMP VIEW own_notebooks AS SELECT * FROM main.notebooks{where};
    CREATE TEMP VIEW own_runs AS SELECT * FROM main.runs{where};
"""


def own_views(root: str | None) -> str:
    """Return what makes ``own_notebooks`` and ``own_runs`` on a connection: the rows of a root, or for None all.

    What is asked for a server is asked of these views, so that no question can forget whose answer it wants.
    """
    if root is None:
        where = ""
    else:
        literal = root.replace("'", "''")  # a view takes no parameters
        where = f" WHERE root = '{literal}'"
    return f"PRAGMA temp_store = MEMORY;{_OWN.format(where=where)}"
