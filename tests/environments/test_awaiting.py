"""Top-level ``await``, wherever the caller stands: in a thread, on the main thread, inside a running event loop."""

from __future__ import annotations

import asyncio
import threading
import traceback

import pytest
from model_code import Echo, run_blocks

from rlm_jupyter.core.results import REPLResult
from rlm_jupyter.environments.cells.interrupted import CellInterrupted
from rlm_jupyter.environments.local import LocalREPL

AWAITS = """\
import asyncio
async def f(x):
    await asyncio.sleep(0)
    print('in f')
    return x * 2
y = await f(4)
y"""


def shown(result: REPLResult) -> tuple[str, str]:
    assert result.error is None, result.error
    return result.stdout, result.outputs[-1]["data"]["text/plain"]


def test_on_the_main_thread(local: LocalREPL) -> None:
    first, second = run_blocks(local, AWAITS, "await asyncio.gather(f(1), f(y))")
    assert shown(first) == ("in f\n", "8")
    assert shown(second) == ("in f\nin f\n", "[2, 16]")


def test_in_a_thread(local: LocalREPL) -> None:
    results: list[REPLResult] = []
    thread = threading.Thread(target=lambda: results.extend(run_blocks(local, AWAITS)))
    thread.start()
    thread.join()
    assert shown(results[0]) == ("in f\n", "8")


def test_inside_a_running_loop() -> None:
    """As in a kernel, where a magic is called from inside the loop: the cell runs to its end, then the loop goes on."""
    local = LocalREPL()

    async def cell() -> tuple[REPLResult, bool]:
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        (result,) = run_blocks(local, AWAITS)
        await asyncio.sleep(0)
        return result, asyncio.current_task() is task and asyncio.get_running_loop() is loop

    result, undisturbed = asyncio.run(cell())
    local.cleanup()
    assert shown(result) == ("in f\n", "8")
    assert undisturbed


def test_on_the_callers_loop(local: LocalREPL) -> None:
    """``aexecute_code`` awaits where it is awaited, so other tasks go on meanwhile."""

    async def run() -> tuple[REPLResult, list[int]]:
        ticks: list[int] = []
        local.offer({"gate": (gate := asyncio.Event())})

        async def tick() -> None:
            for number in range(3):
                ticks.append(number)
                await asyncio.sleep(0)
            print("the caller's own")
            gate.set()

        with local.running(Echo()):
            ticking = asyncio.create_task(tick())
            result = await local.aexecute_code("print('waits')\nawait gate.wait()")
            await ticking
        return result, ticks

    result, ticks = asyncio.run(run())
    assert ticks == [0, 1, 2]
    assert shown(result) == ("waits\n", "True")


def test_async_with_for_and_comprehensions(local: LocalREPL) -> None:
    code = (
        "import contextlib\n"
        "@contextlib.asynccontextmanager\nasync def room():\n    yield 'room'\n"
        "async def numbers():\n    for i in range(3):\n        yield i\n"
        "async with room() as r:\n    async for i in numbers():\n        print(r, i)\n"
        "[i async for i in numbers()]"
    )
    (result,) = run_blocks(local, code)
    assert shown(result) == ("room 0\nroom 1\nroom 2\n", "[0, 1, 2]")


def test_an_error_in_what_is_awaited_shows_its_line(local: LocalREPL) -> None:
    (failed,) = run_blocks(local, "async def f():\n    return 1 / 0\nx = 1\nawait f()")
    assert failed.error is not None
    assert "line 4, in <module>" in failed.error.traceback
    assert "line 2, in f" in failed.error.traceback
    assert "/rlm_jupyter/" not in failed.error.traceback
    assert "asyncio" not in failed.error.traceback
    assert local.variables()["x"] == 1


@pytest.mark.parametrize("code", ["async def f(): sys.exit(1)\nawait f()", "t = asyncio.create_task(f())\nawait t"])
def test_an_exit_in_what_is_awaited_is_contained(local: LocalREPL, code: str) -> None:
    _, failed, after = run_blocks(
        local, "import asyncio, sys\nasync def f(): sys.exit(1)", code, "await asyncio.sleep(0, 7)"
    )
    assert failed.error is not None
    assert failed.error.name == "SystemExit"
    assert shown(after)[1] == "7"


def test_code_may_cancel_tasks_of_its_own(local: LocalREPL) -> None:
    code = "import asyncio\nt = asyncio.ensure_future(asyncio.sleep(3600))\nawait asyncio.sleep(0)\nt.cancel()\nawait t"
    (failed,) = run_blocks(local, code)
    assert failed.error is not None
    assert failed.error.name == "CancelledError"


def test_a_cancellation_of_the_caller_ends_the_cell() -> None:
    local = LocalREPL()

    async def cell() -> CellInterrupted:
        with local.running(Echo()), pytest.raises(CellInterrupted) as caught:
            await local.aexecute_code("import asyncio\nprint('begun')\nawait asyncio.sleep(3600)")
        return caught.value

    async def run() -> CellInterrupted:
        task = asyncio.ensure_future(cell())
        await asyncio.sleep(0)
        task.cancel()
        return await task

    interrupt = asyncio.run(run())
    local.cleanup()
    assert interrupt.result.stdout == "begun\n"
    assert isinstance(interrupt.__cause__, asyncio.CancelledError)


INTERRUPTED = {
    "in plain code": "print('begun')\nx = 1\nraise KeyboardInterrupt",
    "in a loop": "print('begun')\nx = 1\nsignal.raise_signal(signal.SIGINT)\nwhile True: pass",
    "while it awaits": (
        "print('begun')\nx = 1\nimport asyncio\nawait asyncio.sleep(0)\n"
        "asyncio.get_running_loop().call_soon(signal.raise_signal, signal.SIGINT)\nawait asyncio.sleep(3600)"
    ),
}


@pytest.mark.parametrize("code", INTERRUPTED.values(), ids=INTERRUPTED.keys())
def test_an_interrupted_cell_tells_how_far_it_came(local: LocalREPL, code: str) -> None:
    with local.running(Echo()):
        local.execute_code("import signal")
        with pytest.raises(CellInterrupted) as caught:
            local.execute_code(code)
        after = local.execute_code("import asyncio\nawait asyncio.sleep(0, x)")
    result = caught.value.result
    assert isinstance(caught.value, KeyboardInterrupt)
    assert result.stdout == "begun\n"
    assert result.error is not None
    assert result.error.name == "KeyboardInterrupt"
    assert shown(after)[1] == "1"


def test_an_interrupt_lets_what_was_awaited_clean_up(local: LocalREPL) -> None:
    code = (
        "import asyncio, signal\nasync def f():\n    try:\n        await asyncio.sleep(3600)\n"
        "    finally:\n        print('cleaned up')\n"
        "async def g():\n"
        "    asyncio.get_running_loop().call_later(0.01, signal.raise_signal, signal.SIGINT)\n"
        "    await f()\n"
        "await g()"
    )
    with local.running(Echo()), pytest.raises(CellInterrupted) as caught:
        local.execute_code(code)
    assert "cleaned up\n" in caught.value.result.stdout


def test_tasks_go_on_when_the_next_cell_awaits_and_end_with_the_environment() -> None:
    local = LocalREPL()
    heard: list[str] = []
    local.offer({"heard": heard})
    begins = (
        "import asyncio\nasync def f(heard=heard):\n    heard.append('begun')\n"
        "    try:\n        await asyncio.sleep(3600)\n"
        "    finally:\n        heard.append('ended')\n"
        "t = asyncio.create_task(f())\nawait asyncio.sleep(0)"
    )
    run_blocks(local, begins, "await asyncio.sleep(0)")
    assert heard == ["begun"]
    local.cleanup()
    assert heard == ["begun", "ended"]
    local.cleanup()


STUBBORN = """\
import asyncio
async def stubborn():
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            print('no')
"""


def test_a_task_that_takes_no_cancellation_is_not_waited_for_without_end(capsys: pytest.CaptureFixture[str]) -> None:
    local = LocalREPL()
    run_blocks(local, f"{STUBBORN}t = asyncio.create_task(stubborn())\nawait asyncio.sleep(0)")
    with pytest.warns(RuntimeWarning, match=r"cannot be cancelled: stubborn\. It was dropped"):
        local.cleanup()
    local.cleanup()
    assert capsys.readouterr().out == ""


def test_neither_is_an_asynchronous_generator() -> None:
    local = LocalREPL()
    code = (
        "import asyncio\nasync def numbers():\n    try:\n        yield 1\n"
        "    finally:\n        await asyncio.sleep(3600)\ng = numbers()\nawait g.__anext__()"
    )
    run_blocks(local, code)
    with pytest.warns(RuntimeWarning, match="cannot be cancelled: an asynchronous generator"):
        local.cleanup()


def test_an_interrupt_ends_the_wait_for_what_takes_no_cancellation(local: LocalREPL) -> None:
    raises = "asyncio.get_running_loop().call_later(0.01, signal.raise_signal, signal.SIGINT)"
    with local.running(Echo()):
        local.execute_code(f"{STUBBORN}import signal")
        with pytest.raises(CellInterrupted) as caught:
            local.execute_code(f"{raises}\nawait stubborn()")
    assert caught.value.result.stdout == "no\n"
    with pytest.warns(RuntimeWarning, match="cannot be cancelled: <module>"):
        local.cleanup()


def test_a_task_that_failed_with_nobody_awaiting_it_is_told_to_the_model(
    local: LocalREPL, capsys: pytest.CaptureFixture[str]
) -> None:
    _, after = run_blocks(
        local,
        "import asyncio, gc\nasync def f(): raise ValueError('unheard')\n"
        "t = asyncio.create_task(f())\nawait asyncio.sleep(0)",
        "del t\ngc.collect()\nprint('after')",
    )
    assert "never retrieved" in after.stderr
    assert "ValueError: unheard" in after.stderr
    assert capsys.readouterr() == ("", "")


def test_an_environment_that_was_cleaned_up_says_so(local: LocalREPL) -> None:
    run_blocks(local, AWAITS)
    local.cleanup()
    local.cleanup()
    with pytest.raises(RuntimeError, match="was cleaned up"):
        run_blocks(local, "await f(3)")
    with pytest.raises(RuntimeError, match="was cleaned up"):
        local.execute_code("1")


def test_an_event_loop_that_cannot_be_nested_says_so_as_in_a_notebook() -> None:
    local = LocalREPL()

    async def cell() -> REPLResult:
        return run_blocks(
            local, "import asyncio\nc = asyncio.sleep(0)\ntry:\n    asyncio.run(c)\nfinally:\n    c.close()"
        )[0]

    result = asyncio.run(cell())
    local.cleanup()
    assert result.error is not None, traceback.format_exc()
    assert "running event loop" in result.error.message
