"""What model code asks, by what finds it in a recording."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from rlm_jupyter.core.asking import Parts, message_of, read_prompt
from rlm_jupyter.core.errors import RLMError
from rlm_jupyter.core.pictures import Picture
from rlm_jupyter.runs.question import Question, parts_digest
from rlm_jupyter.trace.context_record import context_record

__all__ = ["Asked"]


@dataclass(slots=True)
class Asked:
    """A prompt by what finds it in a recording: ``text`` and ``images`` of a call, ``context`` of a child.

    ``error`` is what is wrong with it as a question, which it was when it was recorded, too.
    """

    prompt: Any
    text: str | None = None
    images: list[str] = field(default_factory=list)
    context: str | None = None
    error: RLMError | None = None

    @classmethod
    def of_call(cls, prompt: Any) -> Asked:
        """Return the prompt of an ``llm_query``. Raises what that raises for what is none."""
        return cls(prompt, *_read(read_prompt(prompt)))

    @classmethod
    def of_child(cls, prompt: Any) -> Asked:
        """Return the prompt of an ``rlm_query``, which is that of a plain call where children are as deep as may be."""
        try:
            parts = Question(prompt).parts()
        except RLMError as error:
            return cls(prompt, prompt if isinstance(prompt, str) else None, error=error)
        context = parts_digest(parts) if parts is not None else context_record("context", prompt).digest
        if parts is None and not isinstance(prompt, str):
            return cls(prompt, context=context)
        return cls(prompt, *_read(parts if parts is not None else (prompt,)), context)


def _read(parts: Parts) -> tuple[str, list[str]]:
    return message_of(parts)["content"], [part.digest for part in parts if isinstance(part, Picture)]
