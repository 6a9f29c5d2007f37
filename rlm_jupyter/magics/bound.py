"""The names that ``--out`` bound: a cell that is asked again is not to find its own earlier result."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

__all__ = ["BoundNames"]


class BoundNames:
    """Binds results in the notebook, and sets them aside while they are asked for anew."""

    def __init__(self, namespace: MutableMapping[str, Any]) -> None:
        self._namespace = namespace
        self._bound: dict[str, int] = {}  # by name, the id of the value: what the user bound since is the user's

    def bind(self, name: str, value: Any) -> None:
        """Bind a result."""
        self._namespace[name] = value
        self._bound[name] = id(value)

    @contextmanager
    def set_aside(self, name: str) -> Iterator[None]:
        """Take the result away that was bound to the name, if it still is, and put it back unless there is another."""
        value = self._namespace.get(name, self)
        if self._bound.get(name) != id(value):
            yield
            return
        del self._namespace[name]
        try:
            yield
        finally:
            self._namespace.setdefault(name, value)
