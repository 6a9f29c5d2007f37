"""What the loop asks its driver for, and what it is sent back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from .protocols import Message

__all__ = [
    "BeginIteration",
    "CallModel",
    "Effect",
    "EndIteration",
    "KeepHistory",
    "Purpose",
    "ReadAnswer",
    "ReopenAnswer",
    "RunCode",
]

Purpose: TypeAlias = Literal["answer", "compaction"]
"""What the root model is called for."""


@dataclass(frozen=True, slots=True)
class BeginIteration:
    """An iteration begins; ``number`` counts from 1. ``closing`` marks the extra one that asks for a final answer.

    ``notes`` are what the user had to say before it, which the model has been told.
    """

    number: int
    closing: bool = False
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class CallModel:
    """Send these messages to the root model; answered with a ``ModelReply``.

    Between two compactions the messages of a call begin with all those of the call before.
    """

    messages: Sequence[Message]
    purpose: Purpose = "answer"


@dataclass(frozen=True, slots=True)
class RunCode:
    """Run this block; answered with a ``REPLResult``. ``index`` counts the blocks of a reply from 1.

    The user may have had other code run in its place, or none: the notes of the result say so.
    """

    code: str
    index: int


@dataclass(frozen=True, slots=True)
class EndIteration:
    """The iteration is over; ``answer`` is set when it ended the run, ``rejected`` says what was wrong with one.

    Answered with what the user has to say to the model by then: a list of texts, or None. After the ``last`` one the
    model is told nothing more, also when there is no answer.
    """

    number: int
    answer: str | None = None
    rejected: str | None = None
    last: bool = False


@dataclass(frozen=True, slots=True)
class ReadAnswer:
    """Tell what stands in ``answer["content"]``; answered with the text, or None while it is empty."""


@dataclass(frozen=True, slots=True)
class ReopenAnswer:
    """The answer was not accepted: it is no longer ready, and its content stays."""


@dataclass(frozen=True, slots=True)
class KeepHistory:
    """Let code find these messages, the whole conversation so far, in ``history``."""

    messages: Sequence[Message]


Effect: TypeAlias = BeginIteration | CallModel | RunCode | ReadAnswer | ReopenAnswer | KeepHistory | EndIteration
