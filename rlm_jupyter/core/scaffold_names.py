"""The names under which code finds what was asked about, and what was said: ``context_0``, ``session_history``, ..."""

from __future__ import annotations

import re

__all__ = ["is_numbered", "is_scaffold_name", "is_session_name", "number_in"]

_NUMBERED = re.compile(r"(session_)?(context|history)_([0-9]{1,9})", re.ASCII)
_SESSION = frozenset({"context_history", "session_history"})


def is_numbered(name: str) -> bool:
    """Return whether a name is one of those that contexts and histories are given."""
    return _NUMBERED.fullmatch(name) is not None


def number_in(name: str) -> tuple[str, int] | None:
    """Return ``context`` or ``history``, and which one of the REPL's it is; ``context`` alone is the first.

    None for every other name, those that a session gives among them.
    """
    if name == "context":
        return name, 0
    match = _NUMBERED.fullmatch(name)
    return (match[2], int(match[3])) if match is not None and match[1] is None else None


def is_session_name(name: str) -> bool:
    """Return whether a name is one of those that a session gives to what its turns were about and said."""
    return name in _SESSION or (name.startswith("session_context_") and is_numbered(name))


def is_scaffold_name(name: str) -> bool:
    """Return whether a name is one of all these."""
    return name == "context" or is_numbered(name) or name in _SESSION
