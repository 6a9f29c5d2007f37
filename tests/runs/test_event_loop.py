"""The kernel's event loop while an ``await rlm.acompletion(...)`` cell waits for the model."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator

import psutil
import pytest
from live_kernel import LiveKernel
from scripted_server import ChatRequest, Reply, ScriptedServer
from scripts import code, says

from rlm_jupyter import RLM

BOUND = 0.020  # seconds between two ticks; the issue of the model clients names it
TRIES = 5  # of the measurement: the machine has other work, too, and one that holds the loop up does so every time

MEASURE = """
import asyncio, json, time
from rlm_jupyter import RLM

async def measured(base_url, environment, kind):
    \"\"\"Return a ticker's longest pauses, in seconds, while the model was waited for, and how many there were.\"\"\"
    ticks = []

    async def tick():
        while True:
            ticks.append(time.time())
            await asyncio.sleep(0.001)

    settings = {"model_name": "m", "api_key": "k", "base_url": base_url}
    async with RLM("openai", settings, environment=environment, environment_kwargs=kind) as rlm:
        ticking = asyncio.ensure_future(tick())
        result = await rlm.acompletion("q")
        ticking.cancel()
    pauses = []
    for iteration in result.trace.iterations:
        for span in iteration.children:
            if span.kind == "model_call":
                times = span.start.started, span.end.ended
                within = [(max(a, times[0]), min(b, times[1])) for a, b in zip(ticks, ticks[1:])]
                pauses += [b - a for a, b in within if b > a]
    return {"answer": result.response, "longest": sorted(pauses)[-5:], "ticks": len(pauses)}
"""

PLACES = {
    "jupyter": ("jupyter", {}),
    "local": ("local", {}),
    "in_process": ("ipython", {"kernel_mode": "in_process"}),
    "subprocess": ("ipython", {"kernel_mode": "subprocess"}),
}


@pytest.fixture(scope="module")
def kernel() -> Iterator[LiveKernel]:
    with LiveKernel() as kernel:
        kernel.ok(MEASURE)
        yield kernel


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("place", PLACES)
def test_the_event_loop_ticks_while_the_model_is_waited_for(kernel: LiveKernel, place: str, streamed: bool) -> None:
    thought = "I look at it first, and then I say what I found out. " * 40
    waiting = Reply(f"{thought}\n{code('x = 1')}", delay=0.1, pause=0.005, stream=streamed)
    with ScriptedServer(says(waiting, Reply("FINAL(done)", delay=0.1, stream=streamed))) as server:
        cell = f"print(json.dumps(await measured({server.base_url!r}, *{PLACES[place]!r})))"
        kernel.ok(cell)  # imports what is imported at first use
        seen = []
        for _ in range(TRIES):
            told = json.loads(kernel.ok(cell).stdout)
            assert told["answer"] == "done"
            assert told["ticks"] > 20
            seen.append(told["longest"])
            if told["longest"][-1] <= BOUND:
                return
    pytest.fail(f"Each of {TRIES} times the event loop stood still for longer than {BOUND} s: {seen}")


def test_the_stop_button_ends_completions_that_are_awaited_together(kernel: LiveKernel) -> None:
    """Nothing is sent after the interrupt, and what was open is closed."""
    over = threading.Event()
    with ScriptedServer(lambda _: Reply("too late", held=over)) as server:
        settings = {"model_name": "m", "api_key": "k", "base_url": server.base_url}
        cell = kernel.send(
            "beats = 0\nasync def beat():\n    global beats\n    while True:\n        beats += 1\n"
            "        await asyncio.sleep(0.001)\nbeating = asyncio.ensure_future(beat())\n"
            f"runs = [RLM('openai', {settings!r}, environment=each) for each in ('jupyter', 'local', 'local')]\n"
            "await asyncio.gather(*(rlm.acompletion('q') for rlm in runs))"
        )
        server.wait_for(3)
        kernel.interrupt()
        ended = kernel.finish(cell)
        server.wait_idle()
        over.set()
        assert ended.status == "error"
        assert len(server.requests) == 3
        assert int(kernel.value("beats")) > 1
        kernel.ok("beating.cancel()")


@pytest.mark.parametrize("place", PLACES)
def test_the_stop_button_ends_what_code_awaits(kernel: LiveKernel, place: str) -> None:
    over = threading.Event()
    blocks = code("import asyncio", "await asyncio.gather(*(llm_query_async(each) for each in 'abc'))")
    with ScriptedServer(says(blocks, sub=Reply("too late", held=over))) as server:
        environment, kind = PLACES[place]
        settings = {"model_name": "m", "api_key": "k", "base_url": server.base_url}
        cell = kernel.send(
            f"RLM('openai', {settings!r}, environment={environment!r}, environment_kwargs={kind!r}).completion('q')"
        )
        server.wait_for(4)
        kernel.interrupt()
        ended = kernel.finish(cell)
        server.wait_idle()
        over.set()
        assert ended.error.startswith("InterruptedRun")
        assert len(server.requests) == 4


def asked(server: ScriptedServer) -> RLM:
    settings = {"model_name": "m", "api_key": "k", "base_url": server.base_url}
    return RLM("openai", settings, environment="ipython", environment_kwargs={"kernel_mode": "subprocess"})


def test_the_event_loop_goes_on_while_a_kernel_starts() -> None:
    ticks: list[float] = []
    at_first: list[int] = []

    def model(request: ChatRequest) -> str:
        at_first.append(len(ticks))
        return "FINAL(done)"

    async def tick() -> None:
        while True:
            ticks.append(time.monotonic())
            await asyncio.sleep(0.001)

    async def run(server: ScriptedServer) -> str:
        ticking = asyncio.ensure_future(tick())
        async with asked(server) as rlm:
            result = await rlm.acompletion("q")
        ticking.cancel()
        return result.response

    with ScriptedServer(model) as server:
        assert asyncio.run(run(server)) == "done"
    assert at_first[0] > 10


def test_a_kernel_for_which_nobody_waits_any_more_is_given_up() -> None:
    async def run(server: ScriptedServer) -> None:
        async with asked(server) as rlm:
            task = asyncio.ensure_future(rlm.acompletion("q"))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    others = psutil.Process().children(recursive=True)
    with ScriptedServer(["never asked"]) as server:
        asyncio.run(run(server))
        for thread in threading.enumerate():
            if thread.name == "rlm-jupyter-environment":
                thread.join(60)
        assert [each for each in psutil.Process().children(recursive=True) if each not in others] == []
        assert server.requests == []
