"""Makes an environment by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from rlm_jupyter.core.errors import ConfigurationError
from rlm_jupyter.core.plugins import load_plugin
from rlm_jupyter.core.protocols import Environment, SupportsPersistence

__all__ = ["GROUP", "check_environment", "get_environment"]

GROUP = "rlm_jupyter.environments"
"""The entry-point group in which environments are registered."""


def check_environment(name: str, arguments: Mapping[str, Any], *, persistent: bool) -> None:
    """Raise ``ConfigurationError`` for a name or arguments that cannot be used, before anything is made.

    An environment that has a static method ``check(arguments)`` is asked, too.
    """
    kind = load_plugin(GROUP, name)
    parameters = [each for each in inspect.signature(kind).parameters if each not in ("context_payload", "shell")]
    unknown = sorted(arguments.keys() - set(parameters))
    if unknown:
        msg = f"Environment {name!r} does not take {', '.join(unknown)}. It takes: {', '.join(parameters)}."
        raise ConfigurationError(msg)
    check: Callable[[Mapping[str, Any]], None] | None = getattr(kind, "check", None)
    if check is not None:
        check(arguments)
    if persistent and not all(hasattr(kind, method) for method in _persistence_methods()):
        msg = f"Persistent REPLs are currently not supported for environment: {name}"
        raise ConfigurationError(msg)


def get_environment(name: str, arguments: Mapping[str, Any]) -> Environment:
    """Return a new environment. Raises ``ConfigurationError`` for a name or arguments that cannot be used."""
    check_environment(name, arguments, persistent=False)
    environment: Environment = load_plugin(GROUP, name)(**arguments)
    return environment


def _persistence_methods() -> list[str]:
    return [name for name, value in vars(SupportsPersistence).items() if callable(value) and not name.startswith("_")]
