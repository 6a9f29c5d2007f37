"""How a run, and what is in it, ended: as a trace tells it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rlm_jupyter.core.errors import CancellationError, LimitExceededError
from rlm_jupyter.trace.schema import CodeEnd, ErrorRecord, Status

if TYPE_CHECKING:
    from rlm_jupyter.core.results import REPLResult

__all__ = ["code_end", "error_record", "status_of", "was_interrupted"]

_NAMES = 200
"""How many names of a kind are recorded that a block changed."""


def code_end(result: REPLResult, remarks: Sequence[str] = ()) -> CodeEnd:
    """Return the end of a code block that gave this; ``remarks`` are for the trace alone."""
    error = result.error
    return CodeEnd(
        outputs=result.outputs,
        error=ErrorRecord(name=error.name, message=error.message, traceback=error.traceback) if error else None,
        final_answer=result.final_answer,
        notes=[*result.notes, *remarks],
        changes={what: list(names)[:_NAMES] for what, names in result.changes.items() if names},
    )


def was_interrupted(error: BaseException) -> bool:
    """Return whether the error says that somebody ended the run, and not that something went wrong in it."""
    return isinstance(error, KeyboardInterrupt | asyncio.CancelledError | CancellationError)


def status_of(error: BaseException | None) -> Status:
    """Return the status of what ended with this error, or with none."""
    if error is None:
        return "ok"
    if isinstance(error, LimitExceededError):
        return "limit"
    return "interrupted" if was_interrupted(error) else "error"


def error_record(error: BaseException) -> ErrorRecord:
    """Return the error as it is recorded; an interrupt goes by its common name."""
    name = "KeyboardInterrupt" if isinstance(error, KeyboardInterrupt) else type(error).__name__
    return ErrorRecord(name=name, message=str(error))
