"""What a tree may still spend, shared out among children in other processes, which count by themselves."""

from __future__ import annotations

import threading
from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

from rlm_jupyter.clients.io_thread import submit
from rlm_jupyter.core.usage import Usage, UsageSummary

from .leash import Leash, LeashEnd

if TYPE_CHECKING:
    from rlm_jupyter.core.meter import Dearest, Reservation

    from .tree import Tree

__all__ = ["Shares"]


class Shares:
    """Hands out shares of money, tokens and time, and takes back what was not spent. Safe to use from any thread."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._lock = threading.Lock()
        self._out: dict[Hashable, Reservation] = {}
        self._leash: Leash | None = None

    @property
    def leash(self) -> LeashEnd:
        """Ends the children when the run ends."""
        with self._lock:
            if self._leash is None:
                self._leash = Leash()
            return self._leash.end

    @property
    def prices(self) -> dict[str, Dearest]:
        """What is known of prices by now, so that the children need not find out."""
        return self._tree.meter.prices

    def take(self, holder: Hashable, parts: int) -> dict[str, Any]:
        """Return the limits of a child that runs beside ``parts - 1`` others.

        Raises a limit's error when nothing is left.
        """

        async def share() -> Reservation:
            return self._tree.meter.share(max(1, parts - len(self._out)))

        with self._lock:
            reservation = submit(share()).result()
            self._out[holder] = reservation
        limits = self._tree.limits
        return {
            "max_budget": reservation.dollars if limits.max_budget is not None else None,
            "max_tokens": int(reservation.tokens) if limits.max_tokens is not None else None,
            "max_timeout": self._tree.seconds_left,
        }

    def give_back(self, holder: Hashable, used: UsageSummary | None = None) -> None:
        """Count what a child has used, and free the rest of its share. May be called twice."""
        with self._lock:
            reservation = self._out.pop(holder, None)
        if reservation is not None:
            submit(self._settled(reservation, used or UsageSummary())).result()

    def close(self) -> None:
        """Let the children go on no longer. May be called twice."""
        with self._lock:
            leash, self._leash = self._leash, None
        if leash is not None:
            leash.close()

    async def _settled(self, reservation: Reservation, used: UsageSummary) -> None:
        meter = self._tree.meter
        for model, summary in used.model_usage_summaries.items():
            cost = summary.total_cost if not summary.unpriced_calls else None
            meter.add(model, Usage(summary.total_input_tokens, summary.total_output_tokens, cost=cost))
        meter.release(reservation)
