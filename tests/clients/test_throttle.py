"""How many requests a server is sent at a time: by the arithmetic, and by whoever waits."""

from __future__ import annotations

import asyncio
import gc
import itertools
import math
from collections.abc import Awaitable, Callable
from types import SimpleNamespace

import pytest

from rlm_jupyter.clients.throttle import PATIENCE, Bound, RestingError, Throttle, throttle_for


def bound_of(in_flight: int) -> tuple[Bound, list[int]]:
    bound = Bound()
    return bound, [bound.sent() for _ in range(in_flight)]


def refuse(bound: Bound, number: int, until: float = 0.0) -> None:
    bound.overloaded(number, until)
    bound.gone()


def answer(bound: Bound, count: int = 1) -> None:
    for _ in range(count):
        bound.succeeded()
        bound.gone()


def test_there_is_no_bound_before_the_first_refusal() -> None:
    bound, _ = bound_of(1000)
    answer(bound, 500)
    assert bound.limit == math.inf
    assert bound.admits(0)


@pytest.mark.parametrize(("in_flight", "limit"), [(16, 8), (7, 3.5), (2, 1), (1, 1)])
def test_a_refusal_halves_what_is_in_flight_and_leaves_one(in_flight: int, limit: float) -> None:
    bound, numbers = bound_of(in_flight)
    refuse(bound, numbers[0])
    assert bound.limit == limit
    assert bound.admits(0) == (in_flight == 1)


def test_a_round_halves_once_and_the_next_round_again() -> None:
    bound, numbers = bound_of(16)
    for number in numbers:
        refuse(bound, number)
    assert bound.limit == 8
    later = [bound.sent() for _ in range(8)]
    for number in later:
        refuse(bound, number)
    assert bound.limit == 4


def test_it_grows_by_one_for_each_reply_up_to_where_it_was_overloaded_and_by_one_a_round_beyond() -> None:
    bound, numbers = bound_of(16)
    refuse(bound, numbers[0])
    answer(bound, 8)
    assert bound.limit == 16
    for _ in range(16):
        bound.sent()
    answer(bound, 16)
    assert bound.limit == pytest.approx(17, abs=0.1)


def test_a_server_that_refuses_a_whole_round_is_left_alone_until_it_said() -> None:
    bound, numbers = bound_of(4)
    refuse(bound, numbers[0], until=30.0)
    assert bound.resting_until == 0
    refuse(bound, numbers[1], until=20.0)
    assert bound.resting_until == 20
    refuse(bound, numbers[2], until=25.0)
    bound.gone()
    assert not bound.admits(24.9)
    assert bound.admits(25)


def test_a_reply_between_refusals_keeps_it_going() -> None:
    bound, numbers = bound_of(4)
    refuse(bound, numbers[0], until=30.0)
    answer(bound)
    refuse(bound, numbers[2], until=30.0)
    assert bound.resting_until == 0


def test_patience_is_that_of_all_calls_together() -> None:
    bound = Bound()
    assert not bound.refuses_until(10 * PATIENCE)
    bound.refused(0.0)
    bound.refused(PATIENCE - 1)
    assert not bound.refuses_until(PATIENCE)
    assert bound.refuses_until(PATIENCE + 1)
    bound.succeeded()
    assert not bound.refuses_until(PATIENCE + 1)
    bound.refused(PATIENCE)
    bound.refused(5 * PATIENCE)  # nobody had asked for long: that says nothing of what was in between
    assert not bound.refuses_until(5 * PATIENCE + 1)


# --- Those who wait ---------------------------------------------------------------------------------------------------


async def one_at_a_time() -> Throttle:
    """Return a throttle that lets one go at a time, and whose one is on its way."""
    throttle = Throttle()
    number = await throttle.enter()
    throttle.overloaded(number, 0.0)
    return throttle


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def in_order() -> None:
    throttle = await one_at_a_time()
    entered: list[int] = []

    async def call(number: int) -> None:
        await throttle.enter()
        entered.append(number)
        await settle()
        throttle.leave()

    calls = [asyncio.create_task(call(number)) for number in range(20)]
    await settle()
    assert entered == []
    throttle.leave()
    await asyncio.gather(*calls)
    assert entered == list(range(20))
    assert throttle.bound.in_flight == 0


async def cancelled_while_waiting() -> None:
    throttle = await one_at_a_time()
    first, second = (asyncio.create_task(throttle.enter()) for _ in range(2))
    await settle()
    first.cancel()
    await settle()
    throttle.leave()
    assert await second == 2
    assert throttle.bound.in_flight == 1


async def cancelled_as_it_is_let_go() -> None:
    throttle = await one_at_a_time()
    first, second = (asyncio.create_task(throttle.enter()) for _ in range(2))
    await settle()
    throttle.leave()
    first.cancel()
    await asyncio.wait([first, second])
    assert first.cancelled()
    assert second.result() == 3
    assert throttle.bound.in_flight == 1


async def rested() -> None:
    throttle = Throttle()
    throttle.pause(0.05)
    assert throttle.rest > 0
    entering = [asyncio.create_task(throttle.enter()) for _ in range(3)]
    assert await asyncio.gather(*entering) == [1, 2, 3]
    assert throttle.rest == 0


async def turned_away() -> None:
    """By a server that wants to be left alone for long."""
    throttle = await one_at_a_time()
    waiting = [asyncio.create_task(throttle.enter()) for _ in range(3)]
    await settle()
    waiting[0].cancel()
    throttle.overloaded(1, 3600.0)
    await asyncio.wait(waiting)
    assert waiting[0].cancelled()
    assert [type(each.exception()) for each in waiting[1:]] == [RestingError] * 2
    assert (throttle.is_hopeless, throttle.bound.in_flight) == (True, 1)


async def shared() -> None:
    throttle = throttle_for("http://host/v1", "key")
    assert throttle_for("http://host/v1", "key") is throttle
    assert throttle_for("http://host/v1", "other key") is not throttle
    assert throttle_for("http://other/v1", "key") is not throttle
    throttle.answered = True
    del throttle
    gc.collect()
    assert not throttle_for("http://host/v1", "key").answered


@pytest.mark.parametrize(
    "story",
    [in_order, cancelled_while_waiting, cancelled_as_it_is_let_go, rested, turned_away, shared],
    ids=lambda each: each.__name__,
)
def test_whoever_waits_is_let_go(story: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(story(), 30))


def test_a_rest_that_ends_while_it_is_looked_at_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = itertools.count(1)

    def monotonic() -> float:
        return 0.5 * next(looks)  # the rest lasts when one asks to enter, and is over at the next look

    async def story() -> int:
        throttle = Throttle()
        throttle.bound.rest(0.75)
        return await throttle.enter()

    monkeypatch.setattr("rlm_jupyter.clients.throttle.time", SimpleNamespace(monotonic=monotonic))
    assert asyncio.run(asyncio.wait_for(story(), 30)) == 1
