"""State of the process that is a cell's own while the cell runs, and everyone else's while it waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

__all__ = ["OwnState"]

S = TypeVar("S")


class OwnState(Generic[S]):
    """One piece of such state: ``take`` reads it, ``put`` sets it, ``first`` is what the cell finds at its first step.

    Without a ``first``, the cell finds at first what is there.
    """

    def __init__(self, take: Callable[[], S], put: Callable[[S], None], *first: S) -> None:
        self._take = take
        self._put = put
        self._own = list(first)

    @property
    def own(self) -> S:
        """What the cell had at the end of its last step."""
        return self._own[0]

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Put the cell's state in place for one step, and the others' back after it."""
        others = self._take()
        for own in self._own:
            self._put(own)
        try:
            yield
        finally:
            self._own = [self._take()]
            self._put(others)
