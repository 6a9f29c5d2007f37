"""Says what a value is, in constant time whatever its size and without copying it."""

from __future__ import annotations

import itertools
import reprlib
import sys
from array import array
from collections import deque
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

from .pictures import looks_like

__all__ = ["ValueSummary", "describe"]

_UNITS: tuple[tuple[tuple[type, ...], str], ...] = (
    ((str,), "characters"),
    ((bytes, bytearray, memoryview), "bytes"),
    ((Mapping, Sequence, Set, array), "items"),
)
_LOOKED_AT = 6  # items of a container, for pictures
_BUILTIN = (bytes, bytearray, memoryview, dict, list, tuple, set, frozenset, deque, array)
# Tabular libraries keep their repr short by themselves, whatever the size of the table.
_SHORT_REPR_ROOTS = frozenset(
    {"numpy", "pandas", "polars", "pyarrow", "xarray", "torch", "datetime", "decimal", "pathlib"}
)


@dataclass(frozen=True)  # without slots, which Python 3.9 does not know: this module is sent to kernels as it stands
class ValueSummary:
    """A value's type, its size in ``unit`` (None where it has none), and the beginning of its text form."""

    type: str
    size: int | None
    unit: str | None
    preview: str

    def cut(self, limit: int) -> ValueSummary:
        """Return the same with a preview of at most about ``limit`` characters."""
        return replace(self, preview=_clip(self.preview, limit))

    def __str__(self) -> str:
        """Return type and size: ``dict, 1,234 items``."""
        return self.type if self.size is None else f"{self.type}, {self.size:,} {self.unit}"


class _Preview(reprlib.Repr):
    """A repr that looks at the first items of a container only, and calls no foreign ``__repr__`` inside one."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.maxlevel = 3
        self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = self.maxdeque = 6
        self.maxdict = 12
        self.maxstring = self.maxother = max(40, limit // 6)

    def repr_bytes(self, value: bytes | bytearray, level: int) -> str:
        picture = looks_like(value)
        if picture is not None and level < self.maxlevel:
            return f"<{picture}>"
        shown = repr(bytes(value[: self.maxstring]))
        return shown if len(value) <= self.maxstring else f"{shown}..."

    repr_bytearray = repr_bytes

    def repr_memoryview(self, value: memoryview, level: int) -> str:
        return f"<memoryview of {value.nbytes:,} bytes>"

    def repr_set(self, value: set[Any] | frozenset[Any], level: int) -> str:
        # The standard one sorts all the items, as it does the keys of a dict: linear, and not the user's order.
        if not value or level <= 0:
            return f"{type(value).__name__}({'...' if value else ''})"
        shown = [self.repr1(each, level - 1) for each in itertools.islice(value, self.maxset)]
        text = "{" + ", ".join([*shown, "..."] if len(value) > self.maxset else shown) + "}"
        return text if type(value) is set else f"{type(value).__name__}({text})"

    def repr_frozenset(self, value: frozenset[Any], level: int) -> str:
        return self.repr_set(value, level)

    def repr_dict(self, value: dict[Any, Any], level: int) -> str:
        if level <= 0:
            return "{...}" if value else "{}"
        shown = [
            f"{self.repr1(key, level - 1)}: {self.repr1(each, level - 1)}"
            for key, each in itertools.islice(value.items(), self.maxdict)
        ]
        return "{" + ", ".join([*shown, "..."] if len(value) > self.maxdict else shown) + "}"

    def repr_instance(self, value: Any, level: int) -> str:
        kind = type(value)
        if kind.__module__.partition(".")[0] in _SHORT_REPR_ROOTS or kind in (int, float, complex, bool, type(None)):
            return super().repr_instance(value, level)
        picture = looks_like(value)
        return f"<{kind.__qualname__} object>" if picture is None else f"<{picture}>"

    repr_OrderedDict = repr_defaultdict = repr_Counter = repr_dict  # noqa: N815 - reprlib finds them by type


def describe(value: Any, limit: int = 600) -> ValueSummary:
    """Return what the value is, with a preview of at most about ``limit`` characters; of none when it is 0.

    Looks at a bounded part of strings and built-in containers. The value's own ``__repr__`` is called for objects that
    are neither, once, and an error in it is left out of the preview. A summary is itself, cut. Never raises.
    """
    if type(value) is ValueSummary:  # not isinstance, which asks the value
        summary: ValueSummary = value
        return summary.cut(limit)
    kind = type(value)
    name = _name(kind)
    picture = looks_like(value)
    if picture is not None:
        name = f"{name} ({picture})"
    elif _has_pictures(value):
        name = f"{name} (with images: llm_query can look at them)"
    size, unit = _size(value)
    return ValueSummary(name, size, unit, _clip(_preview(value, limit), limit) if limit else "")


def _name(kind: type) -> str:
    """Return a type's name, with its module; where its package has it too, as ``pandas.DataFrame``, with that."""
    name, module = kind.__qualname__, str(kind.__module__)
    if module in ("builtins", "__main__"):
        return name
    root = module.partition(".")[0]
    package = getattr(sys.modules.get(root), "__dict__", {})
    return f"{root}.{name}" if package.get(name) is kind else f"{module}.{name}"


# Foreign code may raise anything wherever it is asked: a proxy even where isinstance() looks at its class.


def _size(value: Any) -> tuple[int | None, str | None]:
    try:
        shape = getattr(value, "shape", None) if type(value) is not memoryview else None
        if isinstance(shape, tuple) and shape and all(isinstance(each, int) for each in shape):
            return (shape[0], f"rows x {shape[1]:,} columns") if len(shape) == 2 else (shape[0], "items")
        for kinds, unit in _UNITS:
            if issubclass(type(value), kinds):
                return (value.nbytes if isinstance(value, memoryview) else len(value)), unit
    except Exception:  # noqa: BLE001 - then nobody can say its size
        return None, None
    return None, None


def _has_pictures(value: Any) -> bool:
    """Return whether there is a picture among the first items of a built-in container."""
    if type(value) not in (dict, list, tuple):
        return False
    items = value.values() if type(value) is dict else value
    return any(looks_like(each) is not None for each in itertools.islice(items, _LOOKED_AT))


def _preview(value: Any, limit: int) -> str:
    kind = type(value)
    try:
        if issubclass(kind, str):
            return str.__getitem__(value, slice(limit + 1))
        if issubclass(kind, _BUILTIN):
            return _Preview(limit).repr(value)
        return repr(value)
    except Exception as error:  # noqa: BLE001 - the type is still worth saying
        return f"<{kind.__qualname__}; its repr raised {type(error).__name__}>"


def _clip(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:limit]}…"
