"""When a run is over, nothing more leaves the machine: not what is in flight, what streams, or what waits to retry."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest
from every_environment import Place, in_every_environment
from family import question
from scripted_server import ChatRequest, Reply, ScriptedServer
from scripts import code, is_root

from rlm_jupyter.core.errors import TimeoutExceededError

THREADS = (
    "import threading",
    "def ask(prompt):",
    "    try:",
    "        llm_query(prompt)",
    "    except Exception:",
    "        pass",
    "for prompt in ('again', 'slow'):",
    "    threading.Thread(target=ask, args=[prompt]).start()",
)
TASKS = (
    "import asyncio",
    "tasks = [asyncio.ensure_future(llm_query_async(prompt)) for prompt in ('again', 'slow')]",
    "await asyncio.sleep(0)",
)
"""Two calls in the background: one is to be tried again in a moment, the other is never answered."""


class Model:
    """Waits in its first run until both calls have come; its second run takes longer than the pause of a retry."""

    def __init__(self, *first: str) -> None:
        self.first = code(*first)
        self.over = threading.Event()
        self.came = threading.Event()
        self.prompts: list[str] = []

    def __call__(self, request: ChatRequest) -> Reply | str:
        if is_root(request):
            return self.first if question(request) == "first" else Reply("FINAL(second)", delay=0.6)
        self.prompts.append(request.prompt)
        if {"again", "slow"} <= set(self.prompts):
            self.came.set()
        if request.prompt == "again":
            return Reply("Come back in a moment", status=500, headers={"Retry-After": "0.3"})
        return Reply("late", held=self.over if request.prompt == "slow" else self.came)


def nothing_follows(place: Place, model: Model, end: Callable[[ScriptedServer, Place], None]) -> None:
    """Check that a run which ends in this way sends nothing more, for the length of another run."""
    with ScriptedServer(model) as server:
        try:
            end(server, place)
            server.wait_idle()
            sent = list(model.prompts)
            with place.asked(server) as rlm:
                assert rlm.completion("second").response == "second"
            assert model.prompts == sent
        finally:
            model.over.set()


def answered(server: ScriptedServer, place: Place) -> None:
    with place.asked(server) as rlm:
        assert rlm.completion("first").response == "over"


@in_every_environment
def test_an_answer_ends_what_threads_still_ask(place: Place) -> None:
    nothing_follows(place, Model(*THREADS, "llm_query('go')", "FINAL('over')"), answered)


@in_every_environment
def test_an_answer_ends_what_tasks_still_ask(place: Place) -> None:
    nothing_follows(place, Model(*TASKS, "await llm_query_async('go')", "FINAL('over')"), answered)


@in_every_environment
def test_a_limit_ends_what_is_asked(place: Place) -> None:
    def end(server: ScriptedServer, place: Place) -> None:
        with place.asked(server, max_timeout=1.0) as rlm, pytest.raises(TimeoutExceededError):
            rlm.completion("first")

    nothing_follows(place, Model(*TASKS, "await asyncio.gather(*tasks)"), end)


@in_every_environment
def test_a_limit_that_is_over_before_anything_is_asked(place: Place) -> None:
    with ScriptedServer(lambda _: "FINAL(too late)") as server:
        with place.asked(server, max_timeout=0.001) as rlm, pytest.raises(TimeoutExceededError):
            rlm.completion("first")
        server.wait_idle()


@in_every_environment
async def test_a_cancelled_completion_closes_its_stream(place: Place) -> None:
    chunks = ["word "] * 2_000
    streaming = threading.Event()
    with ScriptedServer(lambda _: Reply(chunks=chunks, pause=0.02)) as server:
        async with place.asked(server) as rlm:
            rlm.on_text = lambda piece: streaming.set()
            task = asyncio.ensure_future(rlm.acompletion("Tell me."))
            assert await asyncio.to_thread(streaming.wait, 60)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.to_thread(server.wait_idle)
        assert len(server.requests) == 1
