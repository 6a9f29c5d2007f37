"""One cell at a time: others wait, and what would wait for itself is told so."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

from rlm_jupyter.core.results import REPLResult
from rlm_jupyter.environments import IPythonREPL, LocalREPL

REPL: TypeAlias = "LocalREPL | IPythonREPL"

EACH = pytest.mark.parametrize("make", [LocalREPL, IPythonREPL], ids=["local", "ipython"])


@EACH
def test_cells_of_many_threads_run_one_after_another(make: Callable[..., REPL]) -> None:
    code = "before = count\nfor _ in range(1000): pass\ncount = before + 1"
    with make(setup_code="count = 0") as repl:
        threads = [threading.Thread(target=lambda: [repl.execute_code(code) for _ in range(20)]) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert repl.locals["count"] == 160


@EACH
def test_a_cell_that_runs_another_of_its_own_repl_is_told_so(make: Callable[..., REPL]) -> None:
    held: list[REPL] = []
    with make(custom_tools={"again": lambda: held[0].execute_code("1")}) as repl:
        held.append(repl)
        failed = repl.execute_code("again()")
        assert failed.error is not None
        assert failed.error.name == "RuntimeError"
        assert "wait for itself for ever" in failed.error.message
        assert repl.execute_code("print('still here')").stdout == "still here\n"


@EACH
@pytest.mark.parametrize("call", ["rlm_query('a')", "rlm_query_batched(['a', 'b'])"])
def test_so_is_a_function_that_answers_in_whichever_thread(make: Callable[..., REPL], call: str) -> None:
    held: list[REPL] = []
    refused: list[BaseException] = []

    def subcall(prompt: str, model: str | None) -> str:
        try:
            return held[0].execute_code("1").stdout
        except RuntimeError as error:
            refused.append(error)
            raise

    with make(subcall_fn=subcall) as repl:
        held.append(repl)
        result = repl.execute_code(f"print({call})")
        assert "wait for itself for ever" in result.stdout
        assert refused


@EACH
def test_so_is_a_thread_of_the_cell_while_the_cell_runs(make: Callable[..., REPL]) -> None:
    held: list[REPL] = []
    code = "from threading import Thread\nt = Thread(target=again)\nt.start()\nt.join()"
    refused: list[str] = []

    def again() -> None:
        try:
            held[0].execute_code("1")
        except RuntimeError as error:
            refused.append(str(error))

    with make(custom_tools={"again": again}) as repl:
        held.append(repl)
        assert repl.execute_code(code).error is None
        assert len(refused) == 1


@EACH
def test_a_thread_of_a_cell_that_is_over_may_run_another(make: Callable[..., REPL]) -> None:
    held: list[REPL] = []
    over, results = threading.Event(), []

    def later() -> None:
        over.wait(10)
        results.append(held[0].execute_code("print('later')").stdout)

    code = "from threading import Thread\nt = Thread(target=later)\nt.start()"
    with make(custom_tools={"later": later}) as repl:
        held.append(repl)
        repl.execute_code(code)
        over.set()
        repl.locals["t"].join(10)
        assert results == ["later\n"]


@EACH
def test_another_repl_may_run_within_a_cell(make: Callable[..., REPL]) -> None:
    with LocalREPL() as other, make(custom_tools={"ask": lambda code: other.execute_code(code).stdout}) as repl:
        assert repl.execute_code("print('outer', ask('print(40 + 2)'))").stdout == "outer 42\n\n"


@EACH
def test_tasks_wait_their_turn_with_the_event_loop_free(make: Callable[..., REPL]) -> None:
    ticks: list[int] = []

    async def tick() -> None:
        while True:
            ticks.append(1)
            await asyncio.sleep(0)

    async def work(repl: REPL) -> list[REPLResult]:
        ticking = asyncio.create_task(tick())
        code = "before = count\nimport asyncio\nawait asyncio.sleep(0.02)\ncount = before + 1"
        results = await asyncio.gather(*(repl.aexecute_code(code) for _ in range(5)))
        ticking.cancel()
        return results

    with make(setup_code="count = 0") as repl:
        results = asyncio.run(work(repl))
        assert [result.error for result in results] == [None] * 5
        assert repl.locals["count"] == 5
        assert len(ticks) > 5


@EACH
def test_a_blocking_call_while_a_cell_is_awaited_in_the_same_thread_is_refused(make: Callable[..., REPL]) -> None:
    async def work(repl: REPL) -> REPLResult:
        started = asyncio.Event()
        tools: dict[str, Any] = {"started": started}
        repl.add_context(tools)
        awaited = asyncio.create_task(repl.aexecute_code("context['started'].set()\nawait asyncio.sleep(0.01)\n'done'"))
        await started.wait()
        with pytest.raises(RuntimeError, match="await aexecute_code instead"):
            repl.execute_code("1")
        return await awaited

    with make(setup_code="import asyncio") as repl:
        assert asyncio.run(work(repl)).error is None


@EACH
def test_a_task_that_gave_up_waiting_leaves_the_turn_to_others(make: Callable[..., REPL]) -> None:
    async def work(repl: REPL) -> None:
        first = asyncio.create_task(repl.aexecute_code("await asyncio.sleep(0.05)"))
        second = asyncio.create_task(repl.aexecute_code("second = 1"))
        await asyncio.sleep(0)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        await first
        await repl.aexecute_code("third = 1")

    with make(setup_code="import asyncio") as repl:
        asyncio.run(work(repl))
        assert "second" not in repl.locals
        assert repl.locals["third"] == 1
