"""What a session is taken up again with: the notebook's own defaults of ``%rlm``, as a trace holds them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from traitlets import TraitError
from traitlets.config import Config

if TYPE_CHECKING:
    from .rlm_magics import RLMMagics

__all__ = ["session_settings", "set_again"]

_OWN_TO_THE_KERNEL = frozenset({"notebook", "trace", "quiet"})
"""Settings that are no part of a session: they say how this kernel shows and keeps it."""

_REDACTED = "[redacted"
_LONGEST = 20_000  # characters; more is no setting, and a trace would hold its head and tail


def session_settings(magics: RLMMagics) -> dict[str, Any]:
    """Return the defaults that were set, as far as JSON can hold them."""
    defaults = cast("dict[str, Any]", magics.trait_defaults())
    values = {name: getattr(magics, name) for name in _names(magics)}
    return {name: value for name, value in values.items() if value != defaults[name] and _is_plain(value)}


def set_again(magics: RLMMagics, settings: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Set them as ``%config`` does, and return those that were set, and for each of the others why it was not."""
    done: dict[str, Any] = {}
    refused: dict[str, str] = {}
    names = _names(magics)
    for name, value in settings.items():
        if name not in names:
            refused[name] = "there is no such setting here"
        elif _REDACTED in json.dumps(value):
            refused[name] = "it held a secret, which no trace keeps"
        else:
            try:
                magics.update_config(Config({type(magics).__name__: {name: value}}))
            except TraitError as error:
                refused[name] = str(error)
            else:
                done[name] = value
    return done, refused


def _names(magics: RLMMagics) -> list[str]:
    return [name for name in magics.traits(config=True) if name not in _OWN_TO_THE_KERNEL]


def _is_plain(value: Any) -> bool:
    """Return whether JSON holds the value as it is."""
    try:
        text = json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return len(text) <= _LONGEST and bool(json.loads(text) == value)
