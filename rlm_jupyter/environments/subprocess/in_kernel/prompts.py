"""Packs what model code asks, pictures included, to be carried to the host."""

from __future__ import annotations

import json
from typing import Any

from .pictures import no_prompt, picture_of
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
        raise ScaffoldError(no_prompt(_wrong_in(plain))) from None


def _wrong_in(plain: Any) -> Any:
    """Return what JSON does not take; the first of several."""
    if type(plain) is not list:
        return plain
    found = [_wrong_in(each) for each in plain if not isinstance(each, (str, int, float, type(None)))]
    return next((each for each in found if each is not None), None)


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
