"""Packs what model code asks, pictures included, to be carried to the host."""

from __future__ import annotations

import json
from typing import Any

from .pictures import picture_of
from .scaffold import ScaffoldError

__all__ = ["packed"]


def packed(kind: str, prompt: Any, model: str | None) -> bytes:
    """Return the query as JSON: the prompt with None in the place of each picture, and the pictures with their places.

    A place is a list of indices, empty for the prompt itself. Raises ``ScaffoldError`` for what is neither plain nor a
    picture, and ``ValueError`` for a picture that is too large.
    """
    pictures: dict[int, tuple[list[list[int]], Any]] = {}
    plain = _without_pictures(prompt, 2 if kind.endswith("_batched") else 1, [], pictures)
    told = [[places, picture.base64] for places, picture in pictures.values()]
    try:
        return json.dumps({"prompt": plain, "model": model, "pictures": told}).encode("ascii")
    except (TypeError, ValueError):
        wrong = plain
        if isinstance(plain, list):
            wrong = next((each for each in plain if not isinstance(each, str)), plain)
        msg = (
            "A prompt is a string, a picture, or a list of strings and pictures, and this one is of type "
            f"{type(wrong).__name__}: put it into an f-string."
        )
        raise ScaffoldError(msg) from None


def _without_pictures(
    value: Any, levels: int, place: list[int], pictures: dict[int, tuple[list[list[int]], Any]]
) -> Any:
    """Return the value without its pictures, which are put into ``pictures`` by the ids of their objects."""
    if isinstance(value, str):
        return value
    if levels and isinstance(value, (list, tuple)):
        return [_without_pictures(each, levels - 1, [*place, at], pictures) for at, each in enumerate(value)]
    if id(value) not in pictures:
        picture = picture_of(value)
        if picture is None:
            return value
        pictures[id(value)] = ([], picture)
    pictures[id(value)][0].append(place)
    return None
