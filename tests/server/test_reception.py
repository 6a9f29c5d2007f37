"""Kernels are welcomed and answered, however often they ask and whatever fails meanwhile; they are real."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from jupyter_server.serverapp import ServerApp
from kernel_by_hand import Kernel, Listener, eventually
from recorded_runs import conversation

from rlm_jupyter.server.notebooks import Notebooks
from rlm_jupyter.server.reception import Reception
from rlm_jupyter.trace.wire import AskSession, Hello


class Desk:
    """Kernels of a notebook, and who receives them."""

    def __init__(self, app: ServerApp, listener: Listener, root: Path) -> None:
        self.app = app
        self.listener = listener
        self.notebooks = Notebooks(app, listener.store)
        self.reception = Reception(listener.link, listener.store, self.notebooks)
        listener.intake.on_hello.append(self.reception.hello)
        listener.intake.on_ask.append(self.reception.asked)
        listener.tap.on_gone.append(self.reception.gone)
        (root / "a.ipynb").write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}')

    async def kernel(self) -> Kernel:
        """A kernel of the notebook, which has not said hello."""
        kernel = await self.listener.kernel()
        await self.app.session_manager.create_session(
            path="a.ipynb", name="a.ipynb", type="notebook", kernel_name="python3", kernel_id=kernel.kernel_id
        )
        self.notebook_id = await self.notebooks.of_kernel(kernel.kernel_id)
        return kernel


@pytest.fixture
def desk(
    jp_serverapp: ServerApp, listener: Listener, jp_root_dir: Path, jp_asyncio_loop: asyncio.AbstractEventLoop
) -> Iterator[Desk]:
    desk = Desk(jp_serverapp, listener, jp_root_dir)
    jp_asyncio_loop.run_until_complete(desk.notebooks.start())
    yield desk
    jp_asyncio_loop.run_until_complete(desk.reception.close())
    jp_asyncio_loop.run_until_complete(desk.notebooks.stop())


async def test_a_long_conversation_is_told_in_bounds_the_last_turns_first(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rlm_jupyter.server.reception._TEXT_TOLD", 2_000)
    monkeypatch.setattr("rlm_jupyter.server.reception._RECORD_TOLD", 50_000)
    kernel = await desk.kernel()
    questions = [f"{number}: {'walrus ' * 1_000}?" for number in range(40)]
    for events in conversation(*questions).values():
        desk.listener.store.take(kernel.kernel_id, desk.notebook_id, events)
    await kernel.hello()
    ((_, welcome),) = await kernel.heard("welcome")
    turns = welcome["last"]["turns"]
    assert len(json.dumps(welcome)) < 51_000
    assert 10 < len(turns) < 40
    assert [turn["question"].partition(":")[0] for turn in turns] == [str(each) for each in range(40 - len(turns), 40)]
    assert "characters left out" in turns[-1]["question"]
    assert len(turns[-1]["question"]) < 2_100


async def test_a_kernel_that_asks_on_and_on_is_answered_in_bounds(desk: Desk) -> None:
    kernel = await desk.kernel()
    await kernel.hello()
    await kernel.heard("welcome")
    for number in range(150):
        desk.reception.asked(kernel.kernel_id, AskSession(request_id=f"r{number}"))
        hello = Hello(load_id=f"l{number}", version="0.1", reach="subshell")
        desk.reception.hello(kernel.kernel_id, hello)
    assert len(desk.reception._tasks) == 2
    await eventually(lambda: not desk.reception._tasks, "the last answer")
    answered = await kernel.heard("tell_session", 8)
    assert [data["request_id"] for _, data in answered] == [f"r{number}" for number in range(8)]
    welcomes = await kernel.heard("welcome", 2)
    assert [data["load_id"] for _, data in welcomes] == ["0123abcd", "l149"]
    desk.reception.asked(kernel.kernel_id, AskSession(request_id="later"))
    await kernel.heard("tell_session", 9)


async def test_a_welcome_is_tried_again_and_a_question_is_answered_while_the_store_fails(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("rlm_jupyter.server.reception._PAUSES", (0.01, 0.05))
    kernel = await desk.kernel()
    store = desk.listener.store
    unreadable = type(store)(store.path.parent)
    desk.reception._store = unreadable
    await kernel.hello()
    await kernel.say({"type": "ask_session", "request_id": "1"}, {"type": "ask_sessions", "request_id": "2"})
    ((_, one),) = await kernel.heard("tell_session")
    assert one == {"type": "tell_session", "request_id": "1", "session": None, "found": 0}
    ((_, all_),) = await kernel.heard("tell_sessions")
    assert all_ == {"type": "tell_sessions", "request_id": "2", "sessions": []}
    assert caplog.text.count("Kernels cannot be told") == 1
    desk.reception._store = store
    ((_, welcome),) = await kernel.heard("welcome")
    assert (welcome["load_id"], welcome["notebook"]) == ("0123abcd", "a.ipynb")
    unreadable.close()


async def test_a_welcome_that_did_not_arrive_is_said_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rlm_jupyter.server.reception._PAUSES", (0.01, 0.05))
    monkeypatch.setattr("rlm_jupyter.server.line._CREATION", 0.05)
    kernel = await desk.kernel()
    desk.listener.intake.on_hello.remove(desk.reception.hello)
    await kernel.hello()
    (hello,) = await desk.listener.hears(kernel.kernel_id, "hello")
    process = psutil.Process(await kernel.value("__import__('os').getpid()"))
    process.suspend()
    try:
        desk.reception.hello(kernel.kernel_id, hello)
        address = desk.listener.link._addresses[kernel.kernel_id]
        await eventually(lambda: address.line is not None and address.line._is_late, "that it takes too long")
    finally:
        process.resume()
    ((_, welcome),) = await kernel.heard("welcome")
    assert welcome["load_id"] == "0123abcd"
    await eventually(lambda: not desk.reception._tasks, "the end of it")


async def test_a_kernel_is_told_where_its_trace_is_written_also_when_it_comes_later(desk: Desk) -> None:
    early = await desk.kernel()
    await early.hello()
    await early.heard("welcome")
    desk.reception.written(desk.notebook_id or 0, "a.trace.ipynb", None)
    desk.reception.written(-1, None, "of a notebook that has no kernel")
    ((_, told),) = await early.heard("written")
    assert told == {"type": "written", "path": "a.trace.ipynb", "problem": None}
    late = await desk.kernel()
    await late.hello()
    ((_, told_late),) = await late.heard("written")
    assert told_late == told
