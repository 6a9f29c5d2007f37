"""What a tree of runs has used, and what it may still use: money is reserved before a call and settled after it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from .errors import BudgetExceededError, TokenLimitExceededError
from .limits import Limits
from .usage import Usage

__all__ = ["Dearest", "Meter", "Reservation"]

_ROUNDING = 1e-9  # of the budget: sums of prices are not exact


@dataclass(slots=True, eq=False)
class Reservation:
    """US dollars set aside for what is under way. ``kind`` and ``size`` tell which calls are alike."""

    kind: str
    size: int
    dollars: float = 0.0


@dataclass(frozen=True, slots=True)
class Dearest:
    """What the dearest call of a kind has cost so far, and the size of the longest."""

    dollars: float = 0.0
    size: int = 1


class Meter:
    """Adds up tokens and money over a tree of runs, and lets a call begin only when there is room for what it may cost.

    Used on one event loop, the I/O thread's. What a call will cost is not known before it: it is taken to cost what the
    dearest of its kind so far did, in proportion where it is longer. The first of a kind is sent alone, with all that
    is left set aside for it, so that at most this one call can pass the budget. ``prices`` are known before.
    """

    def __init__(self, limits: Limits, prices: Mapping[str, Dearest] | None = None) -> None:
        self._limits = limits
        self._tokens = 0
        self._cost = 0.0
        self._unpriced: str | None = None
        self._under_way: list[Reservation] = []
        self._seen: dict[str, Dearest] = dict(prices or {})
        self._waiting: list[asyncio.Future[None]] = []

    @property
    def prices(self) -> dict[str, Dearest]:
        """What is known of prices by now: where a meter that begins elsewhere may begin."""
        return dict(self._seen)

    async def admit(self, kind: str, size: int) -> Reservation:
        """Wait until there is room for a call, and reserve it.

        ``kind`` names calls of about the same price per length; ``size`` is the prompt's length in characters. Raises
        ``BudgetExceededError`` or ``TokenLimitExceededError`` once it is certain that there will be none.
        """
        while True:
            self.enforce()
            reservation = Reservation(kind, size)
            if self._limits.max_budget is None:
                return reservation
            room, expected = self._room(), self._expected(kind, size)
            if expected is None and not self._under_way:
                expected = room
            if expected is not None and expected <= room + _ROUNDING * self._limits.max_budget:
                reservation.dollars = expected
                self._under_way.append(reservation)
                return reservation
            if expected is not None and not self._under_way:
                msg = (
                    f"The run has cost ${self._cost:.6f} of the ${self._limits.max_budget:.6f} that it may cost, and "
                    f"the next call may cost ${expected:.6f}."
                )
                raise BudgetExceededError(msg)
            await self._change()

    def settle(self, reservation: Reservation, model: str, usage: Usage) -> None:
        """Count a call that was answered."""
        self.add(model, usage)
        if usage.cost is not None:
            seen = self._seen.get(reservation.kind, Dearest())
            dearest = Dearest(max(seen.dollars, usage.cost), max(seen.size, reservation.size))
            self._seen[reservation.kind] = dearest
        self.release(reservation)

    def add(self, model: str, usage: Usage) -> None:
        """Count what was used."""
        self._tokens += (usage.input_tokens or 0) + (usage.output_tokens or 0)
        self._cost += usage.cost or 0.0
        if usage.cost is None:
            self._unpriced = model

    def release(self, reservation: Reservation) -> None:
        """Give a reservation back. May be called twice."""
        if reservation in self._under_way:
            self._under_way.remove(reservation)
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            if not each.done():
                each.set_result(None)

    def share(self, parts: int) -> tuple[Reservation, int | None]:
        """Reserve one of so many parts of what is left, for a run that counts by itself: money, and tokens if limited.

        Raises the limit's error when nothing is left.
        """
        self.enforce()
        reservation = Reservation("share", 0)
        if self._limits.max_budget is not None:
            reservation.dollars = self._room() / parts
            if reservation.dollars <= 0:
                msg = f"All of the ${self._limits.max_budget:.6f} that the run may cost is spent or under way."
                raise BudgetExceededError(msg)
            self._under_way.append(reservation)
        limit = self._limits.max_tokens
        return reservation, None if limit is None else max(1, (limit - self._tokens) // parts)

    def enforce(self) -> None:
        """Raise ``BudgetExceededError`` or ``TokenLimitExceededError`` when all is used up."""
        limits = self._limits
        if limits.max_tokens is not None and self._tokens >= limits.max_tokens:
            msg = f"The run has used {self._tokens:,} of the {limits.max_tokens:,} tokens that it may use."
            raise TokenLimitExceededError(msg)
        if limits.max_budget is not None and self._unpriced is not None:
            msg = f"The server does not say what a call to {self._unpriced!r} costs, so max_budget cannot be kept."
            raise BudgetExceededError(msg)
        if limits.max_budget is not None and self._cost >= limits.max_budget * (1 - _ROUNDING):
            msg = f"The run has cost ${self._cost:.6f} of the ${limits.max_budget:.6f} that it may cost."
            raise BudgetExceededError(msg)

    def _room(self) -> float:
        return (self._limits.max_budget or 0.0) - self._cost - sum(each.dollars for each in self._under_way)

    def _expected(self, kind: str, size: int) -> float | None:
        seen = self._seen.get(kind)
        return seen.dollars * max(1.0, size / seen.size) if seen is not None else None

    async def _change(self) -> None:
        changed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(changed)
        await changed
