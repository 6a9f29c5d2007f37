"""Keeps the store in order: ends what an earlier server left open, and deletes what is too much, off the event loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from .off_loop import off_loop

if TYPE_CHECKING:
    from .store import Change, Store

__all__ = ["Housekeeping"]

_log = logging.getLogger(__name__)

_FIRST = 30.0
"""Seconds after the server's start."""

_AT_LEAST = 60.0
"""Seconds between two times, while runs end."""

_AGAIN = 30.0
"""Seconds at most between two attempts to use a store that cannot be used."""


class Housekeeping:
    """Prunes the store some time after the server's start, and after runs have ended. Belongs to the event loop.

    ``alive`` returns the kernels that there are, whose runs go on; ``on_change`` is told of the others' runs, and
    ``settled`` is set when those have been ended.
    """

    def __init__(self, store: Store, alive: Callable[[], Collection[str]]) -> None:
        self._store = store
        self._alive = alive
        self.on_change: list[Callable[[Change], None]] = []
        self.settled = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._due = asyncio.Event()

    def changed(self, change: Change) -> None:
        """Take note that a run has ended, so that there is more than before."""
        if change.ended:
            self._due.set()

    def start(self) -> None:
        """Begin; what takes its time is done when the server has come up."""
        self._due.set()
        self._task = asyncio.get_running_loop().create_task(self._keep())

    async def stop(self) -> None:
        """Do no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _keep(self) -> None:
        await self._end_what_was_left()
        wait = _FIRST
        while True:
            await asyncio.sleep(wait)
            wait = _AT_LEAST
            await self._due.wait()
            self._due.clear()
            try:
                pruned = await off_loop(self._store.prune)
            except Exception as error:  # noqa: BLE001 - a full disk, a store in use: the next time may be better
                _log.warning("The store could not be pruned (%s: %s).", type(error).__name__, error)
                continue
            if pruned.runs:
                _log.info("%d old runs were deleted from the store, %d bytes.", pruned.runs, pruned.bytes)

    async def _end_what_was_left(self) -> None:
        """End the runs of a server that is gone, as soon as the store can be used."""
        wait = 0.5
        while True:
            try:
                changes = await off_loop(self._store.abandon, None, alive=self._alive())
            except Exception as error:  # noqa: BLE001 - as above
                _log.warning("The store cannot be used (%s: %s). It is tried again.", type(error).__name__, error)
                await asyncio.sleep(wait)
                wait = min(2 * wait, _AGAIN)
                continue
            for change in changes:
                for listener in self.on_change:
                    listener(change)
            self.settled.set()
            return
