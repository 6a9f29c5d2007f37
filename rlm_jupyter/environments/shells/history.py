"""The names in which IPython keeps the user's history: ``In``, ``Out``, ``_`` and their kin."""

from __future__ import annotations

from typing import Any

from rlm_jupyter.environments.cells.own_state import OwnState

__all__ = ["own_history"]

_NAMES = ("In", "Out", "_", "__", "___", "_dh", "_i", "_ih", "_ii", "_iii", "_oh")


def own_history(namespace: dict[str, Any]) -> OwnState[dict[str, Any]]:
    """Return these names as a state of the cell's own: code that says ``for _ in ...`` would end the history."""

    def take() -> dict[str, Any]:
        return {name: namespace[name] for name in _NAMES if name in namespace}

    def put(history: dict[str, Any]) -> None:
        namespace.update(history)
        for name in _NAMES:
            if name not in history:
                namespace.pop(name, None)

    return OwnState(take, put)
