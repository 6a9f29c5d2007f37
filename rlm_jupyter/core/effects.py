"""What the loop asks its driver for, and what it is sent back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from .protocols import Message

__all__ = ["BeginIteration", "CallModel", "Effect", "EndIteration", "ReadAnswer", "RunCode"]


@dataclass(frozen=True, slots=True)
class BeginIteration:
    """An iteration begins; ``number`` counts from 1. ``closing`` marks the extra one that asks for a final answer."""

    number: int
    closing: bool = False


@dataclass(frozen=True, slots=True)
class CallModel:
    """Send these messages to the root model; answered with a ``ModelReply``. The list only ever grows."""

    messages: Sequence[Message]


@dataclass(frozen=True, slots=True)
class RunCode:
    """Run this block; answered with a ``REPLResult``. ``index`` counts the blocks of a reply from 1."""

    code: str
    index: int


@dataclass(frozen=True, slots=True)
class EndIteration:
    """The iteration is over; ``answer`` is set when it ended the run."""

    number: int
    answer: str | None = None


@dataclass(frozen=True, slots=True)
class ReadAnswer:
    """Tell what stands in ``answer["content"]``; answered with the text, or None while it is empty."""


Effect: TypeAlias = BeginIteration | CallModel | RunCode | ReadAnswer | EndIteration
