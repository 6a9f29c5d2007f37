"""Tells what a run changed in a namespace: names created, rebound, deleted, and mutated where that is cheap to tell."""

from __future__ import annotations

import contextlib
import itertools
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Container, Iterable, Mapping
from typing import Any

from rlm_jupyter.core.results import NamespaceChanges

__all__ = ["Snapshot"]

_NODES = 500
"""How many objects below a name are looked at: enough for a small container, little enough to be unnoticed."""

_BYTES = 1_000_000
"""How many bytes of arrays and tables below a name are looked at."""

_NODES_IN_ALL, _BYTES_IN_ALL, _NAMES_IN_ALL = 8_000, 8_000_000, 500
"""The same for all names together, which share it evenly; of more names, the last ones are looked into."""

_COLUMN = 10
"""What looking at a table's column takes, in nodes."""

_REMADE = 100
"""What a value takes, in bytes, that a table makes when it is looked at: texts, dates with a zone."""

_ATOMS = frozenset({bool, bytes, complex, float, int, str, type(None)})
_DICTS = frozenset({dict, OrderedDict, defaultdict, Counter})
_SIZED = frozenset({list, set, deque, bytearray}) | _DICTS
_ARRAY, _TABLES = ("numpy", "ndarray"), (("pandas", "DataFrame"), ("pandas", "Series"))


class Snapshot:
    """The public names of a namespace at one moment, by reference, with a shallow fingerprint of each value.

    ``looked_into`` are the names whose values may be mutated; without it, all.
    """

    def __init__(
        self, namespace: Mapping[str, Any], ignored: Iterable[str] = (), looked_into: Container[str] | None = None
    ) -> None:
        self._ignored = frozenset(ignored)
        self._values = self._public(namespace)
        names = [
            name
            for name, value in self._values.items()
            if (looked_into is None or name in looked_into) and _has_parts(value)
        ][-_NAMES_IN_ALL:]
        share = max(1, len(names))
        self._room = min(_NODES, _NODES_IN_ALL // share), min(_BYTES, _BYTES_IN_ALL // share)
        self._fingerprints = {name: _Fingerprint(self._values[name], *self._room) for name in names}

    def changes(self, namespace: Mapping[str, Any]) -> NamespaceChanges:
        """Return what is different in the namespace now."""
        before, now = self._values, self._public(namespace)
        same = {name for name in now if name in before and now[name] is before[name]}
        mutated = (
            name
            for name, fingerprint in self._fingerprints.items()
            if name in same and fingerprint.differs(_Fingerprint(now[name], *self._room))
        )
        return NamespaceChanges(
            created=tuple(sorted(now.keys() - before.keys())),
            rebound=tuple(sorted((now.keys() & before.keys()) - same)),
            deleted=tuple(sorted(before.keys() - now.keys())),
            mutated=tuple(sorted(mutated)),
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

    def __init__(self, value: Any, nodes: int, size: int) -> None:
        self._parts: list[object] = []
        self._facts: list[object] = []
        self._nodes = nodes
        self._bytes = size
        pending: deque[Any] = deque([value])
        while pending and self._nodes > 0:
            each = pending.popleft()
            self._nodes -= 1
            self._parts.append(each)
            if type(each) in _ATOMS:
                continue
            if type(each) in _SIZED:
                self._facts.append(len(each))
            # Foreign code may raise anything; what cannot be looked into is told apart by its identity alone.
            with contextlib.suppress(Exception):
                self._facts.append(self._contents(each))
            with contextlib.suppress(Exception):
                pending.extend(_parts(each, self._nodes))

    def differs(self, other: _Fingerprint) -> bool:
        """Tell whether the other, of the same value, was made after a mutation."""
        if self._facts != other._facts or len(self._parts) != len(other._parts):
            return True
        return any(mine is not theirs for mine, theirs in zip(self._parts, other._parts, strict=True))

    def _contents(self, value: Any) -> object:
        """Return what tells the bytes, or the numbers of a table, where there are few enough of them."""
        kind = type(value)
        if kind is bytearray:
            return hash(bytes(value[: self._bytes]))
        named = _root_and_name(kind)
        if named == _ARRAY:
            return value.shape, self._values(value, value.dtype == object)
        if named not in _TABLES:
            return None
        is_frame = value.ndim == 2
        width = min(value.shape[1], 1 + self._nodes // _COLUMN) if is_frame else 1
        self._nodes -= _COLUMN * width
        labels = [str(each) for each in value.columns[:width]] if is_frame else []
        if value.size * 8 > self._bytes:
            return value.shape, labels
        columns = [value.iloc[:, index] for index in range(width)] if is_frame else [value]
        return value.shape, labels, [self._column(column) for column in (value.index, *columns)]

    def _column(self, column: Any) -> object:
        if type(column.dtype).__module__.partition(".")[0] == "numpy":
            return self._values(column.to_numpy(), column.dtype == object)
        # A column that makes its values anew each time. Texts have no bound: they are read only where short.
        self._bytes -= _REMADE * len(column)
        if self._bytes < 0:
            return None
        plain = [each if type(each) in (str, int, float, bool) else None for each in column.to_numpy()]
        self._bytes -= sum(len(each) for each in plain if isinstance(each, str))
        return hash(tuple(plain)) if self._bytes >= 0 else None

    def _values(self, values: Any, are_objects: bool) -> object:
        """Return a hash of the numbers in an array; objects in one become parts."""
        self._bytes -= values.nbytes
        if self._bytes < 0 or (values.dtype.hasobject and not are_objects):
            return None
        if not are_objects:
            return hash(values.tobytes())
        self._parts += values.ravel().tolist()
        return None


def _has_parts(value: Any) -> bool:
    """Tell whether a value is of a kind that can be looked into."""
    kind = type(value)
    if kind in _SIZED or kind is tuple:
        return True
    with contextlib.suppress(Exception):
        return kind.__module__ == "__main__" or _root_and_name(kind) in (_ARRAY, *_TABLES)
    return False


def _root_and_name(kind: type) -> tuple[str, str]:
    return kind.__module__.partition(".")[0], kind.__name__


def _parts(value: Any, room: int) -> list[Any]:
    kind = type(value)
    if kind in _DICTS:
        return [part for item in itertools.islice(value.items(), room // 2 + 1) for part in item]
    if kind is tuple or (kind in _SIZED and kind is not bytearray):
        return list(itertools.islice(value, room))
    if kind.__module__ == "__main__" and type(vars(value)) is dict:
        return [vars(value)]
    return []
