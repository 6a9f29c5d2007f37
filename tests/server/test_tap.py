"""Every kernel is listened to, whoever starts it and however it ends; the kernels are real, and speak by hand."""

from __future__ import annotations

import json
import os
import signal
from typing import Any

import pytest
from jupyter_server.serverapp import ServerApp
from kernel_by_hand import Listener, eventually
from made_runs import begun_run, made_run

from rlm_jupyter.server import intake, tap
from rlm_jupyter.trace import wire


async def test_what_a_kernel_publishes_is_in_the_store(listener: Listener) -> None:
    kernel = await listener.greeted()
    events = made_run("Where does the walrus live?")
    await kernel.publish(events)
    run_id = events[0].run_id
    await listener.whole(run_id)
    run = listener.store.run(run_id)
    assert run is not None
    assert (run.kernel_id, run.status, run.events) == (kernel.kernel_id, "ok", len(events))
    (stored,) = await kernel.heard("stored")
    assert stored[1] == {"type": "stored", "run_id": run_id, "events": len(events)}
    await eventually(lambda: any(change.whole for change in listener.changes), "the news of it")
    assert listener.refused.total() == 0


async def test_kernels_that_were_there_before_are_listened_to(listener: Listener) -> None:
    await listener.tap.stop()
    kernel = await listener.kernel()
    await kernel.hello()
    assert not listener.tap.hears(kernel.kernel_id)
    await listener.listen_anew()
    assert listener.tap.hears(kernel.kernel_id)
    assert listener.tap.kernels() == {"heard": 1, "relayed": 0}
    # It has said hello to nobody: it is asked to again as soon as it says anything else.
    while not listener.told:  # what it says before the subscription has reached it is lost
        await kernel.say({"type": "ask_sessions", "request_id": "1"})
    (hello,) = await listener.hears(kernel.kernel_id, "hello")
    assert hello.reach == listener.link.reach(kernel.kernel_id) != "shell"


async def test_only_our_own_comm_is_listened_to(listener: Listener) -> None:
    kernel = await listener.greeted()
    before = listener.intake.stats()["received"]["messages"]
    await kernel.run("print('a' * 100_000)")
    await kernel.run("Comm(target_name='rlm_jupyter', comm_id='1234', data=HELLO)")
    await kernel.say({"type": "ask_sessions", "request_id": "1"})
    await listener.hears(kernel.kernel_id, "ask_sessions")
    assert listener.intake.stats()["received"]["messages"] == before + 1


async def test_a_kernel_that_restarts_is_heard_again_and_its_runs_have_ended(listener: Listener) -> None:
    kernel = await listener.greeted()
    cut, events = begun_run("Which colour has the lamp?"), made_run("Which colour has the door?")
    await kernel.publish(cut)
    await eventually(lambda: listener.store.run(cut[0].run_id), "the run that is cut")
    await kernel.restart()
    await eventually(lambda: _status(listener, cut[0].run_id) == "interrupted", "the end of the run")
    assert listener.gone == [kernel.kernel_id]
    assert listener.link.reach(kernel.kernel_id) is None
    await kernel.hello()
    await kernel.publish(events)
    await listener.whole(events[0].run_id)
    (stored,) = await kernel.heard("stored")
    assert stored[1]["run_id"] == events[0].run_id
    ended = [change for change in listener.changes if change.run_id == cut[0].run_id and change.ended]
    assert len(ended) == 1


async def test_a_kernel_that_is_killed_is_noticed_and_the_next_one_heard(listener: Listener) -> None:
    kernel = await listener.greeted()
    cut = begun_run("Which colour has the lamp?")
    await kernel.publish(cut)
    await eventually(lambda: listener.store.run(cut[0].run_id), "the run that is cut")
    os.kill(await kernel.value("__import__('os').getpid()"), signal.SIGKILL)
    await eventually(lambda: _status(listener, cut[0].run_id) == "interrupted", "the end of the run")
    # A young kernel that dies is restarted at other ports.
    kernel.close()
    again = await type(kernel)(listener.app, kernel.kernel_id).ready()
    await again.hello(load_id="another")
    hellos = await listener.hears(kernel.kernel_id, "hello", 2)
    assert hellos[-1].load_id == "another"
    again.close()


async def test_a_kernel_that_is_shut_down_is_let_go_once_it_has_said_all(listener: Listener) -> None:
    kernel = await listener.greeted()
    events = made_run("Where does the walrus live?")
    message = json.dumps({"type": "events", "events": [event.model_dump(mode="json") for event in events]})
    await kernel.run(f"import atexit; atexit.register(lambda: comm.send(json.loads({message!r})))")
    await kernel.shut_down()
    await listener.whole(events[0].run_id)
    assert _status(listener, events[0].run_id) == "ok"
    assert listener.gone == [kernel.kernel_id]
    await eventually(lambda: not listener.tap.kernels()["heard"], "that nobody listens any more")


async def test_a_culled_kernel_is_let_go(jp_serverapp: ServerApp, listener: Listener) -> None:
    kernel = await listener.greeted()
    cut = begun_run("Which colour has the lamp?")
    await kernel.publish(cut)
    await eventually(lambda: listener.store.run(cut[0].run_id), "the run that is cut")
    kernel.close()
    jp_serverapp.kernel_manager.cull_connected = True
    kernel.manager.kernel_spec.metadata["cull_idle_timeout"] = -1
    await eventually(lambda: kernel.manager.execution_state == "idle", "that the kernel has nothing to do")
    manager: Any = jp_serverapp.kernel_manager
    await manager.cull_kernels()
    assert kernel.kernel_id not in jp_serverapp.kernel_manager
    await eventually(lambda: _status(listener, cut[0].run_id) == "interrupted", "the end of the run")
    assert not listener.tap.hears(kernel.kernel_id)


async def test_a_kernel_that_vanishes_from_the_map_is_let_go(
    jp_serverapp: ServerApp, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = await listener.greeted()
    removed: Any = jp_serverapp.kernel_manager.remove_kernel(kernel.kernel_id)
    try:
        await eventually(lambda: listener.gone == [kernel.kernel_id], "that it is noticed")
    finally:
        await removed.shutdown_kernel(now=True)


async def test_a_kernel_that_cannot_be_heard_is_relayed(listener: Listener) -> None:
    far = await listener.kernel()
    # As a gateway's kernel is: there is an object for it, and no port.
    far.manager.iopub_port = 0
    await listener.tap.stop()
    await listener.listen_anew()
    assert listener.tap.kernels() == {"heard": 0, "relayed": 1}
    assert not listener.tap.hears(far.kernel_id)


def test_what_stands_twice_is_the_same() -> None:
    assert tap._TOPIC == wire.TOPIC
    assert intake._MESSAGE_LIMIT == wire.MESSAGE_LIMIT


def _status(listener: Listener, run_id: str) -> str | None:
    run = listener.store.run(run_id)
    assert run is not None
    return run.status
