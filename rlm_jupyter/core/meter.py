"""What a tree of runs has used, and what it may still use: it is set aside before a call and counted after it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from .errors import BudgetExceededError, LimitExceededError, TokenLimitExceededError
from .limits import Limits
from .usage import Usage

__all__ = ["Dearest", "Meter", "Reservation"]

_ROUNDING = 1e-9  # of a limit: sums of prices are not exact


@dataclass(slots=True, eq=False)
class Reservation:
    """US dollars and tokens set aside for what is under way. ``kind`` and ``size`` tell which calls are alike."""

    kind: str
    size: int
    dollars: float = 0.0
    tokens: float = 0.0


@dataclass(frozen=True, slots=True)
class Dearest:
    """What the dearest call of a kind has taken so far, in dollars and in tokens, and the size of the longest."""

    dollars: float = 0.0
    tokens: int = 0
    size: int = 1


class Meter:
    """Adds up tokens and money over a tree of runs, and lets a call begin only when there is room for what it may take.

    Used on one event loop, the I/O thread's. What a call will take is not known before it: it is taken to be what the
    dearest of its kind so far took, in proportion where it is longer. The first of a kind, and a longer one for which
    there may be too little, is sent alone, with all that is left set aside for it. So a limit is passed only by calls
    that take more than any of their kind before, and of these by no more than are under way at a time. ``prices`` are
    known before.
    """

    def __init__(self, limits: Limits, prices: Mapping[str, Dearest] | None = None) -> None:
        self._limits = limits
        self._tokens = 0
        self._cost = 0.0
        self._unpriced: str | None = None
        self._under_way: list[Reservation] = []
        self._seen: dict[str, Dearest] = dict(prices or {})
        self._queue: list[object] = []
        self._waiting: list[asyncio.Future[None]] = []

    @property
    def prices(self) -> dict[str, Dearest]:
        """What is known of prices by now: where a meter that begins elsewhere may begin."""
        return dict(self._seen)

    @property
    def used(self) -> Usage:
        """What was used, with the estimates of what was lost; the cost is None while a price is unknown."""
        return Usage(self._tokens, cost=self._cost if self._unpriced is None else None)

    async def admit(self, kind: str, size: int) -> Reservation:
        """Wait until there is room for a call, and reserve it.

        ``kind`` names calls of about the same price per length; ``size`` is the prompt's length in characters. Raises
        ``BudgetExceededError`` or ``TokenLimitExceededError`` once it is certain that there will be none.
        """
        if self._limits.max_budget is None and self._limits.max_tokens is None:
            return Reservation(kind, size)
        ticket = object()
        self._queue.append(ticket)
        try:
            while True:
                self.enforce()
                if self._queue[0] is ticket:  # first come, first served: one that has to be alone would never be
                    reservation = self._reserved(kind, size)
                    if reservation is not None:
                        return reservation
                await self._change()
        finally:
            self._queue.remove(ticket)
            self._wake()

    def settle(self, reservation: Reservation, model: str, usage: Usage) -> None:
        """Count a call that was answered."""
        self.add(model, usage)
        seen, tokens = self._seen.get(reservation.kind, Dearest()), _tokens(usage)
        dearest = Dearest(
            max(seen.dollars, usage.cost or 0.0), max(seen.tokens, tokens), max(seen.size, reservation.size)
        )
        self._seen[reservation.kind] = dearest
        self.release(reservation)

    def add(self, model: str, usage: Usage) -> None:
        """Count what was used."""
        self._tokens += _tokens(usage)
        self._cost += usage.cost or 0.0
        if usage.cost is None:
            self._unpriced = model

    def lose(self, reservation: Reservation) -> None:
        """Count a call that was sent and gave no reply: the server may charge what such a call has cost before."""
        seen = self._seen.get(reservation.kind, Dearest())
        self._cost += seen.dollars
        self._tokens += seen.tokens
        self.release(reservation)

    def release(self, reservation: Reservation) -> None:
        """Give a reservation back. May be called twice."""
        if reservation in self._under_way:
            self._under_way.remove(reservation)
        self._wake()

    def share(self, parts: int) -> Reservation:
        """Reserve one of so many parts of what is left, for a run that counts by itself; 0 of what has no limit.

        Raises the limit's error when nothing is left.
        """
        self.enforce()
        reservation = Reservation("share", 0)
        if self._limits.max_budget is not None:
            reservation.dollars = self._dollars_left / parts
        if self._limits.max_tokens is not None:
            reservation.tokens = self._tokens_left // parts
        no_money = self._limits.max_budget is not None and reservation.dollars <= 0
        if no_money or (self._limits.max_tokens is not None and reservation.tokens < 1):
            raise self._refusal(Dearest(), no_money=no_money)
        self._under_way.append(reservation)
        return reservation

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

    def _reserved(self, kind: str, size: int) -> Reservation | None:
        seen = self._seen.get(kind)
        scale = max(1.0, size / seen.size) if seen is not None else 1.0
        known = (seen.dollars, seen.tokens) if seen is not None else (None, None)
        dollars = self._set_aside(self._dollars_left, self._limits.max_budget, known[0], scale)
        tokens = self._set_aside(self._tokens_left, self._limits.max_tokens, known[1], scale)
        if dollars is not None and tokens is not None:
            reservation = Reservation(kind, size, dollars, tokens)
            self._under_way.append(reservation)
            return reservation
        if not self._under_way:
            raise self._refusal(seen or Dearest(), no_money=dollars is None)
        return None

    def _set_aside(self, left: float, limit: float | None, dearest: float | None, scale: float) -> float | None:
        """Return how much to set aside, or None while there is too little."""
        if limit is None:
            return 0.0
        enough = left + _ROUNDING * limit
        if dearest is not None and dearest * scale <= enough:
            return dearest * scale
        alone = not self._under_way
        return left if alone and (dearest is None or dearest <= enough) else None

    def _refusal(self, dearest: Dearest, *, no_money: bool) -> LimitExceededError:
        limits = self._limits
        if no_money:
            msg = (
                f"The run has cost ${self._cost:.6f} of the ${limits.max_budget:.6f} that it may cost, and the next "
                f"call may cost ${dearest.dollars:.6f}."
            )
            return BudgetExceededError(msg)
        msg = (
            f"The run has used {self._tokens:,} of the {limits.max_tokens:,} tokens that it may use, and the next call "
            f"may take {dearest.tokens:,}."
        )
        return TokenLimitExceededError(msg)

    @property
    def _dollars_left(self) -> float:
        return (self._limits.max_budget or 0.0) - self._cost - sum(each.dollars for each in self._under_way)

    @property
    def _tokens_left(self) -> float:
        return (self._limits.max_tokens or 0) - self._tokens - sum(each.tokens for each in self._under_way)

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            if not each.done():
                each.set_result(None)

    async def _change(self) -> None:
        changed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(changed)
        await changed


def _tokens(usage: Usage) -> int:
    return (usage.input_tokens or 0) + (usage.output_tokens or 0)
