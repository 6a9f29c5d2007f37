"""Puts things back even when the user interrupts that."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["done_at_the_end"]


@contextmanager
def done_at_the_end(work: Callable[[], object]) -> Iterator[None]:
    """Do the work at the end of the block, again from its beginning when an interrupt breaks into it.

    It is to do nothing where it was done already: it may be called several times. The interrupt is raised after it.
    """
    try:
        try:
            yield
        finally:
            _insist(work)
    except KeyboardInterrupt:  # it may have come just before the work
        _insist(work)
        raise


def _insist(work: Callable[[], object]) -> None:
    interrupt: KeyboardInterrupt | None = None
    while True:
        try:
            work()
            break
        except KeyboardInterrupt as error:
            interrupt = error
    if interrupt is not None:
        raise interrupt
