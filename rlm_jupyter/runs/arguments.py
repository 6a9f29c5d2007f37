"""What an ``RLM`` can be told: what it cannot is refused in words, before anything is made of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from rlm_jupyter.clients.cache import Cache
from rlm_jupyter.clients.request_body import check_sampling
from rlm_jupyter.core.compaction import Compaction, compaction_for
from rlm_jupyter.core.errors import ConfigurationError

from .models import Backend

__all__ = ["check_arguments", "checked_record_limit", "chosen_cache", "chosen_compaction", "other_models"]

_Test: TypeAlias = Callable[[object], bool]


def check_arguments(**arguments: object) -> None:
    """Raise ``ConfigurationError`` for an argument of ``RLM`` that is not of its kind; None is one not given."""
    for name, value in arguments.items():
        fits, kind = _KINDS[name]
        if value is not None and not fits(value):
            msg = f"{name} must be {kind}; {_told(value)}."
            raise ConfigurationError(msg)
        if name in ("sampling_args", "sub_sampling_args") and isinstance(value, Mapping):
            check_sampling(value, name)


def checked_record_limit(told: object) -> int:
    """Return it; raises ``ConfigurationError`` unless it is a number of characters."""
    if type(told) is int and told >= 0:
        return told
    what = repr(told) if told is None or type(told) in (int, float) else f"of type {type(told).__name__}"
    msg = (
        f"record_limit must be a whole number of characters of at least 0, and this is {what}. With 0 a trace holds no "
        "value in full."
    )
    raise ConfigurationError(msg)


def other_models(
    backends: Sequence[str] | None, backend_kwargs: Sequence[Mapping[str, object]] | None
) -> list[Backend]:
    """Return the backends for calls below the root, each with its arguments.

    Raises ``ConfigurationError`` unless they are lists, with no more arguments than there are backends.
    """
    names, arguments = backends or (), backend_kwargs or ()
    lists = all(isinstance(each, list | tuple) for each in (names, arguments))
    if lists and len(arguments) > len(names):
        msg = f"{_OTHERS} There are {len(arguments)} of these and {len(names)} backends."
        raise ConfigurationError(msg)
    if lists and len(arguments) <= len(names) and all(map(_is_by_name, arguments)):
        return [(name, dict(arguments[at]) if at < len(arguments) else {}) for at, name in enumerate(names)]
    raise ConfigurationError(_OTHERS)


def chosen_cache(told: bool | str | os.PathLike[str] | Cache | None) -> Cache | None:
    """Return where replies are kept: True is the default file. None and False keep none."""
    if isinstance(told, Cache):
        return told
    if told is None or isinstance(told, bool):
        return Cache() if told else None
    return Cache(told)


def chosen_compaction(
    model: str, threshold_pct: float = 0.85, window: int | None = None, *, wanted: bool
) -> Compaction | None:
    """Return when a conversation with the model is compacted, None where that is not ``wanted``.

    Raises ``ConfigurationError`` for a threshold or window that cannot be, wanted or not; where it is wanted, also when
    nobody knows the window.
    """
    if wanted:
        return compaction_for(model, threshold_pct, window)
    Compaction(threshold_pct, 1 if window is None else window)
    return None


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_by_name(value: object) -> bool:
    return isinstance(value, Mapping) and all(map(_is_text, value))


def _has(method: str) -> _Test:
    """Return the test for an object, and no class, with this method."""
    return lambda value: callable(getattr(value, method, None)) and not isinstance(value, type)


def _told(value: object) -> str:
    """Return what a value is; not itself, which may hold a key."""
    if isinstance(value, Mapping):
        return f"one of its keys is of type {next(type(key).__name__ for key in value if not _is_text(key))}"
    return (
        f"this is the class {value.__name__}" if isinstance(value, type) else f"this is of type {type(value).__name__}"
    )


_OTHERS = (
    "other_backends is a list of names, and other_backend_kwargs a list of as many dicts of arguments, in the "
    'same order: other_backends=["openai"], other_backend_kwargs=[{"model_name": "gpt-5-mini"}].'
)
_TOOLS = "a dict from the tools' names to the tools"
_BY_NAME = "a dict from names to values"

_KINDS: dict[str, tuple[_Test, str]] = {
    "environment": (_is_text, "a name, such as 'local'"),
    "child_environment": (_is_text, "a name, such as 'local'"),
    "custom_system_prompt": (_is_text, "a string"),
    "user_prologue": (_is_text, "a string"),
    "custom_tools": (_is_by_name, _TOOLS),
    "custom_sub_tools": (_is_by_name, _TOOLS),
    "backend_kwargs": (_is_by_name, _BY_NAME),
    "environment_kwargs": (_is_by_name, _BY_NAME),
    "child_environment_kwargs": (_is_by_name, _BY_NAME),
    "sampling_args": (_is_by_name, _BY_NAME),
    "sub_sampling_args": (_is_by_name, _BY_NAME),
    "cache": (
        lambda value: isinstance(value, bool | str | os.PathLike | Cache) and value != "",
        "True for the default file, the path of a file, or a Cache",
    ),
    "logger": (_has("sink"), "an object with a method sink(event), such as an RLMLogger"),
    "executor": (_has("submit"), "an object with a method submit, such as a concurrent.futures.Executor"),
    "on_iteration_start": (callable, "a function (depth, iteration)"),
    "on_iteration_complete": (callable, "a function (depth, iteration, seconds)"),
    "on_subcall_start": (callable, "a function (depth, model, prompt_preview)"),
    "on_subcall_complete": (callable, "a function (depth, model, seconds, error_or_none)"),
}
