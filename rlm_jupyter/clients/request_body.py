"""A request for a chat completion as the API wants it written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rlm_jupyter.core.errors import ConfigurationError
from rlm_jupyter.core.protocols import Message, ModelRequest

__all__ = ["WAYS", "chat_fields", "check_sampling", "encode"]

WAYS: tuple[Mapping[str, Any], ...] = (
    {"stream": True, "stream_options": {"include_usage": True}},
    {"stream": True},
    {},
)
"""What a request for a stream adds, from the best that a server may understand to nothing, which is no stream."""


_NOT_SAMPLING = {
    "messages": "it is what the run asks",
    "model": "give the model's name as model_name, or with --model",
    "stream": "whether a reply is streamed is not for the model",
    "stream_options": "whether a reply is streamed is not for the model",
    "extra_headers": 'give headers in backend_kwargs, as "default_headers" (litellm: "extra_headers")',
    "extra_query": 'give a query in backend_kwargs, as "default_query"',
}
"""What is no parameter of sampling, and where it belongs."""


def check_sampling(sampling: Mapping[str, Any], name: str = "sampling_args") -> None:
    """Raise ``ConfigurationError`` for what cannot be sent as a field of the request's body."""
    extra = sampling.get("extra_body")
    if not isinstance(extra, Mapping | None):
        msg = f"extra_body in {name} is a dictionary of fields, not a {type(extra).__name__}."
        raise ConfigurationError(msg)
    wrong = next((field for field in (*sampling, *(extra or ())) if field in _NOT_SAMPLING), None)
    if wrong is not None:
        msg = f"{wrong!r} cannot be in {name}: {_NOT_SAMPLING[wrong]}."
        raise ConfigurationError(msg)


def chat_fields(request: ModelRequest, model: str, sampling: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of the request's body; the request's own sampling wins over the client's.

    Raises ``ConfigurationError`` for sampling that holds what is no field of it.
    """
    check_sampling(request.sampling)
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
