"""A run's scope: it ends once, and takes with it what is in flight."""

from __future__ import annotations

import signal
import threading
from concurrent.futures import CancelledError, Future
from types import FrameType
from typing import Any

import pytest

from rlm_jupyter.core.errors import CancellationError, TimeoutExceededError
from rlm_jupyter.core.scope import Scope, interruptible, time_limited


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


def test_an_interrupt_ends_the_scope_while_it_waits() -> None:
    scope = Scope()
    future: Future[str] = scope.adopt(Future())
    interrupt = threading.Thread(target=signal.raise_signal, args=[signal.SIGINT])
    with interruptible(scope), pytest.raises(KeyboardInterrupt):  # noqa: PT012 - when it comes is not known
        interrupt.start()
        scope.wait(future)
    assert scope.cancelled
    assert future.cancelled()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_interrupt_breaks_into_code_that_runs() -> None:
    scope = Scope()
    scope.running_code = True
    with interruptible(scope), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    assert scope.cancelled


def test_an_interrupt_is_kept_out_while_things_are_put_back() -> None:
    scope = Scope()
    with interruptible(scope):
        scope.closing = True
        signal.raise_signal(signal.SIGINT)
    assert scope.cancelled


def test_a_host_that_handles_interrupts_itself_is_asked_first() -> None:
    scope, heard = Scope(), []

    def handler(number: int, frame: FrameType | None) -> None:
        heard.append(number)

    previous = signal.signal(signal.SIGINT, handler)
    try:
        with interruptible(scope):
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is handler
    finally:
        signal.signal(signal.SIGINT, previous)
    assert heard == [signal.SIGINT]
    assert scope.cancelled


def test_signals_are_left_alone_off_the_main_thread() -> None:
    before = signal.getsignal(signal.SIGINT)
    seen = []

    def run() -> None:
        with interruptible(Scope()):
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [before]


def test_the_time_limit_breaks_into_code_that_runs() -> None:
    """Defect 7 of the field: a cell ran on under its limit."""
    scope = Scope()
    scope.running_code = True
    with interruptible(scope), pytest.raises(KeyboardInterrupt), time_limited(scope, 0.05):
        threading.Event().wait(60)
    assert isinstance(scope.failure, TimeoutExceededError)
    assert "0.05 s" in str(scope.failure)
    assert "max_timeout" in str(scope.failure)


def test_the_time_limit_ends_a_wait() -> None:
    scope = Scope()
    with pytest.raises(TimeoutExceededError), time_limited(scope, 0.05):
        scope.wait(scope.adopt(Future()))


def test_the_time_limit_off_the_main_thread_lets_code_run_and_send_nothing() -> None:
    scope = Scope()
    ended = threading.Event()
    caught: list[BaseException] = []

    def run() -> None:
        with time_limited(scope, 0.05):
            scope.running_code = True
            in_flight: Future[str] = scope.adopt(Future())
            in_flight.add_done_callback(lambda _: ended.set())
            ended.wait(60)
            try:
                scope.check()
            except TimeoutExceededError as error:
                caught.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert caught == [scope.failure]


@pytest.mark.parametrize("seconds", [None, 3600.0, 1e12, float("inf")])
def test_a_limit_that_is_not_reached_leaves_nothing_behind(seconds: float | None) -> None:
    scope = Scope()
    threads = threading.active_count()
    with time_limited(scope, seconds):
        pass
    assert threading.active_count() == threads
    assert not scope.cancelled
