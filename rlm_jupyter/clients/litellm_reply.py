"""A reply as litellm hands it over, whole or in chunks: OpenAI's shape, whatever API it came from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rlm_jupyter.core.protocols import ModelReply
from rlm_jupyter.core.usage import Usage

from . import told

__all__ = ["LiteLLMReply"]


class LiteLLMReply:
    """A reply as it comes in. ``priced``: litellm's list prices hold for the server that is asked."""

    def __init__(self, *, priced: bool) -> None:
        self._priced = priced
        self._pieces: list[str] = []
        self._thoughts: list[str] = []
        self._chosen = False
        self._finish_reason: str | None = None
        self._model: str | None = None
        self._response_id: str | None = None
        self._usage: Any = None
        self._cost: float | None = None

    @property
    def spent(self) -> Usage | None:
        """What the reply took so far, as far as the provider said; None when none has begun."""
        return self._counted() if self._chosen or self._usage is not None else None

    def take_whole(self, response: Any) -> None:
        """Take in a whole response."""
        self._take_facts(response)
        for choice in getattr(response, "choices", None) or ():
            self._take_choice(choice, getattr(choice, "message", None))

    def take(self, chunk: Any) -> Iterator[str]:
        """Take in the next chunk of a stream and yield the text in it."""
        self._take_facts(chunk)
        known = len(self._pieces)
        for choice in getattr(chunk, "choices", None) or ():
            self._take_choice(choice, getattr(choice, "delta", None))
        yield from self._pieces[known:]

    def reply(self, model: str, retries: int) -> ModelReply:
        """Return the reply; ``model`` stands for a name that the provider did not give.

        Raises ``ClientError`` when there was no choice in it.
        """
        if not self._chosen:
            raise told.without_choice(model, retries, self.spent)
        text, usage = "".join(self._pieces), self._counted()
        notes = [] if usage.input_tokens is not None else [told.UNCOUNTED]
        notes += [] if text else [f"The reply has no text (finish_reason: {self._finish_reason})."]
        return ModelReply(
            text=text,
            model=self._model or model,
            usage=usage,
            finish_reason=self._finish_reason,
            response_id=self._response_id,
            retries=retries,
            reasoning="".join(self._thoughts) or None,
            notes=notes,
        )

    def _take_facts(self, response: Any) -> None:
        self._model = told.text(getattr(response, "model", None)) or self._model
        self._response_id = told.text(getattr(response, "id", None)) or self._response_id
        usage = getattr(response, "usage", None)
        if usage is not None:
            self._usage = usage
        # litellm's documentation tells to read the cost there, whatever the underscore says.
        hidden = getattr(response, "_hidden_params", None) or {}
        cost = told.dollars(hidden.get("response_cost"))
        self._cost = self._cost if cost is None else cost

    def _take_choice(self, choice: Any, message: Any) -> None:
        if getattr(choice, "index", 0) not in (0, None):
            return
        self._chosen = True
        self._finish_reason = told.text(getattr(choice, "finish_reason", None)) or self._finish_reason
        piece, thought = (told.text(getattr(message, name, None)) for name in ("content", "reasoning_content"))
        self._pieces += [piece] if piece else []
        self._thoughts += [thought] if thought else []

    def _counted(self) -> Usage:
        usage = self._usage
        asked, answered = (getattr(usage, f"{kind}_tokens_details", None) for kind in ("prompt", "completion"))
        sent, received = (told.count(getattr(usage, f"{kind}_tokens", None)) for kind in ("prompt", "completion"))
        if not sent and not received:  # what a reply without usage is filled up with
            return Usage()
        return Usage(
            input_tokens=sent,
            output_tokens=received,
            cached_input_tokens=told.count(getattr(asked, "cached_tokens", None)),
            reasoning_tokens=told.count(getattr(answered, "reasoning_tokens", None)),
            cost=self._cost if self._priced else None,
        )
