"""Events on their way in: each under its number, once, whatever the order in which they come."""

from __future__ import annotations

import math
import re
import sqlite3
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

from .incoming import ROOT, IncomingRun, Source
from .rows import Change

if TYPE_CHECKING:
    from rlm_jupyter.trace.schema import Event

__all__ = ["ID", "SEQ_LIMIT", "take_events"]

ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_.:-]{0,127}", re.ASCII)
"""What the names of runs, spans and texts look like."""

SEQ_LIMIT = 10_000_000
"""The highest number that an event may have."""

_SIZE_LIMIT = 2**53

_Event: TypeAlias = "Event"


def take_events(connection: sqlite3.Connection, source: Source, events: Sequence[_Event]) -> tuple[list[Change], int]:
    """Store the events, and return what they changed, run by run, and how many were refused.

    Refused are events of another kernel's run and of a run that was deleted, those that say something else than what
    is stored under their number, and what no recorder writes.
    """
    runs: dict[str, IncomingRun | None] = {}
    refused = 0
    for event in events:
        if not _is_sound(event):
            refused += 1
            continue
        if event.run_id not in runs:
            runs[event.run_id] = IncomingRun.of(connection, source, event)
        run = runs[event.run_id]
        if run is None or not run.take(event):
            refused += 1
    changes = [run.save() for run in runs.values() if run is not None]
    return [change for change in changes if change is not None], refused


def _is_sound(event: _Event) -> bool:
    """Return whether the event is one that a recorder may have written, and that the tables can hold."""
    if not (0 <= event.seq <= SEQ_LIMIT and _is_id(event.run_id) and 0 <= event.version < _SIZE_LIMIT):
        return False
    if event.event == "blob":
        return _is_id(event.digest) and 0 <= event.size < _SIZE_LIMIT
    if not _is_id(event.span_id):
        return False
    is_root = event.span_id == ROOT
    if event.event == "text":
        return math.isfinite(event.at) and not is_root
    if event.event == "end":
        return math.isfinite(event.ended) and (not is_root or event.payload.kind == "run")
    if not math.isfinite(event.started):
        return False
    if is_root:
        return event.parent_id is None and event.payload.kind == "run"
    return event.parent_id is not None and event.parent_id != event.span_id and _is_id(event.parent_id)


def _is_id(name: str) -> bool:
    return ID.fullmatch(name) is not None
