"""The model that needs no key and no network: a lexical extractor that plays the RLM protocol for real."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from rlm_jupyter.core.protocols import Message, ModelReply, ModelRequest
from rlm_jupyter.core.usage import Usage

from .lookup.leaf import leaf_reply
from .lookup.root import find_task, root_reply

__all__ = ["OfflineClient"]


class OfflineClient:
    """Finds by words, deterministically, where something is defined or said; it is no language model and says so.

    As the root of a run it looks at the context, cuts it, asks about every excerpt with ``llm_query_batched``, ranks
    the passages and answers with the best. As a leaf it returns the passages of the prompt that match best. A
    conversation with a system prompt and a message that begins with ``## Question`` makes it the root.
    """

    def __init__(self, model_name: str = "offline") -> None:
        self._model_name = model_name

    @property
    def model_name(self) -> str:
        """The name that replies carry."""
        return self._model_name

    @property
    def secrets(self) -> Sequence[str]:
        """Nothing: there is no key."""
        return ()

    async def acompletion(self, request: ModelRequest, on_text: Callable[[str], None] | None = None) -> ModelReply:
        """Return the reply, the same one for the same messages. Tokens are counted as words, and cost nothing."""
        await asyncio.sleep(0)  # between the calls of a batch, the loop can cancel the rest
        text = reply_to(request.messages)
        if on_text is not None:
            for piece in _pieces(text):
                on_text(piece)
        read = sum(len(message["content"].split()) for message in request.messages)
        usage = Usage(input_tokens=read, output_tokens=len(text.split()), cost=0.0)
        return ModelReply(text=text, model=self._model_name, usage=usage, finish_reason="stop")

    async def aclose(self) -> None:
        """Do nothing: there is no connection."""


def reply_to(messages: Sequence[Message]) -> str:
    """Return the offline extractor's reply to a conversation."""
    task_at = find_task(messages)
    if task_at is not None:
        return root_reply(messages, task_at)
    prompts = [message["content"] for message in messages if message["role"] == "user"]
    return leaf_reply(prompts[-1] if prompts else "")


def _pieces(text: str, count: int = 4) -> list[str]:
    size = max(1, -(-len(text) // count))
    return [text[start : start + size] for start in range(0, len(text), size)]
