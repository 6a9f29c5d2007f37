"""Names a request by what is asked: two requests with the same key may be given the same reply."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from .digest import text_digest
from .protocols import Message

__all__ = ["MessageKey", "message_keys", "request_key"]

MessageKey: TypeAlias = tuple[str, str, tuple[str, ...]]
"""A message's role, the digest of its text, and those of its pictures in their order."""


def message_keys(messages: Iterable[Message], redact: Callable[[str], str] = str) -> list[MessageKey]:
    """Return the messages' keys, of their texts as ``redact`` gives them."""
    return [
        (
            message["role"],
            text_digest(redact(message["content"])),
            tuple(part.digest for part in message.get("parts", ()) if not isinstance(part, str)),
        )
        for message in messages
    ]


def request_key(model: str, messages: Sequence[MessageKey], sampling: Mapping[str, Any]) -> str:
    """Return the SHA-256, in hexadecimal, over canonical JSON of the model asked for, the messages and the sampling.

    What JSON does not know among the sampling counts as its ``repr``.
    """
    asked = [model, [list(message) for message in messages], _named(sampling)]
    text = json.dumps(asked, sort_keys=True, separators=(",", ":"), default=repr)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _named(value: Any) -> Any:
    """Return the value with the names of its mappings as JSON writes them, so that they can be put into an order."""
    if isinstance(value, Mapping):
        return {
            each if isinstance(each, str) else json.dumps(each, default=repr): _named(value[each]) for each in value
        }
    return [_named(each) for each in value] if isinstance(value, list | tuple) else value
