"""The store: notebooks, sessions, runs, spans and texts in one SQLite file that several servers of a user may share.

It is synchronous and safe to use from any thread. Nothing here knows of kernels, of HTTP or of an event loop; what
comes in was validated before, and what SQLite could not hold is refused here.
"""

from __future__ import annotations

from .database import StoreError
from .rows import Change, FoundRun, Passage, Passages, Pruned, RunRow, SessionRow, TextRow, UsageRow
from .store import Store

__all__ = [
    "Change",
    "FoundRun",
    "Passage",
    "Passages",
    "Pruned",
    "RunRow",
    "SessionRow",
    "Store",
    "StoreError",
    "TextRow",
    "UsageRow",
]
