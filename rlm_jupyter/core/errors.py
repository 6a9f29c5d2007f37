"""What can end a run other than an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .results import RunTrace
    from .usage import Usage

__all__ = [
    "AnswerFormatError",
    "BudgetExceededError",
    "CancellationError",
    "ClientError",
    "ConfigurationError",
    "ErrorThresholdExceededError",
    "InterruptedRun",
    "LimitExceededError",
    "RLMError",
    "ScaffoldError",
    "TimeoutExceededError",
    "TokenLimitExceededError",
    "failure_text",
]


_LOST = (408, 502, 504, 524)
"""HTTP statuses with which gateways say that a request went on and no reply came back."""


class RLMError(Exception):
    """A run could not be completed.

    ``partial_answer`` is what the model had put into ``answer["content"]`` by then, or None; ``trace`` is the trace up
    to that point, or None when the run had not begun.
    """

    def __init__(self, message: str, *, partial_answer: str | None = None, trace: RunTrace | None = None) -> None:
        super().__init__(message)
        self.partial_answer = partial_answer
        self.trace = trace


class ConfigurationError(RLMError, ValueError):
    """An argument, option or name that cannot be used; the message says what can."""


class ClientError(RLMError):
    """A model could not be reached, refused the request, or sent something that is not a reply.

    ``status`` is the HTTP status where there was one; ``retryable`` tells whether the same call may succeed later, and
    ``retry_after`` in how many seconds, where the server said so; ``retries`` counts the requests after the first.
    ``spent`` is what the last request took, as far as the server said, where it had begun to answer; else None. One
    that was ``unsent`` never left: there was no connection.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        retryable: bool = False,
        retries: int = 0,
        retry_after: float | None = None,
        spent: Usage | None = None,
        unsent: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.retryable = retryable
        self.retries = retries
        self.retry_after = retry_after
        self.spent = spent
        self.unsent = unsent

    @property
    def refused(self) -> bool:
        """Whether the server never got the request, or said that it did not do the work, which then costs nothing.

        Not so where it was lost: there was no answer (``status`` is None), or a gateway's, which got none itself; nor
        where the answer had begun.
        """
        return self.unsent or (self.spent is None and self.status is not None and self.status not in _LOST)


class AnswerFormatError(RLMError):
    """The model's last answer does not fit what was asked for; ``partial_answer`` is that answer."""


class CancellationError(RLMError):
    """The run was cancelled: interrupted, closed, or its scope had ended before this call."""


class LimitExceededError(RLMError):
    """A limit of the run was reached. Nothing more is sent once it is."""


class BudgetExceededError(LimitExceededError):
    """The run has cost what it may cost, or a cost that nobody can tell."""


class TimeoutExceededError(LimitExceededError, TimeoutError):
    """The run has taken as long as it may take."""


class TokenLimitExceededError(LimitExceededError):
    """The run has used as many tokens, in and out, as it may use."""


class ErrorThresholdExceededError(LimitExceededError):
    """As many code blocks as may fail in a row have failed."""


class ScaffoldError(RLMError):
    """Model code used a scaffold name in a way that it does not allow."""


class InterruptedRun(KeyboardInterrupt):
    """The user interrupted the run (Ctrl-C, or the notebook's stop button), or had it end after an iteration.

    Not an ``RLMError``: like any ``KeyboardInterrupt`` it is to pass through an ``except Exception``. It carries
    ``partial_answer`` and ``trace`` as those do.
    """

    def __init__(self, message: str, *, partial_answer: str | None = None, trace: RunTrace | None = None) -> None:
        super().__init__(message)
        self.partial_answer = partial_answer
        self.trace = trace


def failure_text(error: Exception) -> str:
    """Return what a failure says, with the answer that there was by then."""
    text = str(error) or type(error).__name__
    partial = error.partial_answer if isinstance(error, RLMError) else None
    return text if partial is None else f"{text} Its answer so far: {partial}"
