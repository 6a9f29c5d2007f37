"""``cell_timeout``: a cell that takes too long is ended, on any thread, and nothing else is."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import pytest
from scripted_server import ScriptedServer
from scripts import code, says

from rlm_jupyter import RLM
from rlm_jupyter.core.errors import TimeoutExceededError
from rlm_jupyter.core.results import REPLResult
from rlm_jupyter.environments import IPythonREPL, LocalREPL
from rlm_jupyter.environments.cells.interrupted import CellInterrupted

REPL: TypeAlias = "LocalREPL | IPythonREPL"

EACH = pytest.mark.parametrize("make", [LocalREPL, IPythonREPL], ids=["local", "ipython"])

ENDLESS = {
    "a loop": "while True: pass",
    "a call that sleeps": "import time\nfor _ in range(100_000): time.sleep(0.01)",
    "what it awaits": "import asyncio\nawait asyncio.sleep(3600)",
    "tasks that it awaits": "import asyncio\nawait asyncio.gather(asyncio.sleep(3600), asyncio.sleep(3600))",
    "code that catches every Exception": (
        "import time\nwhile True:\n    try:\n        time.sleep(0.01)\n    except Exception:\n        pass"
    ),
    "code that swallows it once": (
        "from time import sleep\ntry:\n    while True: sleep(0.01)\nexcept BaseException: pass\nwhile True: sleep(0.01)"
    ),
    "awaiting code that swallows it once": (
        "from asyncio import sleep\ntry:\n    await sleep(3600)\nexcept BaseException: pass\nawait sleep(3600)"
    ),
    "a display": "class A:\n    def __repr__(self):\n        while True: pass\nA()",
}


def run(repl: REPL, text: str) -> REPLResult:
    return repl.execute_code(text)


def run_in_a_thread(repl: REPL, text: str) -> REPLResult:
    results: list[REPLResult] = []
    thread = threading.Thread(target=lambda: results.append(repl.execute_code(text)))
    thread.start()
    thread.join(60)
    return results[0]


def awaited(repl: REPL, text: str) -> REPLResult:
    return asyncio.run(repl.aexecute_code(text))


def awaited_in_a_thread(repl: REPL, text: str) -> REPLResult:
    results: list[REPLResult] = []
    thread = threading.Thread(target=lambda: results.append(asyncio.run(repl.aexecute_code(text))))
    thread.start()
    thread.join(60)
    return results[0]


WAYS = [run, run_in_a_thread, awaited, awaited_in_a_thread]


@EACH
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("text", ENDLESS.values(), ids=ENDLESS.keys())
def test_a_cell_that_takes_too_long_is_ended(
    make: Callable[..., REPL], way: Callable[[REPL, str], REPLResult], text: str
) -> None:
    with make(cell_timeout=0.05) as repl:
        result = way(repl, text)
        assert result.error is not None
        assert result.error.name == "TimeoutError"
        assert (
            result.error.message
            == "The cell took longer than the 0.05 s that it may take (cell_timeout) and was stopped."
        )
        assert result.stderr.endswith(f"TimeoutError: {result.error.message}\n")
        assert "rlm_jupyter" not in result.error.traceback
        # The next cell is to come through on a busy machine too.
        repl.cell_timeout = 60  # type: ignore[union-attr]
        after = way(repl, "print('still here')")
        assert (after.stdout, after.stderr) == ("still here\n", "")


@EACH
def test_a_call_into_c_is_ended_on_the_main_thread(make: Callable[..., REPL]) -> None:
    with make(cell_timeout=0.05) as repl:
        result = repl.execute_code("x = 1\nimport time\ntime.sleep(3600)\nx = 2")
        assert "line 3, in <module>" in result.stderr
        assert "TimeoutError" in result.stderr
        assert repl.locals["x"] == 1


@EACH
def test_a_cell_that_swallows_it_and_comes_to_an_end_took_too_long_still(make: Callable[..., REPL]) -> None:
    with make(cell_timeout=0.05) as repl:
        result = repl.execute_code(
            "import time\ntry:\n    time.sleep(3600)\nexcept BaseException:\n    print('went on')"
        )
        assert result.stdout == "went on\n"
        assert result.error is not None
        assert result.error.name == "TimeoutError"


@pytest.mark.parametrize("way", WAYS)
def test_a_quick_cell_is_let_run(way: Callable[[REPL, str], REPLResult]) -> None:
    with LocalREPL(cell_timeout=60) as repl:
        result = way(repl, "import asyncio\nawait asyncio.sleep(0)\nprint(sum(range(1000)))")
        assert (result.stdout, result.stderr) == ("499500\n", "")


@pytest.mark.parametrize("way", [run, run_in_a_thread])
def test_it_never_fires_after_the_cell(way: Callable[[REPL, str], REPLResult]) -> None:
    """Cells that end just when their time does, hundreds of times over: what comes late would break this loop."""
    ended: set[str | None] = set()

    def cells() -> str:
        with LocalREPL(cell_timeout=0.001) as repl:
            for length in range(300):
                result = repl.execute_code(f"for _ in range({length * 500}): pass")
                ended.add(result.error.name if result.error is not None else None)
                sum(range(1000))
        return "came to the end"

    with LocalREPL(custom_tools={"cells": cells}) as outer:
        result = way(outer, "print(cells())")
    assert result.stdout == "came to the end\n"
    assert ended == {None, "TimeoutError"}


@contextmanager
def alarm(seconds: float, handler: Callable[..., Any]) -> Iterator[None]:
    """Have an alarm of one's own set, over one that pytest may have set."""
    previous = signal.signal(signal.SIGALRM, handler)
    left = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, previous)
        signal.setitimer(signal.ITIMER_REAL, *left)


@pytest.mark.parametrize("text", ["x = 1", "while True: pass"])
def test_an_alarm_that_was_set_before_is_set_again(text: str) -> None:
    def handler(*arguments: object) -> None:
        raise AssertionError

    with LocalREPL(cell_timeout=0.05) as repl, alarm(1000, handler):
        repl.execute_code(text)
        assert signal.getsignal(signal.SIGALRM) is handler
        left, interval = signal.getitimer(signal.ITIMER_REAL)
        assert 900 < left < 1000
        assert interval == 0


def test_an_alarm_that_is_due_meanwhile_rings() -> None:
    rung: list[int] = []
    with LocalREPL(cell_timeout=60) as repl, alarm(0.02, lambda number, frame: rung.append(number)):
        repl.add_context(rung)
        result = repl.execute_code("while not context: pass\nprint('rung')")
        assert result.stdout == "rung\n"
        assert rung == [signal.SIGALRM]


def nested(outer: float, inner: float, text: str) -> tuple[REPLResult, list[REPLResult]]:
    """Run a cell in a cell of the same thread, each with a time of its own."""
    within: list[REPLResult] = []
    with LocalREPL(cell_timeout=inner) as child:

        def ask() -> None:
            within.append(child.execute_code(text))

        with LocalREPL(cell_timeout=outer, custom_tools={"ask": ask}) as parent:
            return parent.execute_code("ask()\nprint('after')\nwhile True: pass"), within


def test_the_inner_cells_time_ends_the_inner_cell_only() -> None:
    result, within = nested(1.0, 0.05, "while True: pass")
    assert within[0].error is not None
    assert within[0].error.name == "TimeoutError"
    assert result.stdout == "after\n"
    assert result.error is not None
    assert "the 1 s" in result.error.message


@pytest.mark.parametrize("text", ["while True: pass", "import asyncio\nawait asyncio.sleep(3600)"])
def test_the_outer_cells_time_ends_both(text: str) -> None:
    result, within = nested(0.05, 1000, text)
    assert within == []
    assert result.stdout == ""
    assert result.error is not None
    assert result.error.name == "TimeoutError"
    assert "the 0.05 s" in result.error.message


@EACH
def test_ctrl_c_goes_through_a_cell_that_has_a_time(make: Callable[..., REPL]) -> None:
    with make(cell_timeout=1000) as repl:
        with pytest.raises(CellInterrupted) as interrupted:
            repl.execute_code("print('a')\nimport signal\nsignal.raise_signal(signal.SIGINT)\nwhile True: pass")
        assert interrupted.value.result.stdout == "a\n"
        assert repl.execute_code("print('still here')").stdout == "still here\n"


def test_a_task_that_is_cancelled_is_not_taken_for_late() -> None:
    async def work(repl: LocalREPL) -> None:
        task = asyncio.create_task(repl.aexecute_code("await asyncio.sleep(3600)"))
        await asyncio.sleep(0.01)
        task.cancel()
        await task

    with LocalREPL(cell_timeout=1000, setup_code="import asyncio") as repl, pytest.raises(KeyboardInterrupt):
        asyncio.run(work(repl))


def test_a_run_goes_on_after_a_cell_that_took_too_long() -> None:
    script = says(code("while True: pass"), code("FINAL('done in time')"))
    with ScriptedServer(script) as server:
        with RLM(
            backend_kwargs={"model_name": "m", "base_url": server.base_url, "api_key": "k"},
            environment_kwargs={"cell_timeout": 0.05},
        ) as rlm:
            result = rlm.completion("Anything?")
        assert result.response == "done in time"
        assert "TimeoutError: The cell took longer" in server.requests[1].messages[-1]["content"]


def test_the_runs_own_limit_breaks_into_a_cell_that_has_a_time() -> None:
    with ScriptedServer(says(code("while True: pass"))) as server:
        with (
            RLM(
                backend_kwargs={"model_name": "m", "base_url": server.base_url, "api_key": "k"},
                environment_kwargs={"cell_timeout": 1000},
                max_timeout=0.3,
            ) as rlm,
            pytest.raises(TimeoutExceededError),
        ):
            rlm.completion("Anything?")
        assert len(server.requests) == 1
