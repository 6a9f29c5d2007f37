"""Tells what one cell bound: public names created, bound anew, deleted.

This text is sent to kernels in processes of their own, too: it imports the standard library and nothing more.
"""

from __future__ import annotations

import weakref
from collections.abc import Container
from itertools import compress, islice
from operator import is_, is_not
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

__all__ = ["Bindings"]

_NAMES = 200
"""How many names of a kind are told, and of how many characters at most: others are made by programs, not by people."""

_LIGHT = frozenset({BuiltinFunctionType, FunctionType, ModuleType, type})
"""What takes no room to speak of."""

_MISSING = object()
_weak_offset = vars(type)["__weakrefoffset__"].__get__  # asked so, no metaclass of model code answers


class Bindings:
    """The names of a namespace and what they are bound to, at one moment.

    Values are told apart by identity, so none is looked into. They are held weakly where they can be, for a cell may
    need the room of a large one that it deletes; builtin values live until the cell ends, or else another one could
    stand at the same address by then.
    """

    def __init__(self, namespace: dict[str, Any]) -> None:
        self._values = namespace.copy()
        self._weak = _weakly_held(self._values)
        self._values.update(self._weak)  # the order stays

    def changes(self, namespace: dict[str, Any], *ignored: Container[str]) -> dict[str, list[str]]:
        """Return the names that are bound otherwise now, sorted, by kind of change: only kinds of which there are any.

        Private names are left out, and those that are ``ignored``.
        """
        now, before, weak = namespace.copy(), self._values, self._weak
        if len(now) >= len(before) and all(map(is_, before, now)):  # what is new stands last, and nothing is deleted
            touched = [*compress(now, map(is_not, before.values(), now.values())), *islice(now, len(before), None)]
            deleted: list[str] = []
        else:
            touched = [
                name for name, value in now.items() if _is_name(name) and before.get(name, _MISSING) is not value
            ]
            deleted = [name for name in before if _is_name(name) and name not in now]
        touched = [name for name in touched if _is_name(name) and (name not in weak or weak[name]() is not now[name])]
        told = {
            "created": [name for name in touched if name not in before],
            "rebound": [name for name in touched if name in before],
            "deleted": deleted,
        }
        shown = {kind: sorted(name for name in names if _is_shown(name, ignored)) for kind, names in told.items()}
        return {kind: names[:_NAMES] for kind, names in shown.items() if names}


def _weakly_held(values: dict[str, Any]) -> dict[str, weakref.ref[Any]]:
    """Return weak references to the values that allow it."""
    kinds = list(map(type, values.values()))
    try:
        weak = {kind for kind in set(kinds) - _LIGHT if _weak_offset(kind)}
        pairs = compress(values.items(), map(weak.__contains__, kinds)) if weak else ()
        return {name: weakref.ref(value) for name, value in pairs if _is_name(name)}
    except Exception:  # noqa: BLE001 - the hash of a type may be model code, and raise anything
        return {}


def _is_name(key: Any) -> bool:
    """Return whether the key is a plain text: of others the hash and the equality are foreign code."""
    return type(key) is str


def _is_shown(name: str, ignored: tuple[Container[str], ...]) -> bool:
    return not name.startswith("_") and len(name) <= _NAMES and not any(name in names for names in ignored)
