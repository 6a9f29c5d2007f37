"""The server speaks to kernels, also while a cell runs; the kernels are real, and hear by hand."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from ipykernel._version import version_info
from kernel_by_hand import Kernel, Listener, eventually

from rlm_jupyter.trace.wire import Notebook, Reviewer

# A cell that ends when it is told to, and not before: the message that it waits for has to reach it while it runs.
_WAITING = "import time\nwhile not any(data['type'] == 'reviewer' for _, data in heard): time.sleep(0.005)"


@pytest.mark.parametrize(("reach", "thread"), [("subshell", "subshell"), ("control", "Control")])
async def test_a_kernel_is_reached_while_a_cell_runs(listener: Listener, reach: str, thread: str) -> None:
    kernel = await listener.greeted(reach=reach)
    assert listener.link.reach(kernel.kernel_id) == reach
    cell = asyncio.ensure_future(kernel.run(_WAITING))
    assert await listener.link.send(kernel.kernel_id, Notebook(path="a.ipynb"))
    assert await listener.link.send(kernel.kernel_id, Reviewer(present=True))
    await cell
    heard = await kernel.value("heard")
    assert [data["type"] for _, data in heard] == ["notebook", "reviewer"]
    assert heard[0] == [thread, {"type": "notebook", "path": "a.ipynb"}]


# A cell that holds the GIL, so that what it is told is read when it has let go of it, and then goes on.
_HOLDING = "sum(range(10**8))\nimport pathlib, time\nwhile not pathlib.Path({over!r}).exists(): time.sleep(0.005)"


async def test_a_kernel_that_reads_late_is_busy_until_its_cell_has_ended(listener: Listener, tmp_path: Path) -> None:
    kernel = await listener.greeted()
    over = tmp_path / "over"
    cell = asyncio.ensure_future(kernel.run(_HOLDING.format(over=str(over))))
    await eventually(lambda: kernel.manager.execution_state == "busy", "the cell")
    states: list[str] = []
    kernel.manager.observe(lambda change: states.append(change["new"]), names="execution_state")
    assert await listener.link.send(kernel.kernel_id, Reviewer(present=True))
    await eventually(lambda: "idle" in states, "what the kernel says when it has read the message")
    assert kernel.manager.execution_state == "busy"
    over.touch()
    await cell
    await eventually(lambda: kernel.manager.execution_state == "idle", "an idle kernel")
    await kernel.run("pass")
    await eventually(lambda: kernel.manager.execution_state == "idle", "an idle kernel again")


async def test_a_cell_that_follows_at_once_is_not_taken_for_idle(listener: Listener, tmp_path: Path) -> None:
    kernel = await listener.greeted()
    assert await listener.link.send(kernel.kernel_id, Reviewer(present=True))  # so that there is a subshell
    await kernel.heard("reviewer")
    first, second = tmp_path / "first", tmp_path / "second"
    wait = "import pathlib, time\nwhile not pathlib.Path({over!r}).exists(): time.sleep(0.005)"
    cell = asyncio.ensure_future(kernel.run(wait.format(over=str(first))))
    await eventually(lambda: kernel.manager.execution_state == "busy", "the cell")
    states: list[str] = []
    kernel.manager.observe(lambda change: states.append(change["new"]), names="execution_state")
    assert await listener.link.send(kernel.kernel_id, Reviewer(present=False))
    await eventually(lambda: "idle" in states, "what the kernel says when it has read the message")
    begun = tmp_path / "begun"
    code = f"import pathlib\npathlib.Path({str(begun)!r}).touch()\n{wait.format(over=str(second))}"
    kernel._client.execute(code)
    first.touch()
    await cell
    await eventually(begun.exists, "the cell that follows")
    await eventually(lambda: kernel.manager.execution_state == "busy", "a busy kernel")
    second.touch()
    await kernel.run("pass")
    await eventually(lambda: kernel.manager.execution_state == "idle", "an idle kernel")


# What it is told is read slowly, so that a cell can begin meanwhile.
_SLOW = """
import pathlib, time
def slowly(message, told=comm.handle_msg):
    pathlib.Path({reading!r}).touch()
    while not pathlib.Path({read!r}).exists(): time.sleep(0.005)
    told(message)
comm.handle_msg = slowly
"""


async def test_a_cell_that_begins_while_a_message_is_read_is_not_taken_for_idle(
    listener: Listener, tmp_path: Path
) -> None:
    kernel = await listener.greeted()
    reading, read, over = tmp_path / "reading", tmp_path / "read", tmp_path / "over"
    await kernel.run(_SLOW.format(reading=str(reading), read=str(read)))
    assert await listener.link.send(kernel.kernel_id, Reviewer(present=True))
    await eventually(reading.exists, "the message")
    begun = f"pathlib.Path({str(tmp_path / 'begun')!r}).touch()\n"
    wait = f"while not pathlib.Path({str(over)!r}).exists(): time.sleep(0.005)"
    cell = asyncio.ensure_future(kernel.run(begun + wait))
    await eventually((tmp_path / "begun").exists, "the cell")
    states: list[str] = []
    kernel.manager.observe(lambda change: states.append(change["new"]), names="execution_state")
    read.touch()
    await eventually(lambda: "idle" in states, "what the kernel says when it has read the message")
    assert kernel.manager.execution_state == "busy"
    over.touch()
    await cell
    await eventually(lambda: kernel.manager.execution_state == "idle", "an idle kernel")


async def test_a_kernel_that_hears_nothing_meanwhile_is_told_when_its_cell_has_ended(
    listener: Listener, tmp_path: Path
) -> None:
    kernel = await listener.greeted(reach="shell")
    assert listener.link.reach(kernel.kernel_id) == "shell"
    # The message has arrived when the subshell has been asked something after it; the cell has not ended then.
    await kernel.run("over = False")
    begun = tmp_path / "begun"
    touch = f"import pathlib, time\npathlib.Path({str(begun)!r}).touch()\n"
    cell = asyncio.ensure_future(kernel.run(touch + "while not over: time.sleep(0.005)"))
    await eventually(begun.exists, "the cell")
    assert await listener.link.send(kernel.kernel_id, Reviewer(present=True))
    await kernel.aside("over = not heard")
    await cell
    assert await kernel.value("over")
    assert [thread for thread, _ in await kernel.heard("reviewer")] == ["MainThread"]


async def test_one_subshell_is_made_for_a_kernel_and_another_one_after_a_restart(listener: Listener) -> None:
    kernel = await listener.greeted()
    for present in (True, False, True):
        assert await listener.link.send(kernel.kernel_id, Reviewer(present=present))
    await kernel.hello(load_id="another")
    await listener.hears(kernel.kernel_id, "hello", 2)
    assert await listener.link.send(kernel.kernel_id, Reviewer(present=True))
    await kernel.heard("reviewer", 4)
    assert len(await _subshells(kernel)) == 1
    await kernel.restart()
    assert not await listener.link.send(kernel.kernel_id, Reviewer(present=True))
    await kernel.hello()
    await listener.hears(kernel.kernel_id, "hello", 3)
    assert await listener.link.send(kernel.kernel_id, Reviewer(present=True))
    (heard,) = await kernel.heard("reviewer")
    assert heard[0] == "subshell"
    assert len(await _subshells(kernel)) == 1


# Before 7.4 ipykernel tells nobody that a subshell is gone; the link to the kernel uses the control channel then.
if version_info >= (7, 4):

    async def test_a_subshell_that_somebody_deleted_is_made_again(listener: Listener) -> None:
        kernel = await listener.greeted()
        assert await listener.link.send(kernel.kernel_id, Reviewer(present=True))
        await kernel.heard("reviewer")
        (subshell,) = await _subshells(kernel)
        await kernel.ask("delete_subshell_request", {"subshell_id": subshell})
        assert await listener.link.send(kernel.kernel_id, Reviewer(present=False))
        heard = await kernel.heard("reviewer", 2)
        assert [(thread, data["present"]) for thread, data in heard] == [("subshell", True), ("subshell", False)]
        (again,) = await _subshells(kernel)
        assert again != subshell


async def test_a_kernel_that_has_not_said_hello_cannot_be_told_anything(listener: Listener) -> None:
    kernel = await listener.kernel()
    assert listener.link.reach(kernel.kernel_id) is None
    assert not await listener.link.send(kernel.kernel_id, Reviewer(present=True))
    assert not await listener.link.send("no such kernel", Reviewer(present=True))
    listener.link.heard("no such kernel", "rlm_jupyter-ab", "subshell")  # it was there a moment ago
    assert not await listener.link.send("no such kernel", Reviewer(present=True))


async def test_a_kernel_whose_comm_is_closed_cannot_be_told_anything(listener: Listener) -> None:
    kernel = await listener.greeted()
    await kernel.run("comm.close()")
    await eventually(lambda: listener.link.reach(kernel.kernel_id) is None, "that the comm is closed")
    assert not await listener.link.send(kernel.kernel_id, Reviewer(present=True))


async def test_a_kernel_that_makes_no_subshell_in_time_is_not_waited_for(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rlm_jupyter.server.line._CREATION", 0.1)
    kernel = await listener.greeted()
    process = psutil.Process(await kernel.value("__import__('os').getpid()"))
    process.suspend()
    try:
        assert not await listener.link.send(kernel.kernel_id, Reviewer(present=True))
        monkeypatch.undo()
        # Whoever comes later does not wait, one after the other: this would take minutes.
        sending = [listener.link.send(kernel.kernel_id, Reviewer(present=True)) for _ in range(30)]
        assert not any(await asyncio.wait_for(asyncio.gather(*sending), 4.0))
    finally:
        process.resume()
    deadline = time.monotonic() + 30
    while not await listener.link.send(kernel.kernel_id, Reviewer(present=False)):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
    heard = await kernel.heard("reviewer")
    assert [data["present"] for _, data in heard] == [False]


async def test_what_a_relayed_kernel_is_told_waits_for_the_front_end(listener: Listener) -> None:
    hello = {"type": "hello", "protocol": 1, "load_id": "a", "version": "0.1", "reach": "subshell"}
    assert await _relay(listener, "far", [hello]) == []
    await listener.hears("far", "hello")
    listener.link.relays("far")
    listener.link.heard("far", "", "subshell")
    for number in range(600):
        assert await listener.link.send("far", Notebook(path=f"{number}.ipynb"))
    waiting = await _relay(listener, "far", [])
    assert [message["path"] for message in waiting] == [f"{number}.ipynb" for number in range(100, 600)]
    assert await _relay(listener, "far", []) == []


async def test_no_descriptor_is_left_behind(listener: Listener) -> None:
    process = psutil.Process()
    before = 0
    for round_ in range(6):
        kernel = await listener.kernel()
        for number in range(10):
            await kernel.hello(load_id=f"load-{number}")
            await listener.hears(kernel.kernel_id, "hello", number + 1)
            assert await listener.link.send(kernel.kernel_id, Reviewer(present=True))
        await kernel.heard("reviewer", 10)
        await kernel.shut_down()
        await eventually(lambda: listener.link.reach(kernel.kernel_id) is None, "that it is gone")  # noqa: B023
        await eventually(lambda: not listener.tap._leaving, "that its socket is closed")
        if round_ == 0:  # what is opened once, such as the store
            before = process.num_fds()
    await eventually(lambda: process.num_fds() <= before, f"no more than {before} descriptors")


async def _subshells(kernel: Kernel) -> list[str]:
    return list((await kernel.ask("list_subshell_request", {}))["subshell_id"])


async def _relay(listener: Listener, kernel_id: str, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return await listener.intake.relay(kernel_id, messages)
