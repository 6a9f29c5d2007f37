"""Which run a command means: one of this kernel, of a file, or of an earlier kernel, as the Jupyter server keeps it."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

from rlm_jupyter.runs.question import UNSET
from rlm_jupyter.trace.files.lines import event_of
from rlm_jupyter.trace.files.opened import TraceFileError, read_traces
from rlm_jupyter.trace.files.versions import TraceVersionError
from rlm_jupyter.trace.trace import Trace
from rlm_jupyter.trace.values import NotRecordedError, recorded_text
from rlm_jupyter.trace.wire import AskTrace, TellTrace

from . import sessions
from .expressions import context_of

if TYPE_CHECKING:
    from rlm_jupyter.trace.schema import Event

    from .rlm_magics import RLMMagics

__all__ = ["context_in", "file_named", "own_runs", "runs_in", "server_run"]

_EVENTS = 5_000_000
"""Events of a trace that a kernel takes in from a server."""


def own_runs(magics: RLMMagics, prefix: str) -> list[Trace]:
    """Return the runs of this kernel whose id begins so, the last one first."""
    return [trace for trace in reversed(magics.journal.traces) if prefix and trace.run_id.startswith(prefix)]


def file_named(argument: str) -> Path | None:
    """Return the file of this name, if there is one."""
    path = os.path.expanduser(argument)  # noqa: PTH111 - any text may come
    return Path(path) if argument and os.path.isfile(path) else None  # noqa: PTH113


def runs_in(path: Path) -> list[Trace]:
    """Return the runs of a file; raises ``UsageError`` when it cannot be read."""
    try:
        return read_traces(path)
    except OSError as error:
        msg = f"{os.fspath(path)} cannot be read: {error.strerror or error}."
        raise UsageError(msg) from None
    except (TraceFileError, TraceVersionError) as error:
        raise UsageError(str(error)) from None


def server_run(magics: RLMMagics, prefix: str, *, over: bool = False) -> Trace | None:
    """Return the run of this notebook whose id begins so, as the server tells it, piece by piece.

    What of it cannot be read is its ``damage``. None when there is no such run, or more than one, and with no server.
    Raises ``UsageError`` when the server says nothing, and for a run that is to be ``over`` and is under way.
    """
    link = magics.link
    if link is None or not sessions.could_be_id(prefix) or link.wait_for_welcome() is None:
        return None
    events: list[Event] = []
    run_id, since, lines = prefix, 0, 0
    while lines < _EVENTS:
        told = sessions.answer(link, AskTrace(request_id=uuid.uuid4().hex, run_id=run_id, since=since))
        if not isinstance(told, TellTrace) or told.run_id is None or not told.run_id.startswith(run_id):
            return None
        run_id = told.run_id
        if told.running and over:
            msg = f"The run {run_id[:12]} is under way: wait for its answer, or stop it, in its own notebook."
            raise UsageError(msg)
        read = map(_event, told.events)
        events += [event for event in read if event is not None and event.run_id == run_id]
        lines += len(told.events)
        if not told.events or told.next is None or told.next <= since:
            break
        since = told.next
    trace = Trace(events)
    trace.vouched = True
    lost = max((event.seq for event in events), default=-1) + 1 - len(events)
    if lost > 0 or lines > len(events):
        missing = max(lost, lines - len(events))
        trace.damage = f"{missing:,} events of this run never came to the server, or cannot be read as it tells them."
    return trace if trace.root is not None and trace.root.kind == "run" else None


def _event(line: str) -> Event | None:
    try:
        return event_of(line.encode("utf-8", "replace"), "The server")
    except TraceVersionError:
        return None


def context_in(magics: RLMMagics, trace: Trace) -> Any:
    """Return a context that the trace does not hold from the notebook: what its expression stands for now.

    Of a file no expression is evaluated: there it is a variable of that name. ``UNSET`` for a context that the trace
    holds, and where there is none.
    """
    record, shell = next(iter(trace.run.contexts), None), magics.shell
    if record is None or record.expression is None or shell is None:
        return UNSET
    try:
        recorded_text(trace, record)
    except NotRecordedError:
        if trace.vouched:
            return context_of(shell, [record.expression])
        return shell.user_ns.get(record.expression, UNSET)
    return UNSET
