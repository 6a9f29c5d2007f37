"""The drivers: they perform what the loop asks for, and send it what came of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from typing import Any, TypeVar

__all__ = ["adrive", "drive"]

E = TypeVar("E")
T = TypeVar("T")


def drive(loop: Generator[E, Any, T], perform: Callable[[E], Any]) -> T:
    """Run the loop to its end and return what it returns. An exception in ``perform`` ends it."""
    outcome: Any = None
    try:
        while True:
            outcome = perform(loop.send(outcome))
    except StopIteration as stop:
        result: T = stop.value
        return result
    finally:
        loop.close()


async def adrive(loop: Generator[E, Any, T], perform: Callable[[E], Awaitable[Any]]) -> T:
    """Run the loop to its end, awaiting what it asks for."""
    outcome: Any = None
    try:
        while True:
            try:
                effect = loop.send(outcome)
            except StopIteration as stop:
                result: T = stop.value
                return result
            outcome = await perform(effect)
    finally:
        loop.close()
