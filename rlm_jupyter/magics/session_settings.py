"""What a session is taken up again with: the notebook's own defaults of ``%rlm``, as a trace holds them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakKeyDictionary

from traitlets import TraitError
from traitlets.config import Config

from rlm_jupyter.trace.redaction import Redactor, secrets_in

if TYPE_CHECKING:
    from .rlm_magics import RLMMagics

__all__ = ["Restored", "session_settings", "set_again"]

_OWN_TO_THE_KERNEL = frozenset({"notebook", "trace", "quiet"})
"""Settings that are no part of a session: they say how this kernel shows and keeps it."""

_HARMLESS = frozenset({"model", "sub_model", "backend", "sync", "compaction", "context_window", "review"})
"""Settings that choose, and neither send keys elsewhere nor let code or a model do more than before."""

_MODELS = ("model", "sub_model")

_LIMITS: dict[str, float] = {
    "max_iterations": 1,
    "max_depth": 0,
    "max_concurrent_subcalls": 1,
    "timeout": 1e-9,
    "budget": 0,
    "max_tokens": 1,
    "max_errors": 1,
    "record_limit": 0,
}
"""Limits, which a session may only make stricter, and the least that each can be."""

_DICTS = frozenset({"backend_kwargs", "environment_kwargs", "sampling_args", "sub_sampling_args"})

_ONLY_THE_USERS = frozenset({"base_url", "environment", *_DICTS})
"""Where keys are sent, where code runs, what goes to an API: whoever wrote into the store does not choose that."""

_RESTORED: WeakKeyDictionary[RLMMagics, dict[str, Any]] = WeakKeyDictionary()
"""What sessions have set, and not the user: the next one that is taken up may set it again."""

_REDACTED = "[redacted"
_LONGEST_LINE = 1_000
_LONGEST = 20_000  # characters; more is no setting, and a trace would hold its head and tail


def session_settings(magics: RLMMagics) -> dict[str, Any]:
    """Return the defaults that were set, as far as JSON can hold them, and without secrets."""
    defaults = cast("dict[str, Any]", magics.trait_defaults())
    values = {name: getattr(magics, name) for name in _names(magics)}
    told = {name: value for name, value in values.items() if value != defaults[name] and _is_plain(value)}
    return {name: _without_secrets(value) if isinstance(value, dict) else value for name, value in told.items()}


def _without_secrets(value: Mapping[str, Any]) -> Any:
    """Return the value with its secrets redacted: not all of them are known to the run that it is recorded with."""
    redactor = Redactor(secrets_in(value))

    def clean(part: Any) -> Any:
        if isinstance(part, Mapping):
            return {clean(name): clean(each) for name, each in part.items()}
        if isinstance(part, list):
            return [clean(each) for each in part]
        return redactor.redact(part) if isinstance(part, str) else part

    return clean(value)


@dataclass(frozen=True, slots=True)
class Restored:
    """What was set again; why others were not; and the lines that set what only the user may set, by name."""

    done: dict[str, Any] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    offered: dict[str, str] = field(default_factory=dict)


def set_again(magics: RLMMagics, settings: Mapping[str, Any]) -> Restored:
    """Set them as ``%config`` does, but for what would send keys elsewhere, let code do more, or widen a limit.

    What the user has set in this kernel stays as it is.
    """
    restored = Restored()
    names, defaults = _names(magics), cast("dict[str, Any]", magics.trait_defaults())
    earlier = _RESTORED.setdefault(magics, {})
    for name, value in settings.items():
        if name not in names:
            restored.refused[name] = "there is no such setting here"
            continue
        if _REDACTED in json.dumps(value):
            restored.refused[name] = "it held a secret, which no trace keeps"
            continue
        current = getattr(magics, name)
        if value == current:
            continue
        if current not in (defaults[name], earlier.get(name, defaults[name])):
            restored.refused[name] = f"you have set it here, to {_shown(current)}"
        elif name in _ONLY_THE_USERS:
            line = _config_line(magics, name, value)
            (restored.offered if line else restored.refused)[name] = line or "it is no value of this setting"
        elif why := _why_not(name, value, current):
            restored.refused[name] = why
        else:
            try:
                magics.update_config(Config({type(magics).__name__: {name: value}}))
            except TraitError as error:
                restored.refused[name] = str(error)
            else:
                restored.done[name] = earlier[name] = getattr(magics, name)
    return restored


def _why_not(name: str, value: Any, current: Any) -> str | None:
    """Return why a session may not set this; None when it chooses without loosening anything."""
    if name == "backend":
        from rlm_jupyter.clients.choice import backend_names

        return None if value in (None, *backend_names()) else f"{value!r} is no backend of this installation"
    if name in _MODELS and "://" in str(value):  # some backends take an address for a model's name
        return "it holds an address, which only you may choose"
    if name == "review":
        return None if value is True else "a session does not turn it off"
    if name in _LIMITS:
        if isinstance(value, bool) or not isinstance(value, int | float) or not value >= _LIMITS[name]:
            return "it is no such limit"
        return None if current is None or value <= current else f"{value!r} is more than the {current!r} of this kernel"
    if name == "cache":
        return None if value is True else "a session neither turns it off nor names a file"
    if name == "context_window":
        return None if isinstance(value, int) and value > 0 else "it is no number of tokens"
    return None if name in _HARMLESS else "a session does not set it"


def _config_line(magics: RLMMagics, name: str, value: Any) -> str | None:
    """Return the line with which the user sets it himself; None when it is no value of this setting."""
    expected: type = dict if name in _DICTS else str
    if not isinstance(value, expected):
        return None
    line = f"%config {type(magics).__name__}.{name} = {_literal(value)}"
    return line if len(line) <= _LONGEST_LINE else None


def _literal(value: Any) -> str:
    """Return the value as code in which IPython finds nothing to expand, and which shows what it is."""
    if isinstance(value, dict):
        items = ", ".join(f"({_literal(key)}, {_literal(each)})" for key, each in value.items())
        return f"dict([{items}])"
    if isinstance(value, list):
        return f"[{', '.join(_literal(each) for each in value)}]"
    text = ascii(value)
    return "".join(f"\\x{ord(each):02x}" if each in "{}$" else each for each in text)


def _names(magics: RLMMagics) -> list[str]:
    return [name for name in magics.traits(config=True) if name not in _OWN_TO_THE_KERNEL]


def _shown(value: Any) -> str:
    return Redactor(secrets_in(value) if isinstance(value, Mapping) else ()).redact(repr(value))


def _is_plain(value: Any) -> bool:
    """Return whether JSON holds the value as it is."""
    try:
        text = json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return len(text) <= _LONGEST and bool(json.loads(text) == value)
