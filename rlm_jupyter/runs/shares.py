"""What a tree may still spend, shared out among children in other processes, which count by themselves."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

from rlm_jupyter.clients.io_thread import submit
from rlm_jupyter.core.errors import CancellationError, LimitExceededError, TimeoutExceededError
from rlm_jupyter.core.usage import Usage

from .leash import Leash, LeashEnd

if TYPE_CHECKING:
    from rlm_jupyter.core.meter import Dearest, Reservation

    from .tree import Tree

__all__ = ["Shares"]

_AGAIN = 0.05  # seconds until it is tried again to get a share
_DUST = 1e-12  # of a limit: what is left of a sum of shares is not exact


class Shares:
    """Hands out shares of money, tokens and time, and takes back what was not spent. Safe to use from any thread."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._lock = threading.Lock()
        self._out: dict[Hashable, Reservation] = {}  # on the I/O thread, as the meter is
        self._leash: Leash | None = None
        self._closed = False

    @property
    def leash(self) -> LeashEnd:
        """Ends the children when the run ends. Raises ``CancellationError`` once it has."""
        with self._lock:
            if self._closed:
                msg = "The run has ended: no further child begins."
                raise CancellationError(msg)
            if self._leash is None:
                self._leash = Leash()
            return self._leash.end

    @property
    def prices(self) -> dict[str, Dearest]:
        """What is known of prices by now, so that the children need not find out."""
        return self._tree.meter.prices

    def take(self, holder: Hashable, width: int) -> dict[str, Any]:
        """Return the limits of a child, of which ``width`` may be under way at the same time.

        Waits while everything is set aside for others. Raises a limit's error when nothing is left, and
        ``CancellationError`` when the run ends meanwhile.
        """
        scope, limits = self._tree.scope, self._tree.limits
        reservation = scope.wait(submit(self._reserved(holder, width), adopt=scope.adopt))
        seconds = self._tree.seconds_left
        if seconds is not None and seconds <= 0:
            self.give_back(holder, "")
            msg = f"The run has taken the {limits.max_timeout:g} s that it may take. Raise max_timeout (--timeout)."
            raise TimeoutExceededError(msg)
        return {
            "max_budget": reservation.dollars if limits.max_budget is not None else None,
            "max_tokens": int(reservation.tokens) if limits.max_tokens is not None else None,
            "max_timeout": seconds,
        }

    def give_back(self, holder: Hashable, model: str, used: Usage | None = None) -> None:
        """Count what a child of this model has used, and free the rest of its share. May be called twice."""
        submit(self._settled(holder, model, used or Usage(cost=0.0))).result()

    def give_up(self, holder: Hashable, model: str) -> None:
        """Count the whole share of a child of which nobody knows what it has used. Does nothing when it was settled."""
        submit(self._lost(holder, model)).result()

    def close(self) -> None:
        """Let the children go on no longer. May be called twice."""
        with self._lock:
            leash, self._leash, self._closed = self._leash, None, True
        if leash is not None:
            leash.close()

    async def _reserved(self, holder: Hashable, width: int) -> Reservation:
        while True:
            for parts in (max(1, width - len(self._out)), 1):  # the few tokens that are left may be too few to part
                with contextlib.suppress(LimitExceededError):
                    reservation = self._tree.meter.share(parts)
                    if reservation.dollars >= _DUST * (self._tree.limits.max_budget or 0.0):
                        self._out[holder] = reservation
                        return reservation
                    self._tree.meter.release(reservation)
            self._tree.meter.enforce()
            await asyncio.sleep(_AGAIN)  # it is not used up, so somebody has it: another child, or a call under way

    async def _settled(self, holder: Hashable, model: str, used: Usage) -> None:
        reservation, meter = self._out.pop(holder, None), self._tree.meter
        if reservation is None:
            return
        meter.add(model, used)
        meter.release(reservation)

    async def _lost(self, holder: Hashable, model: str) -> None:
        reservation = self._out.get(holder)
        if reservation is not None:
            self._tree.meter.add(model, Usage(int(reservation.tokens), cost=reservation.dollars))
            await self._settled(holder, model, Usage(cost=0.0))
