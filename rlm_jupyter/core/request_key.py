"""Names a request by what is asked: two requests with the same key may be given the same reply."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from .cell_tracebacks import without_incidentals
from .digest import text_digest
from .protocols import Message
from .scope import CELL_FILE_PREFIX

__all__ = ["MessageKey", "alike_digests", "alike_keys", "message_keys", "request_key"]

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


def alike_digests(texts: Iterable[str], redact: Callable[[str], str] = str) -> dict[str, str]:
    """Return, by the digests of those texts that name model code, their digests without what is incidental in it."""
    named = (redact(text) for text in texts if CELL_FILE_PREFIX in text)
    return {text_digest(text): text_digest(without_incidentals(text)) for text in named}


def alike_keys(messages: Sequence[MessageKey], alike: Mapping[str, str]) -> tuple[MessageKey, ...]:
    """Return the keys with the ``alike_digests`` of what a run has told its model.

    What a run says stands below a system message. A prompt of a sub-call stands alone, and is whatever code made of it.
    """
    if not alike or not messages or messages[0][0] != "system":
        return tuple(messages)
    return tuple((role, alike.get(text, text) if role == "user" else text, seen) for role, text, seen in messages)


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
