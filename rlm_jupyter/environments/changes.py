"""Tells what a run changed in a namespace: names created, rebound, deleted, and mutated where that is cheap to tell."""

from __future__ import annotations

import contextlib
import itertools
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Iterable, Mapping
from typing import Any

from rlm_jupyter.core.results import NamespaceChanges

__all__ = ["Snapshot"]

_NODES = 500
"""How many objects below a name are looked at: enough for a small container, little enough to be unnoticed."""

_BYTES = 1_000_000
"""How many bytes of an array or a table are looked at."""

_ATOMS = frozenset({bool, bytes, complex, float, int, str, type(None)})
_DICTS = frozenset({dict, OrderedDict, defaultdict, Counter})
_SIZED = frozenset({list, set, deque, bytearray}) | _DICTS


class Snapshot:
    """The public names of a namespace at one moment, by reference, with a shallow fingerprint of each value."""

    def __init__(self, namespace: Mapping[str, Any], ignored: Iterable[str] = ()) -> None:
        self._ignored = frozenset(ignored)
        self._values = self._public(namespace)
        self._fingerprints = {name: _Fingerprint(value) for name, value in self._values.items()}

    def changes(self, namespace: Mapping[str, Any]) -> NamespaceChanges:
        """Return what is different in the namespace now."""
        before, now = self._values, self._public(namespace)
        same = [name for name in now if name in before and now[name] is before[name]]
        return NamespaceChanges(
            created=tuple(sorted(now.keys() - before.keys())),
            rebound=tuple(sorted((now.keys() & before.keys()) - set(same))),
            deleted=tuple(sorted(before.keys() - now.keys())),
            mutated=tuple(sorted(name for name in same if self._fingerprints[name].differs(_Fingerprint(now[name])))),
        )

    def _public(self, namespace: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: value
            for name, value in dict(namespace).items()
            if isinstance(name, str) and not name.startswith("_") and name not in self._ignored
        }


class _Fingerprint:
    """The parts of a value, by identity: compared so, no foreign ``__eq__`` is called.

    The parts are held, so that the address of one that is gone is not given to another. Of numbers in tables and of
    bytes, which have no parts, a hash is taken.
    """

    def __init__(self, value: Any) -> None:
        self._parts: list[object] = []
        self._facts: list[object] = []
        pending: deque[Any] = deque([value])
        while pending and len(self._parts) < _NODES:
            each = pending.popleft()
            self._parts.append(each)
            if type(each) in _ATOMS:
                continue
            if type(each) in _SIZED:
                self._facts.append(len(each))
            # Foreign code may raise anything; what cannot be looked into is told apart by its identity alone.
            with contextlib.suppress(Exception):
                self._facts.append(_contents(each))
            with contextlib.suppress(Exception):
                pending.extend(_parts(each, _NODES - len(self._parts)))

    def differs(self, other: _Fingerprint) -> bool:
        """Tell whether the other, of the same value, was made after a mutation."""
        if self._facts != other._facts or len(self._parts) != len(other._parts):
            return True
        return any(mine is not theirs for mine, theirs in zip(self._parts, other._parts, strict=True))


def _parts(value: Any, room: int) -> list[Any]:
    kind = type(value)
    if kind in _DICTS:
        return [part for item in itertools.islice(value.items(), room // 2 + 1) for part in item]
    if kind is tuple or (kind in _SIZED and kind is not bytearray):
        return list(itertools.islice(value, room))
    if kind.__module__ == "__main__" and type(vars(value)) is dict:
        return [vars(value)]
    return []


def _contents(value: Any) -> object:
    """Return what tells the bytes, or the numbers of a table, where there are few enough of them."""
    kind = type(value)
    if kind is bytearray:
        return hash(bytes(value[:_BYTES]))
    named = kind.__module__.partition(".")[0], kind.__name__
    if named == ("numpy", "ndarray"):
        return value.shape, hash(value.tobytes()) if value.nbytes <= _BYTES else None
    if named not in (("pandas", "DataFrame"), ("pandas", "Series")):
        return None
    is_frame = value.ndim == 2
    width = min(value.shape[1], _NODES) if is_frame else 1
    labels = [str(each) for each in value.columns[:width]] if is_frame else []
    if value.size * 8 > _BYTES:
        return value.shape, labels
    columns = [value.iloc[:, index] for index in range(width)] if is_frame else [value]
    return value.shape, labels, [_column(column) for column in (value.index, *columns)]


def _column(column: Any) -> object:
    values = column.to_numpy()
    if values.dtype != object:
        return hash(values.tobytes())
    if column.dtype == object:
        return [id(each) for each in values]
    # A column that makes its values anew each time. Texts have no bound, so they are read only where they are short.
    plain = [each if type(each) in (str, int, float, bool) else None for each in values]
    return hash(tuple(plain)) if sum(len(each) for each in plain if isinstance(each, str)) <= _BYTES else None
