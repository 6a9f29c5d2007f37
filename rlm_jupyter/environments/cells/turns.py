"""One cell of a REPL at a time: others wait their turn, and code that would wait for itself is told so."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

__all__ = ["Turns"]

_SLICE = 0.01  # seconds; a wait without an end cannot be interrupted on every platform

_WITHIN = (
    "This REPL is running the cell that asks it to run another one, which would wait for itself for ever. "
    "Use a REPL of its own for code that runs within a cell."
)
_AWAITED = "A cell of this REPL is being awaited in this thread, which would block it: await aexecute_code instead."


@dataclass(eq=False, slots=True)
class _Turn:
    of: Turns
    awaited: bool
    thread: int = field(default_factory=threading.get_ident)
    over: bool = False


_turns: ContextVar[tuple[_Turn, ...]] = ContextVar("rlm_jupyter_turns", default=())
"""The turns that the calling code runs in; threads and tasks that a cell starts inherit them."""


class Turns:
    """Lets one cell run at a time, over all threads and tasks. Raises ``RuntimeError`` instead of a deadlock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._current: _Turn | None = None

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Wait for a turn, and have it."""
        self._refuse_within()
        while not self._lock.acquire(timeout=_SLICE):
            current = self._current
            if current is not None and current.awaited and current.thread == threading.get_ident():
                raise RuntimeError(_AWAITED)
        with self._having(_Turn(self, awaited=False)):
            yield

    @asynccontextmanager
    async def awaited(self) -> AsyncIterator[None]:
        """Wait for a turn with the event loop free, and have it."""
        self._refuse_within()
        while not self._lock.acquire(blocking=False):  # noqa: ASYNC110 - the turn may be another thread's
            await asyncio.sleep(_SLICE)
        with self._having(_Turn(self, awaited=True)):
            yield

    @contextmanager
    def _having(self, turn: _Turn) -> Iterator[None]:
        self._current = turn
        token = _turns.set((*_turns.get(), turn))
        try:
            yield
        finally:
            _turns.reset(token)
            turn.over = True
            self._current = None
            self._lock.release()

    def _refuse_within(self) -> None:
        if any(turn.of is self and not turn.over for turn in _turns.get()):
            raise RuntimeError(_WITHIN)
