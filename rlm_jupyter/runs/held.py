"""A value that is remembered without being kept, where Python allows it."""

from __future__ import annotations

import weakref
from typing import Any

__all__ = ["GONE", "Held"]

GONE = object()
"""Stands for a value that nobody has any more."""


class Held:
    """Remembers a value: weakly if it can be, else (texts, numbers, lists, dicts) by keeping it.

    Its id alone would not do, which the next value may be given when this one is gone.
    """

    __slots__ = ("_reference", "_value", "is_weak")

    def __init__(self, value: Any) -> None:
        self._value: Any = GONE
        self._reference: weakref.ref[Any] | None = None
        try:
            self._reference = weakref.ref(value)
        except TypeError:
            self._value = value
        self.is_weak = self._reference is not None

    @property
    def value(self) -> Any:
        """The value, or ``GONE``."""
        if self._reference is None:
            return self._value
        value = self._reference()
        return GONE if value is None else value
