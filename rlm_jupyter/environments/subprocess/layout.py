"""Which names the kernel must have, which it has, and what is to be sent to make them the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .carrying import carried

__all__ = ["Layout", "Parcel"]


@dataclass(frozen=True, slots=True)
class Parcel:
    """One message's worth of names: ``buffers`` for the kernel, and the ``names`` that it has after it."""

    buffers: tuple[bytes, ...]
    names: Mapping[str, Any]


class Layout:
    """Knows by identity what the kernel has been given."""

    def __init__(self) -> None:
        self._given: dict[str, Any] = {}
        self._packed: dict[str, tuple[Any, bytes]] = {}

    def keep(self, name: str, value: Any, packed: bytes) -> None:
        """Keep a value's pickle until it is sent under this name."""
        self._packed[name] = (value, packed)

    def forget(self) -> None:
        """Know that there is a new kernel, which has nothing yet."""
        self._given = {}

    def given(self, parcel: Parcel) -> None:
        """Know that the kernel took the parcel."""
        self._given = dict(parcel.names)
        self._packed.clear()

    def parcel(self, names: Mapping[str, Any], answer: Mapping[str, Any] | None) -> Parcel | None:
        """Return what is to be sent so that the kernel has these names; None when there is nothing to send.

        ``answer`` is what is to be set of the answer. Raises ``ConfigurationError`` for what cannot be carried.
        """
        dropped = [name for name in self._given if name not in names]
        parts: list[bytes] = []
        laid: list[dict[str, Any]] = []
        had = {name for name, value in names.items() if name in self._given and self._given[name] is value}
        known = {id(names[name]): name for name in had}
        for name, value in sorted(names.items(), key=lambda item: type(item[1]) is list):  # lists may hold the others
            if name not in had:
                laid.append({"name": name, **self._recipe(name, value, known, parts)})
                known.setdefault(id(value), name)
        if not dropped and not laid and answer is None:
            return None
        head = json.dumps({"drop": dropped, "lay": laid, "answer": answer}).encode("ascii")
        return Parcel((head, *parts), dict(names))

    def _recipe(self, name: str, value: Any, known: Mapping[int, str], parts: list[bytes]) -> dict[str, Any]:
        """Say how the kernel makes the value: from what it has, where it can, so that nothing is sent twice."""
        if id(value) in known:
            return {"same": known[id(value)]}
        if type(value) is list and value and all(id(each) in known for each in value):
            return {"items": [known[id(each)] for each in value]}
        packed = self._packed.get(name)
        parts.append(packed[1] if packed is not None and packed[0] is value else carried(name, value))
        return {"part": len(parts) - 1}
