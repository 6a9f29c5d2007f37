"""The contexts and histories of an environment, numbered as they come."""

from __future__ import annotations

import copy
import itertools
import threading
from collections.abc import Mapping
from typing import Any

__all__ = ["Versions"]


class Versions:
    """Contexts by reference and histories as deep copies, numbered from 0. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._contexts: dict[int, Any] = {}
        self._histories: dict[int, list[dict[str, Any]]] = {}

    def add_context(self, payload: Any, index: int | None = None) -> int:
        """Add a context, or replace the one of that number, and return its number; without one, the next free."""
        return self._add(self._contexts, payload, index)

    def add_history(self, messages: list[dict[str, Any]], index: int | None = None) -> int:
        """Add a deep copy of a message history and return its number."""
        return self._add(self._histories, copy.deepcopy(messages), index)

    @property
    def contexts(self) -> list[Any]:
        """The contexts, in the order of their numbers."""
        return self._listed(self._contexts)

    @property
    def histories(self) -> list[list[dict[str, Any]]]:
        """The histories, in the order of their numbers."""
        return self._listed(self._histories)

    def named(self) -> dict[str, Any]:
        """Return ``context_0``, ``history_0``, ... with their values."""
        with self._lock:
            contexts = {f"context_{index}": self._contexts[index] for index in sorted(self._contexts)}
            return contexts | {f"history_{index}": self._histories[index] for index in sorted(self._histories)}

    def scaffold(self) -> dict[str, Any]:
        """Return the names by which code finds all of them: ``named``, and ``context`` and ``history`` for number 0."""
        names = self.named()
        return names | {kind: names[f"{kind}_0"] for kind in ("context", "history") if f"{kind}_0" in names}

    def session(self) -> dict[str, Any]:
        """Return them as a session names them: ``session_context_0``, ..., ``context_history``, ``session_history``."""
        names = {f"session_{name}": value for name, value in self.named().items() if name.startswith("context_")}
        lists = {"context_history": self.contexts, "session_history": self.histories}
        return names | {name: values for name, values in lists.items() if values}

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._contexts.clear()
            self._histories.clear()

    def _add(self, versions: dict[int, Any], value: Any, index: int | None) -> int:
        with self._lock:
            number = _next(versions) if index is None else index
            versions[number] = value
        return number

    def _listed(self, versions: Mapping[int, Any]) -> list[Any]:
        with self._lock:
            return [versions[index] for index in sorted(versions)]


def _next(versions: Mapping[int, Any]) -> int:
    return next(number for number in itertools.count(len(versions)) if number not in versions)
