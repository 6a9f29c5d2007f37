"""What a display holds of an answer and of an error: bounded, since it holds them in several forms."""

from __future__ import annotations

from rlm_jupyter.core.observation import head_and_tail
from rlm_jupyter.trace.schema import ErrorRecord
from rlm_jupyter.trace.trace import Trace

__all__ = ["ANSWER_SHOWN", "answer_excerpt", "error_message", "error_text", "excerpt"]

ANSWER_SHOWN = 20_000
"""Characters of an answer that each form of a display holds."""

_ERROR_SHOWN = 4_000

_IN_RESULT = "The result has them all: result.response"
_IN_ERROR = "The exception has them all: error.partial_answer"


def answer_excerpt(trace: Trace) -> tuple[str, str]:
    """Return the run's answer and an empty text, or of a long one an excerpt and a sentence on where the whole is."""
    outcome = trace.outcome
    size = outcome.answer_size if outcome is not None else None
    whole = _IN_RESULT if trace.status == "ok" else _IN_ERROR
    return excerpt(trace.answer or "", size, whole)


def excerpt(answer: str, size: int | None = None, whole: str = _IN_RESULT) -> tuple[str, str]:
    """Return what is shown of an answer, and the sentence to stand below it; ``size`` when it is cut already."""
    size = size if size is not None else len(answer)
    if size <= ANSWER_SHOWN:
        return answer, ""
    tail = ANSWER_SHOWN // 3
    head = ANSWER_SHOWN - tail
    shown = f"{answer[:head]}\n[... {size - ANSWER_SHOWN:,} characters left out ...]\n{answer[-tail:]}"
    return shown, f"Shown are {ANSWER_SHOWN:,} of {size:,} characters. {whole}"


def error_message(error: ErrorRecord) -> str:
    """Return the error's message, of a long one its head and its tail."""
    return head_and_tail(error.message, _ERROR_SHOWN)


def error_text(error: ErrorRecord) -> str:
    """Return the error's name and its message, of a long one its head and its tail."""
    return f"{error.name}: {error_message(error)}"
