"""What ends a run from outside: signals and time limits."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from types import FrameType

import pytest

from rlm_jupyter.core.errors import TimeoutExceededError
from rlm_jupyter.core.interrupts import attached, interruptible
from rlm_jupyter.core.scope import Scope
from rlm_jupyter.core.thread_break import break_into, code_is_over


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
    with interruptible(scope, 0.05), pytest.raises(KeyboardInterrupt):
        threading.Event().wait(60)
    assert isinstance(scope.failure, TimeoutExceededError)
    assert "0.05 s" in str(scope.failure)
    assert "max_timeout" in str(scope.failure)


def test_the_time_limit_ends_a_wait() -> None:
    scope = Scope()
    with pytest.raises(TimeoutExceededError), interruptible(scope, 0.05):
        scope.wait(scope.adopt(Future()))


def in_a_thread(run: Callable[[], None]) -> None:
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()


def test_the_time_limit_breaks_into_code_off_the_main_thread() -> None:
    scope = Scope()
    broken = 0

    def run() -> None:
        nonlocal broken
        with interruptible(scope, 0.05):
            scope.running_code = True
            while broken < 3:  # code that catches the interrupt is interrupted again
                try:
                    while True:
                        sum(range(100))
                except KeyboardInterrupt:
                    broken += 1
            code_is_over(scope)

    in_a_thread(run)
    assert broken == 3
    assert isinstance(scope.failure, TimeoutExceededError)


def test_the_end_of_the_root_breaks_into_its_childrens_code() -> None:
    root = Scope()
    children = [root.child() for _ in range(3)]
    running = threading.Barrier(4)
    broken: list[Scope] = []

    def run(scope: Scope) -> None:
        with attached(scope):
            scope.running_code = True
            running.wait(60)
            try:
                while True:
                    sum(range(100))
            except KeyboardInterrupt:
                broken.append(scope)
            code_is_over(scope)

    threads = [threading.Thread(target=run, args=[child]) for child in children]
    for thread in threads:
        thread.start()
    with interruptible(root):
        running.wait(60)
        root.cancel("interrupted")
        for thread in threads:
            thread.join(60)
    assert set(broken) == set(children)
    assert list(root.walk()) == [root]


def test_an_interrupt_that_comes_too_late_for_the_code_is_taken_back() -> None:
    scope = Scope()
    arrived: list[BaseException] = []

    def run() -> None:
        with attached(scope):
            for _ in range(200):
                scope.running_code = True
                breaker = threading.Thread(target=break_into, args=[scope])
                with contextlib.suppress(KeyboardInterrupt):  # wherever it arrives before the code is over
                    breaker.start()
                    breaker.join(0.0001)
                    code_is_over(scope)
                try:
                    code_is_over(scope)
                    breaker.join()
                    sum(range(100))
                except KeyboardInterrupt as error:
                    arrived.append(error)

    in_a_thread(run)
    assert arrived == []


@pytest.mark.parametrize("seconds", [None, 3600.0, 1e12, float("inf")])
def test_a_limit_that_is_not_reached_leaves_nothing_behind(seconds: float | None) -> None:
    scope = Scope()
    threads = threading.active_count()
    with interruptible(scope, seconds):
        pass
    assert threading.active_count() == threads
    assert not scope.cancelled


def test_runs_that_do_not_end_in_order_leave_the_hosts_handler() -> None:
    before = signal.getsignal(signal.SIGINT)
    first, second = Scope(), Scope()
    one, two = interruptible(first), interruptible(second)
    one.__enter__()
    two.__enter__()
    first.closing = True
    one.__exit__(None, None, None)
    assert signal.getsignal(signal.SIGINT) is not before
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    assert (first.cancelled, second.cancelled) == (False, True)
    two.__exit__(None, None, None)
    assert signal.getsignal(signal.SIGINT) is before


def test_code_that_swallows_the_interrupt_is_interrupted_again() -> None:
    scope = Scope()
    scope.running_code = True
    swallowed = 0
    with interruptible(scope):
        scope.cancel("interrupted")
        while swallowed < 3:
            try:
                threading.Event().wait(60)
            except KeyboardInterrupt:
                swallowed += 1
    assert swallowed == 3


async def _limited(seconds: float | None, limit: float) -> str:
    scope = Scope()
    with interruptible(scope, limit, asyncio.current_task()):
        try:
            await asyncio.sleep(seconds or 0)
        except asyncio.CancelledError:
            return "limit" if scope.failure is not None else "cancelled"
    return "ended"


def test_a_time_limit_of_an_asynchronous_run_ends_that_run_alone() -> None:
    async def main() -> list[str]:
        both = await asyncio.gather(_limited(60, 0.05), _limited(0.3, 60))
        await asyncio.sleep(0)  # the limit left no cancellation behind
        return list(both)

    assert asyncio.run(main()) == ["limit", "ended"]


def test_an_interrupt_wakes_the_event_loop_of_an_asynchronous_run() -> None:
    async def main() -> str:
        # As a front end interrupts: a signal to the process. One that a thread raises for itself wakes nobody else.
        threading.Thread(target=os.kill, args=[os.getpid(), signal.SIGINT]).start()
        return await _limited(60, 30)

    with contextlib.suppress(KeyboardInterrupt):  # how Python 3.10 ends it
        assert asyncio.run(main()) == "cancelled"


def test_breaking_into_threads_leaves_debuggers_and_profilers_alone() -> None:
    """Taking the exception back left a flag behind in Python 3.11, with which traced functions went on the spot."""
    scope = Scope()

    def run() -> None:
        with attached(scope), contextlib.suppress(KeyboardInterrupt):
            for _ in range(20):
                scope.running_code = True
                threading.Thread(target=break_into, args=[scope]).start()
                with contextlib.suppress(KeyboardInterrupt):
                    code_is_over(scope)
                code_is_over(scope)

    in_a_thread(run)
    called: list[str] = []
    sys.setprofile(lambda frame, event, argument: called.append(event))
    in_a_thread(lambda: None)
    sys.setprofile(None)
    assert "call" in called
