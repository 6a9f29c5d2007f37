"""A prompt as it may be written, a string or strings and pictures in their order, and the message that it becomes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from .errors import ScaffoldError
from .pictures import Picture, looks_like, no_prompt, picture_of
from .protocols import Message

__all__ = ["Parts", "holds_pictures", "in_words", "message_of", "parts_of", "read_prompt", "texts_of"]

Parts: TypeAlias = tuple[str | Picture, ...]
"""The texts and pictures of a prompt, in their order."""

Seen: TypeAlias = dict[int, Picture | None]

_SHORT = 8
"""Items of a list that is looked through for pictures, where nobody said that it is a prompt."""


def read_prompt(prompt: Any, seen: Seen | None = None) -> Parts:
    """Return the parts of what model code asks; one string for a plain prompt. ``seen`` is as for ``parts_of``.

    Raises ``ScaffoldError`` for anything but a string, a picture, or a list of strings and pictures with a picture in
    it; ``ValueError`` for a picture that is too large or cannot be encoded.
    """
    parts = parts_of(prompt, seen)
    if parts is not None:
        return parts
    if isinstance(prompt, list | tuple):
        wrong = next((each for each in prompt if not isinstance(each, str) and picture_of(each) is None), None)
        if wrong is None:
            msg = (
                "A list is one prompt when there is a picture in it, and here is none: join the strings, or ask about "
                "each with llm_query_batched."
            )
            raise ScaffoldError(msg)
        prompt = wrong
    raise ScaffoldError(no_prompt(prompt))


def parts_of(prompt: Any, seen: Seen | None = None) -> Parts | None:
    """Return the parts of a prompt; None for what is none.

    ``seen`` holds the pictures of objects by their ids, so that one which stands in many prompts is encoded once.
    Raises ``ValueError`` for a picture that is too large or cannot be encoded.
    """
    if isinstance(prompt, str):
        return (prompt,)
    seen = seen if seen is not None else {}
    single = not isinstance(prompt, list | tuple)
    parts: list[str | Picture] = []
    for each in (prompt,) if single else prompt:
        if not isinstance(each, str) and id(each) not in seen:
            seen[id(each)] = picture_of(each)
        part = each if isinstance(each, str) else seen[id(each)]
        if part is None:
            return None
        parts.append(part)
    return tuple(parts) if any(isinstance(part, Picture) for part in parts) else None


def holds_pictures(value: Any) -> bool:
    """Return whether a context is a picture, or a list of at most 8 strings and pictures; encodes nothing."""
    if looks_like(value) is not None:
        return True
    if type(value) not in (list, tuple) or len(value) > _SHORT:
        return False
    pictured = [not isinstance(each, str) for each in value]
    return any(pictured) and all(looks_like(each) is not None for each in value if not isinstance(each, str))


def texts_of(value: Any) -> str:
    """Return the strings of a list with pictures, joined; empty for a picture alone."""
    return "\n\n".join(each for each in value if isinstance(each, str)) if isinstance(value, list | tuple) else ""


def in_words(parts: Sequence[str | Picture]) -> str:
    """Return the parts as text, with ``[image 1: image/png, 640x480, 12 kB]`` in the place of a picture."""
    words: list[str] = []
    pictures = 0
    for part in parts:
        if isinstance(part, Picture):
            pictures += 1
            words.append(f"[image {pictures}: {part}]")
        else:
            words.append(part)
    return "\n\n".join(words)


def message_of(parts: Sequence[str | Picture]) -> Message:
    """Return the message that asks this of a model."""
    message: Message = {"role": "user", "content": in_words(parts)}
    if any(isinstance(part, Picture) for part in parts):
        message["parts"] = tuple(parts)
    return message
