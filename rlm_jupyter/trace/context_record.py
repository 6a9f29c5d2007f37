"""Describes a context for a trace, in constant time whatever its size and without copying it."""

from __future__ import annotations

import itertools
from typing import Any

from rlm_jupyter.core.describe import ValueSummary, describe
from rlm_jupyter.core.digest import bytes_digest

from .schema import ContextRecord

__all__ = ["PREVIEW_LIMIT", "context_record", "input_record"]

PREVIEW_LIMIT = 600
"""Characters of a preview in a trace. Records are made with twice as many: the recorder cuts them once it has taken out
the secrets, so that it never sees half of one."""

_WHOLE = 65_536  # characters or bytes; up to here a digest is over all of it
_BLOCK = 4_096
_SAMPLES = 16
_BUILT_IN = frozenset(
    {type(None), bool, int, float, complex, str, bytes, bytearray, list, tuple, dict, set, frozenset, range}
)


def context_record(name: str, value: Any, summary: ValueSummary | None = None) -> ContextRecord:
    """Return what the context is: type, size, preview, and a digest for strings, bytes, dicts, lists and tuples.

    ``summary`` is its description where there is one already: an object's own ``__repr__`` may take its time.

    The digest of a large one is over its size and 16 sampled blocks, of a container over its length and 16 sampled
    items as their previews show them. Such a digest tells most changes, not all.
    """
    summary = summary if summary is not None else describe(value, 2 * PREVIEW_LIMIT)
    digest, sampled = _digest(value)
    return ContextRecord(
        name=name,
        type=summary.type,
        size=summary.size,
        unit=summary.unit,
        preview=summary.preview,
        digest=digest,
        sampled=sampled,
    )


def input_record(name: str, value: Any) -> ContextRecord:
    """Return what a variable is, as ``context_record`` does; of a value that is not of a built-in type, type and size.

    So no code of the value's own is run, and none that takes its time, such as a table's ``__repr__``.
    """
    if type(value) in _BUILT_IN:
        return context_record(name, value)
    summary = describe(value, 0)
    return ContextRecord(name=name, type=summary.type, size=summary.size, unit=summary.unit)


def _digest(value: Any) -> tuple[str | None, bool]:
    """Return a digest, and whether it is over samples only."""
    if isinstance(value, str):
        if len(value) <= _WHOLE:
            return bytes_digest(_encoded(value)), False
        blocks = (_encoded(value[start : start + _BLOCK]) for start in _starts(len(value)))
        return bytes_digest(_size(value), *blocks), True
    if isinstance(value, bytes | bytearray | memoryview):
        with memoryview(value) as view:
            return _bytes_digest(view)
    if isinstance(value, dict | list | tuple):
        # Within a tuple, describe calls no foreign __repr__.
        previews = (_encoded(describe((item,), 200).preview) for item in _sampled_items(value))
        return bytes_digest(_size(value), *previews), True
    return None, False


def _bytes_digest(view: memoryview) -> tuple[str | None, bool]:
    if not view.c_contiguous:
        return None, False
    flat = view.cast("B")
    if len(flat) <= _WHOLE:
        return bytes_digest(flat), False
    return bytes_digest(_size(flat), *(flat[start : start + _BLOCK] for start in _starts(len(flat)))), True


def _sampled_items(value: dict[Any, Any] | list[Any] | tuple[Any, ...]) -> list[Any]:
    if isinstance(value, dict):
        first = list(itertools.islice(value.items(), _SAMPLES // 2))
        return first + list(itertools.islice(reversed(value.items()), _SAMPLES // 2))
    if len(value) <= _SAMPLES:
        return list(value)
    return [value[index * (len(value) - 1) // (_SAMPLES - 1)] for index in range(_SAMPLES)]


def _starts(size: int) -> list[int]:
    """Return where the sampled blocks begin: the first at 0, the last ending at the end."""
    return [index * (size - _BLOCK) // (_SAMPLES - 1) for index in range(_SAMPLES)]


def _size(value: Any) -> bytes:
    return str(len(value)).encode("ascii") + b"\n"


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
