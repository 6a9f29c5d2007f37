"""A run's scope: it ends once, and takes with it what is in flight."""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError, Future
from typing import Any

import pytest

from rlm_jupyter.core.errors import CancellationError, TimeoutExceededError
from rlm_jupyter.core.scope import Scope


def done(value: Any) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_result(value)
    return future


def test_a_result_is_waited_for() -> None:
    scope = Scope()
    future: Future[str] = Future()
    threading.Thread(target=lambda: future.set_result("here")).start()
    assert scope.wait(scope.adopt(future)) == "here"


def test_what_a_call_raises_is_raised() -> None:
    scope = Scope()
    for error in (ValueError("no"), TimeoutExceededError("too long"), TimeoutError("the socket")):
        future: Future[str] = Future()
        future.set_exception(error)
        with pytest.raises(type(error)) as caught:
            scope.wait(scope.adopt(future))
        assert caught.value is error


def test_cancel_takes_what_is_in_flight() -> None:
    scope = Scope()
    futures: list[Future[str]] = [scope.adopt(Future()) for _ in range(200)]
    scope.cancel("interrupted")
    assert all(future.cancelled() for future in futures)
    with pytest.raises(CancellationError, match=r"interrupted.*no further model call"):
        scope.wait(futures[0])


def test_what_comes_after_the_end_is_cancelled_at_once() -> None:
    scope = Scope()
    scope.cancel("interrupted")
    late: Future[str] = scope.adopt(Future())
    assert late.cancelled()
    with pytest.raises(CancellationError):
        scope.check()


def test_what_was_done_before_the_end_keeps_its_result() -> None:
    scope = Scope()
    future = scope.adopt(done("kept"))
    scope.cancel("it is over")
    assert scope.wait(future) == "kept"


def test_the_first_reason_stands() -> None:
    scope = Scope()
    limit = TimeoutExceededError("too long")
    scope.cancel("its time is up", limit)
    scope.cancel("interrupted")
    with pytest.raises(TimeoutExceededError) as caught:
        scope.check()
    assert caught.value is limit


def test_a_scope_that_goes_on_lets_pass() -> None:
    scope = Scope()
    scope.check()
    assert not scope.cancelled


def test_a_call_that_was_cancelled_by_others_is_no_end_of_the_run() -> None:
    scope = Scope()
    future: Future[str] = Future()
    future.cancel()
    with pytest.raises(CancelledError):
        scope.wait(scope.adopt(future))
    assert not scope.cancelled
