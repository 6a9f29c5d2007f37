"""What a tree of runs may still use: money is set aside before a call, and given back or counted after it."""

from __future__ import annotations

import asyncio

import pytest

from rlm_jupyter.core.errors import BudgetExceededError, TokenLimitExceededError
from rlm_jupyter.core.limits import Limits
from rlm_jupyter.core.meter import Meter, Reservation
from rlm_jupyter.core.usage import Usage


def used(tokens: int = 0, cost: float | None = 0.0) -> Usage:
    return Usage(input_tokens=tokens, output_tokens=tokens, cost=cost)


async def call(meter: Meter, cost: float | None, *, kind: str = "leaf", size: int = 100, tokens: int = 0) -> None:
    reservation = await meter.admit(kind, size)
    await asyncio.sleep(0)
    meter.settle(reservation, "m", used(tokens, cost))


async def settled(tasks: list[asyncio.Task[Reservation]]) -> list[asyncio.Task[Reservation]]:
    """Return the tasks that are done once nothing moves any more."""
    for _ in range(50):
        await asyncio.sleep(0)
    return [task for task in tasks if task.done()]


def test_tokens_in_and_out_add_up() -> None:
    async def story() -> None:
        meter = Meter(Limits(max_tokens=1_000))
        await call(meter, 0.0, tokens=250)
        await call(meter, 0.0, tokens=250)
        with pytest.raises(TokenLimitExceededError, match=r"^The run has used 1,000 of the 1,000 tokens"):
            await meter.admit("leaf", 1)

    asyncio.run(story())


def test_the_first_call_of_a_kind_is_sent_alone() -> None:
    """Nobody knows what it costs, so nothing else may be under way that could cost the rest."""

    async def story() -> None:
        meter = Meter(Limits(max_budget=1.0))
        first = await meter.admit("leaf", 100)
        others = [asyncio.create_task(meter.admit("leaf", 100)) for _ in range(10)]
        assert await settled(others) == []
        meter.settle(first, "m", used(cost=0.2))
        assert len(await settled(others)) == 4
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    asyncio.run(story())


def test_a_batch_never_passes_the_budget() -> None:
    async def story() -> None:
        meter = Meter(Limits(max_budget=0.005))
        sent = 0

        async def one() -> None:
            nonlocal sent
            reservation = await meter.admit("leaf", 100)
            sent += 1
            await asyncio.sleep(0)
            meter.settle(reservation, "m", used(cost=0.001))

        outcomes = await asyncio.gather(*(one() for _ in range(20)), return_exceptions=True)
        assert sent == 5
        assert sum(isinstance(outcome, BudgetExceededError) for outcome in outcomes) == 15

    asyncio.run(story())


def test_a_longer_call_is_taken_to_cost_more() -> None:
    async def story() -> None:
        meter = Meter(Limits(max_budget=1.0))
        await call(meter, 0.1, size=100)
        await meter.admit("leaf", 500)
        waiting = [asyncio.create_task(meter.admit("leaf", 500))]
        assert await settled(waiting) == []  # 0.5 are set aside, and 0.4 are left
        waiting[0].cancel()

    asyncio.run(story())


def test_a_call_that_is_much_longer_is_sent_alone() -> None:
    """What a word cost says little of a book: the run is not ended by a guess."""

    async def story() -> None:
        meter = Meter(Limits(max_budget=1.0))
        await call(meter, 0.001, size=2)
        small = await meter.admit("leaf", 2)
        waiting = [asyncio.create_task(meter.admit("leaf", 100_000)) for _ in range(2)]
        assert await settled(waiting) == []
        meter.settle(small, "m", used(cost=0.001))
        (sent,) = await settled(waiting)
        meter.settle(sent.result(), "m", used(cost=0.2))
        assert len(await settled(waiting)) == 2

    asyncio.run(story())


def test_the_next_call_is_refused_when_even_the_dearest_so_far_would_not_fit() -> None:
    async def story() -> None:
        meter = Meter(Limits(max_budget=1.0))
        await call(meter, 0.6)
        with pytest.raises(BudgetExceededError, match=r"cost \$0\.600000 of the \$1\.000000.*may cost \$0\.600000"):
            await meter.admit("leaf", 100)

    asyncio.run(story())


def test_a_batch_does_not_pass_the_tokens() -> None:
    async def story() -> None:
        meter = Meter(Limits(max_tokens=1_000))
        outcomes = await asyncio.gather(*(call(meter, 0.0, tokens=60) for _ in range(20)), return_exceptions=True)
        assert outcomes.count(None) == 8  # 120 tokens each, in and out
        refused = next(each for each in outcomes if each is not None)
        assert isinstance(refused, TokenLimitExceededError)
        assert "used 960 of the 1,000 tokens that it may use, and the next call may take 120" in str(refused)

    asyncio.run(story())


def test_a_call_that_failed_gives_its_money_back() -> None:
    async def story() -> None:
        meter = Meter(Limits(max_budget=0.1))
        failed = await meter.admit("leaf", 100)
        waiting = [asyncio.create_task(meter.admit("leaf", 100))]
        assert await settled(waiting) == []
        meter.release(failed)
        meter.release(failed)
        assert await settled(waiting) == waiting

    asyncio.run(story())


def test_calls_that_cost_less_than_they_might_make_room() -> None:
    async def story() -> None:
        meter = Meter(Limits(max_budget=1.0))
        await call(meter, 0.4)
        dear = await meter.admit("leaf", 100)
        waiting = [asyncio.create_task(meter.admit("leaf", 100))]
        assert await settled(waiting) == []  # 0.4 is spent and 0.4 set aside: 0.2 is left
        meter.settle(dear, "m", used(cost=0.1))
        assert await settled(waiting) == waiting

    asyncio.run(story())


def test_a_budget_is_not_kept_blindly() -> None:
    """Unknown is not 0: of a call whose price nobody says, a budget cannot be kept."""

    async def story() -> None:
        meter = Meter(Limits(max_budget=100))
        await call(meter, None)
        with pytest.raises(BudgetExceededError, match="'m'"):
            await meter.admit("leaf", 100)

    asyncio.run(story())


def test_without_a_budget_no_price_is_needed() -> None:
    async def story() -> None:
        meter = Meter(Limits())
        await call(meter, None)
        await asyncio.gather(*(meter.admit("leaf", 100) for _ in range(100)))

    asyncio.run(story())


def test_shares_add_up_to_what_is_left() -> None:
    async def story() -> None:
        meter = Meter(Limits(max_budget=1.0, max_tokens=1_000))
        await call(meter, 0.2, tokens=100)
        shares = [meter.share(parts) for parts in (4, 3, 2, 1)]
        assert [round(share.dollars, 9) for share in shares] == [0.2, 0.2, 0.2, 0.2]
        assert [share.tokens for share in shares] == [200, 200, 200, 200]
        with pytest.raises(BudgetExceededError, match="may cost"):
            meter.share(1)
        for share in shares:
            meter.release(share)
        meter.share(1)

    asyncio.run(story())


def test_the_first_of_a_kind_gets_its_turn_among_many_of_another() -> None:
    async def story() -> None:
        meter = Meter(Limits(max_budget=1.0))
        await call(meter, 0.001, kind="busy")
        running = [await meter.admit("busy", 100) for _ in range(4)]
        first = asyncio.create_task(meter.admit("new", 100))
        await asyncio.sleep(0)
        others = [asyncio.create_task(meter.admit("busy", 100)) for _ in range(20)]
        assert await settled([first, *others]) == []  # those that came later wait behind it
        for each in running:
            meter.settle(each, "m", used(cost=0.001))
        assert await settled([first, *others]) == [first]
        meter.settle(first.result(), "m", used(cost=0.001))
        assert len(await settled(others)) == 20

    asyncio.run(story())


def test_a_call_that_was_sent_and_gave_no_reply_counts_as_one_that_did() -> None:
    async def story() -> None:
        meter = Meter(Limits(max_budget=0.005))
        await call(meter, 0.001)
        for _ in range(4):
            meter.lose(await meter.admit("leaf", 100))
        with pytest.raises(BudgetExceededError, match=r"\$0\.005000 of the \$0\.005000"):
            await meter.admit("leaf", 100)

    asyncio.run(story())
