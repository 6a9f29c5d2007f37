"""Finds clients and environments by name, ours and those that other packages bring, through entry points."""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from .errors import ConfigurationError

__all__ = ["load_plugin", "plugin_names"]


@cache
def _points(group: str) -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=group)}


def plugin_names(group: str) -> tuple[str, ...]:
    """Return the names that are registered in an entry-point group, sorted."""
    return tuple(sorted(_points(group)))


def load_plugin(group: str, name: str) -> Any:
    """Return what is registered under the name.

    Raises ``ConfigurationError`` for a name that is not registered, and for a plugin that cannot be imported.
    """
    point = _points(group).get(name)
    if point is None:
        kind = group.rpartition(".")[2].removesuffix("s")
        msg = f"There is no {kind} named {name!r}. There are: {', '.join(plugin_names(group)) or 'none'}."
        raise ConfigurationError(msg)
    try:
        return point.load()
    except (ImportError, AttributeError) as error:
        msg = f"{name!r} ({point.value}) cannot be loaded: {error}. Install it again, or use another."
        raise ConfigurationError(msg) from error
