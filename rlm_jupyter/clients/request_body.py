"""A request for a chat completion as the API wants it written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rlm_jupyter.core.errors import ConfigurationError
from rlm_jupyter.core.protocols import Message, ModelRequest

__all__ = ["WAYS", "chat_fields", "encode"]

WAYS: tuple[Mapping[str, Any], ...] = (
    {"stream": True, "stream_options": {"include_usage": True}},
    {"stream": True},
    {},
)
"""What a request for a stream adds, from the best that a server may understand to nothing, which is no stream."""


def chat_fields(request: ModelRequest, model: str, sampling: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of the request's body; the request's own sampling wins over the client's."""
    messages = [_chat_message(message) for message in request.messages]
    return {**sampling, **request.sampling, "model": model, "messages": messages}


def encode(fields: Mapping[str, Any]) -> bytes:
    """Return the fields as JSON. Raises ``ConfigurationError`` for values that JSON does not have."""
    try:
        # Half a character, as slices of broken text have it, cannot be sent and must not end a run.
        return json.dumps(fields, ensure_ascii=False).encode("utf-8", "replace")
    except (TypeError, ValueError) as error:
        msg = f"The request cannot be written as JSON: {error}. Use plain values in sampling_args and messages."
        raise ConfigurationError(msg) from error


def _chat_message(message: Message) -> Mapping[str, Any]:
    """Return the message; one with pictures has them and the texts between them as typed parts."""
    if "parts" not in message:
        return message
    content = [
        {"type": "text", "text": part}
        if isinstance(part, str)
        else {"type": "image_url", "image_url": {"url": f"data:{part.media_type};base64,{part.base64}"}}
        for part in message["parts"]
    ]
    return {"role": message["role"], "content": content or message["content"]}
