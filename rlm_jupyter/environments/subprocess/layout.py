"""Which names the kernel must have, which it has, and what is to be sent to make them the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .carrying import carried, is_plain

__all__ = ["Layout", "Parcel"]


@dataclass(frozen=True, slots=True)
class Parcel:
    """One message's worth of names: ``buffers`` for the kernel, and the ``names`` that it has after it.

    ``digests`` are those of the values' pickles by name, where a value may change.
    """

    buffers: tuple[bytes, ...]
    names: Mapping[str, Any]
    digests: Mapping[str, bytes]


class Layout:
    """Knows what the kernel has been given: which objects, and what they held then."""

    def __init__(self) -> None:
        self._given: dict[str, Any] = {}
        self._digests: dict[str, bytes] = {}
        self._doubted = False

    def doubt(self) -> None:
        """Know that the values may have changed: with the next parcel, what they hold is compared, too."""
        self._doubted = True

    def forget(self) -> None:
        """Know that there is a new kernel, which has nothing yet."""
        self._given = {}
        self._digests = {}

    def given(self, parcel: Parcel) -> None:
        """Know that the kernel took the parcel."""
        self._given = dict(parcel.names)
        self._digests = dict(parcel.digests)
        self._doubted = False

    def parcel(self, names: Mapping[str, Any], answer: Mapping[str, Any] | None) -> Parcel | None:
        """Return what is to be sent so that the kernel has these names; None when there is nothing to send.

        ``answer`` is what is to be set of the answer. Raises ``ConfigurationError`` for what cannot be carried.
        """
        dropped = [name for name in self._given if name not in names]
        packing = _Packing()
        laid: list[dict[str, Any]] = []
        had = {name for name, value in names.items() if self._has(name, value, packing)}
        known = {id(names[name]): name for name in had}
        for name, value in sorted(names.items(), key=lambda item: type(item[1]) is list):  # lists may hold the others
            if name not in had:
                laid.append({"name": name, **_recipe(name, value, known, packing)})
                known.setdefault(id(value), name)
        if not dropped and not laid and answer is None:
            self._doubted = False
            return None
        head = json.dumps({"drop": dropped, "lay": laid, "answer": answer}).encode("ascii")
        digests = {name: self._digests[name] for name in had if name in self._digests}
        digests |= {name: packing.digests[id(value)] for name, value in names.items() if id(value) in packing.digests}
        return Parcel((head, *packing.parts), dict(names), digests)

    def _has(self, name: str, value: Any, packing: _Packing) -> bool:
        """Return whether the kernel has this object under this name, as it is now where that is in doubt."""
        if name not in self._given or self._given[name] is not value:
            return False
        if not self._doubted or is_plain(value):
            return True
        return packing.digest(name, value) == self._digests.get(name)


class _Packing:
    """The pickles for one parcel; each value is pickled once, whatever the number of its names."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.digests: dict[int, bytes] = {}

    def digest(self, name: str, value: Any) -> bytes:
        """Return the digest of the value's pickle; the pickle itself is not kept, for most are not sent again."""
        if id(value) not in self.digests:
            self.digests[id(value)] = _digest(carried(name, value))
        return self.digests[id(value)]

    def add(self, name: str, value: Any) -> int:
        """Add the value to the parts, and return its place there."""
        packed = carried(name, value)
        if not is_plain(value):
            self.digests[id(value)] = _digest(packed)
        self.parts.append(packed)
        return len(self.parts) - 1


def _digest(packed: bytes) -> bytes:
    return hashlib.blake2b(packed, digest_size=16).digest()


def _recipe(name: str, value: Any, known: Mapping[int, str], packing: _Packing) -> dict[str, Any]:
    """Say how the kernel makes the value: from what it has, where it can, so that nothing is sent twice."""
    if id(value) in known:
        return {"same": known[id(value)]}
    if type(value) is list and value and all(id(each) in known for each in value):
        return {"items": [known[id(each)] for each in value]}
    return {"part": packing.add(name, value)}
