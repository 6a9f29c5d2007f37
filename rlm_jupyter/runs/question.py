"""What is asked, and what a trace knows it by."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from rlm_jupyter.core.asking import Parts, holds_pictures, parts_of, texts_of
from rlm_jupyter.core.digest import text_digest
from rlm_jupyter.core.errors import ConfigurationError, RLMError
from rlm_jupyter.core.pictures import Picture
from rlm_jupyter.core.protocols import Message
from rlm_jupyter.trace.context_record import context_record

from .settings import Origin
from .typed import AnswerFormat

__all__ = ["UNSET", "Question", "context_digest", "parts_digest"]

UNSET: Final[Any] = type("Unset", (), {"__repr__": lambda _: "UNSET"})()
"""Stands for a context that is not given: None is one."""

_ASK_THE_CONTEXT = "Work out from the context what is asked there, and answer it."


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: the prompt, which is the context, and the question about it where that is another text.

    ``earlier`` are the messages of the conversation so far, ``names`` are added to the scaffold, and ``answer_format``
    is what the answer has to be.
    """

    prompt: Any
    root_prompt: str | None = None
    earlier: Sequence[Message] = ()
    names: Mapping[str, Any] = field(default_factory=dict)
    origin: Origin = field(default_factory=Origin)
    answer_format: AnswerFormat | None = None
    _shown: list[Parts | None] = field(default_factory=list, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse to ask nothing."""
        if self.root_prompt is not None and not isinstance(self.root_prompt, str):
            msg = f"root_prompt is the question, a string; this one is of type {type(self.root_prompt).__name__}."
            raise ConfigurationError(msg)
        if isinstance(self.text, str) and not self.text.strip():
            msg = "The question is empty. Pass what you want to know as the prompt, or as root_prompt beside a context."
            raise ConfigurationError(msg)

    @property
    def is_context(self) -> bool:
        """Whether the question is all the context that there is."""
        return self.root_prompt is None and isinstance(self.prompt, str)

    @property
    def text(self) -> str:
        """The question as it is put to the model."""
        if self.root_prompt is not None:
            return self.root_prompt
        if isinstance(self.prompt, str):
            return self.prompt
        return (texts_of(self.prompt).strip() if holds_pictures(self.prompt) else "") or _ASK_THE_CONTEXT

    def parts(self) -> Parts | None:
        """Return the texts and pictures of a prompt that holds pictures, to be shown to the model; None for others.

        Without those that cannot be encoded or are too large. They are encoded once.
        """
        if not self._shown:
            self._shown.append(self._parts() if holds_pictures(self.prompt) else None)
        return self._shown[0]

    async def aparts(self) -> Parts | None:
        """Return what ``parts`` does; large pictures are encoded beside the event loop."""
        return await asyncio.to_thread(self.parts) if holds_pictures(self.prompt) else None

    def _parts(self) -> Parts | None:
        try:
            return parts_of(self.prompt)
        except (OSError, ValueError):  # too large, or cut off
            return None


def parts_digest(parts: Parts) -> str:
    """Return a digest over the texts and pictures."""
    (first, *more) = (part.digest if isinstance(part, Picture) else part for part in parts)
    return first if not more and isinstance(parts[0], Picture) else text_digest("\n".join((first, *more)))


def context_digest(value: Any) -> str | None:
    """Return the digest under which a trace knows such a context; None for one that has none."""
    try:
        parts = Question(value, "?").parts()
    except RLMError:  # it is nothing to ask about, as whoever asks is told
        return None
    return parts_digest(parts) if parts is not None else context_record("context", value).digest
