"""The thread on which model calls do their I/O: what is cancelled there never goes on unheard."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import CancelledError, Future

import pytest

from rlm_jupyter.clients.io_thread import submit


async def nothing() -> str:
    return "done"


def test_a_future_is_handed_over_before_its_work_begins() -> None:
    """Else an interrupt in between would leave a request that nobody can cancel."""
    begun = threading.Event()

    async def work() -> None:
        begun.set()

    def adopt(future: Future[None]) -> None:
        submit(nothing()).result()  # whatever had been scheduled by now has had its turn
        assert not begun.is_set()
        future.cancel()

    with pytest.raises(CancelledError):
        submit(work(), adopt=adopt).result()
    assert submit(nothing()).result() == "done"
    assert not begun.is_set()


def test_cancelling_ends_the_work_and_failures_are_raised_where_it_is_awaited() -> None:
    begun, ended = threading.Event(), threading.Event()

    async def work() -> None:
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    future = submit(work())
    assert begun.wait(20)
    future.cancel()
    assert ended.wait(20)

    async def fail() -> None:
        msg = "no"
        raise ValueError(msg)

    with pytest.raises(ValueError, match="no"):
        submit(fail()).result()
