"""How a failed question shows in its cell: what happened and what to do, not our own frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from rlm_jupyter.core.observation import head_and_tail
from rlm_jupyter.trace.redaction import Redactor
from rlm_jupyter.trace.trace import Trace

if TYPE_CHECKING:
    from rlm_jupyter.core.errors import InterruptedRun, RLMError

__all__ = ["told_briefly", "without_frames"]

_ANSWER_LIMIT = 2_000  # characters

_Error = TypeVar("_Error", bound=BaseException)


def told_briefly(error: RLMError | InterruptedRun) -> RLMError | InterruptedRun:
    """Return the error with a short form for IPython to show; the frames are in the trace, and those are ours."""
    recorded = error.trace.outcome if isinstance(error.trace, Trace) else None
    # The recorder knows the client's secrets as well; before a run there is only what the environment tells.
    known = recorded.error if recorded is not None else None
    message = known.message if known is not None else Redactor().redact(str(error))
    error.args = (message,)  # front ends show the message beside the lines
    lines = [f"{type(error).__name__}: {message}"]
    if recorded is not None:
        lines += [f"The answer so far: {head_and_tail(recorded.answer, _ANSWER_LIMIT)}"] if recorded.answer else []
        lines.append("What was done until then: %rlm trace. To go on from there, with other limits: %rlm resume")
    error._render_traceback_ = lambda: lines  # type: ignore[union-attr]  # the hook that IPython looks for
    return without_frames(error)


def without_frames(error: _Error) -> _Error:
    """Return the error without what led to it: IPython keeps a cell's error, and its frames would keep the context."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)
