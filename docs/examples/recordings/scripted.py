"""A model that says what was written for it: which reply belongs to which conversation, and how long it takes."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

__all__ = ["MODEL", "NOTICE", "Script", "seconds_for"]

MODEL = "scripted-demo"

NOTICE = (
    "*Scripted demo: no model was asked. These words were written by hand; the code, its outputs and errors are real.*"
)
"""What the first reply and the answer of each demo say."""

Messages = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Script:
    """The replies of one demo: of its root in order, of each child by what its prompt begins with, and of sub-calls.

    ``leaf`` is given the prompt of a sub-call.
    """

    root: Sequence[str]
    leaf: Callable[[str], str]
    children: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def reply(self, messages: Messages) -> str:
        """Return what the model says to this conversation. Raises ``LookupError`` where nothing was written for it."""
        if messages[0]["role"] != "system":
            return self.leaf(str(messages[-1]["content"]))
        question = str(messages[1]["content"]).removeprefix("## Question\n\n")
        child: Sequence[str] = next(
            (each for begin, each in self.children.items() if question.startswith(begin)), self.root
        )
        step: int = sum(message["role"] == "assistant" for message in messages)
        return child[step]


def seconds_for(messages: Messages, reply: str) -> float:
    """Return how long a model might take for the reply: to begin, and some 300 characters a second; always the same."""
    chance = Random(zlib.crc32(reply.encode())).random()
    thinks = 1.2 if messages[0]["role"] == "system" else 0.5
    return round(thinks * (1 + chance) + len(reply) / 300, 3)
