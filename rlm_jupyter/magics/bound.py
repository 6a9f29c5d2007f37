"""The names that ``--out`` bound: a cell that is asked again is not to find its own earlier result."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

from rlm_jupyter.environments.unbroken import done_at_the_end
from rlm_jupyter.runs.held import Held

__all__ = ["BoundNames"]


class BoundNames:
    """Binds results in the notebook, and sets them aside while they are asked for anew."""

    def __init__(self, namespace: MutableMapping[str, Any]) -> None:
        self._namespace = namespace
        self._bound: dict[str, Held] = {}  # what the user bound since is the user's

    def bind(self, name: str, value: Any) -> None:
        """Bind a result."""
        self._namespace[name] = value
        self._bound = {**{each: held for each, held in self._bound.items() if self._stands(each)}, name: Held(value)}

    @contextmanager
    def set_aside(self, name: str) -> Iterator[None]:
        """Take the result away that was bound to the name, if it still is, and put it back unless there is another."""
        if not self._stands(name):
            yield
            return
        value = self._namespace[name]
        with done_at_the_end(lambda: self._namespace.setdefault(name, value)):
            del self._namespace[name]
            yield

    def _stands(self, name: str) -> bool:
        return name in self._bound and self._namespace.get(name, self) is self._bound[name].value
