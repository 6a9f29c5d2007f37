"""``llm_query_async`` and ``rlm_query_async`` in every environment: together, within limits, ended with their run."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from every_environment import Place, in_every_environment
from family import family, question
from scripted_server import ChatRequest, Reply, ScriptedServer
from scripts import code, is_root, says

from rlm_jupyter import RLMChatCompletion
from rlm_jupyter.core.errors import TokenLimitExceededError
from rlm_jupyter.trace.schema import CodeEnd, SubcallStart
from rlm_jupyter.trace.trace import Trace


def printed(result: RLMChatCompletion) -> str:
    assert isinstance(result.trace, Trace)
    ends = [span.end.payload for each in result.trace.iterations for span in each.children if span.end is not None]
    outputs = [output for end in ends if isinstance(end, CodeEnd) for output in end.outputs]
    return "".join(output.get("text", "") or "".join(output.get("traceback", "")) for output in outputs)


class Holding:
    """A sub-model that answers ``go`` once it was asked ``slow``, and ``slow`` never."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.over = threading.Event()

    def __call__(self, request: ChatRequest) -> Reply | str:
        if request.prompt == "slow":
            self.asked.set()
            return Reply("too late", held=self.over)
        return Reply("there it is", held=self.asked) if request.prompt == "go" else "a reply"


@contextmanager
def held(script: Callable[[Holding], Any]) -> Iterator[ScriptedServer]:
    """A server some replies of which are held back until the block ends."""
    holding = Holding()
    with ScriptedServer(script(holding)) as server:
        try:
            yield server
        finally:
            holding.over.set()


@in_every_environment
def test_gathered_calls_are_under_way_together_and_answered_in_order(place: Place) -> None:
    together = threading.Event()
    asked: list[str] = []

    def leaf(request: ChatRequest) -> Reply:
        asked.append(request.prompt)
        if len(asked) == 3:
            together.set()
        return Reply(f"<{request.prompt}>", held=together)

    block = code("import asyncio", "print(*await asyncio.gather(*(llm_query_async(each) for each in 'abc')))")
    with ScriptedServer(says(block, "FINAL(done)", sub=leaf)) as server, place.asked(server) as rlm:
        result = rlm.completion("Ask three at once.")
    assert printed(result) == "<a> <b> <c>\n"
    assert server.max_in_flight == 3
    assert isinstance(result.trace, Trace)
    assert [span.status for span in result.trace.subcalls] == ["ok"] * 3
    parents = {span.start.parent_id for span in result.trace.subcalls}
    assert [result.trace.spans[str(each)].kind for each in parents] == ["code"]
    assert result.usage_summary.total_calls == 2 + 3


@in_every_environment
def test_no_more_calls_are_under_way_than_may_be(place: Place) -> None:
    block = code("import asyncio", "print(len(await asyncio.gather(*(llm_query_async(str(n)) for n in range(20)))))")
    script = says(block, "FINAL(done)", sub=Reply("r", delay=0.005))
    with ScriptedServer(script) as server, place.asked(server, max_concurrent_subcalls=3) as rlm:
        assert printed(rlm.completion("Ask many.")) == "20\n"
    assert server.max_in_flight == 3


@in_every_environment
def test_a_call_that_fails_raises_and_is_gathered(place: Place) -> None:
    def leaf(request: ChatRequest) -> Reply | str:
        return Reply("no such thing", status=404) if request.prompt == "bad" else "good"

    blocks = [
        code(
            "import asyncio",
            "both = await asyncio.gather(llm_query_async('ok'), llm_query_async('bad'), return_exceptions=True)",
            "print(both[0], type(both[1]).__name__)",
        ),
        code("await llm_query_async({1})"),
        code("await rlm_query_async('bad')"),
    ]
    with ScriptedServer(says(*blocks, "FINAL(done)", sub=leaf)) as server, place.asked(server) as rlm:
        said = printed(rlm.completion("Fail."))
    assert said.startswith("good ClientError\n")
    assert "ScaffoldError: A prompt is a string, a picture," in said
    assert "ClientError: " in said.splitlines()[-1]
    assert "no such thing" in said.splitlines()[-1]


@in_every_environment
def test_a_cancelled_task_breaks_its_call_off(place: Place) -> None:
    block = code(
        "import asyncio",
        "task = asyncio.ensure_future(llm_query_async('slow'))",
        "print(await llm_query_async('go'))",
        "task.cancel()",
        "print(await asyncio.gather(task, return_exceptions=True))",
    )
    with held(lambda holding: says(block, "FINAL(done)", sub=holding)) as server:
        with place.asked(server) as rlm:
            result = rlm.completion("Think better of it.")
        server.wait_idle()
    assert printed(result).startswith("there it is\n[CancelledError(")
    assert isinstance(result.trace, Trace)
    statuses = {result.trace.blobs[_start(span).prompt].text: span.status for span in result.trace.subcalls}
    assert statuses == {"slow": "interrupted", "go": "ok"}


@in_every_environment
def test_what_is_in_flight_ends_with_the_run_and_what_comes_later_is_refused(place: Place) -> None:
    first = code(
        "import asyncio",
        "gate = asyncio.Event()",
        "async def late(ask=llm_query_async):",
        "    await gate.wait()",
        "    return await ask('late')",
        "slow, later = asyncio.ensure_future(llm_query_async('slow')), asyncio.ensure_future(late())",
        "print(await llm_query_async('go'))",
        "FINAL('over')",
    )
    second = code("gate.set()", "print(await asyncio.gather(slow, later, return_exceptions=True))", "FINAL(1)")

    def script(holding: Holding) -> Callable[[ChatRequest], Reply | str]:
        runs = {"first": first, "second": second}
        return lambda request: runs[question(request)] if is_root(request) else holding(request)

    with held(script) as server, place.asked(server, persistent=True) as rlm:
        assert rlm.completion("first").response == "over"
        server.wait_idle()
        result = rlm.completion("second")
        assert {request.prompt for request in server.requests if not is_root(request)} == {"slow", "go"}
    said = printed(result)
    assert said.count("CancellationError(") == 2
    assert said.count("The run has ended") == 2


@in_every_environment
def test_a_limit_that_an_awaited_call_reaches_ends_the_run(place: Place) -> None:
    block = code("import asyncio", "for n in range(9):", "    await llm_query_async('many words')", "FINAL(1)")
    dear = Reply("r", usage={"prompt_tokens": 400, "completion_tokens": 1, "total_tokens": 401})
    free = Reply(block, usage={"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2})
    with ScriptedServer(says(free, sub=dear)) as server, place.asked(server, max_tokens=1_000) as rlm:
        with pytest.raises(TokenLimitExceededError):
            rlm.completion("Spend.")
        server.wait_idle()
        assert len(server.requests) < 9


@in_every_environment
def test_awaited_children_work_side_by_side_and_one_that_is_cancelled_ends_alone(place: Place) -> None:
    block = code(
        "import asyncio",
        "task = asyncio.ensure_future(rlm_query_async('slow child'))",
        "print(await asyncio.gather(rlm_query_async('one'), rlm_query_async('two')))",
        "print(await llm_query_async('go'))",
        "task.cancel()",
        "print(await asyncio.gather(task, return_exceptions=True))",
        "print(await rlm_query_async('three'))",
    )

    def script(holding: Holding) -> Callable[[ChatRequest], Reply | str]:
        parent = family(block, "FINAL(done)")

        def model(request: ChatRequest) -> Reply | str:
            if not is_root(request):
                return holding(request)
            if question(request) == "slow child":
                return code("llm_query('slow')")
            return parent(request) if question(request) == "parent" else f"FINAL({question(request)} is done)"

        return model

    with held(script) as server:
        with place.asked(server, max_depth=2) as rlm:
            result = rlm.completion("parent")
        server.wait_idle()
    said = printed(result).splitlines()
    assert said[0] == "['one is done', 'two is done']"
    assert said[2].startswith("[CancelledError(")
    assert said[3] == "three is done"
    assert isinstance(result.trace, Trace)
    assert sorted(str(child.status) for child in result.trace.children) == ["interrupted", "ok", "ok", "ok"]


@in_every_environment
async def test_completions_gathered_in_one_cell(place: Place) -> None:
    """Two runs, each of which awaits calls of its own, while the caller's loop goes on."""
    together = threading.Event()
    asked: list[str] = []

    def leaf(request: ChatRequest) -> Reply:
        asked.append(request.prompt)
        if len(asked) == 4:
            together.set()
        return Reply(f"<{request.prompt}>", held=together)

    def model(request: ChatRequest) -> Reply | str:
        if not is_root(request):
            return leaf(request)
        name = question(request)
        awaits = f"await asyncio.gather(llm_query_async('{name}1'), llm_query_async('{name}2'))"
        return code("import asyncio", f"FINAL(' '.join({awaits}))")

    with ScriptedServer(model) as server:
        async with place.asked(server) as left, place.asked(server) as right:
            results = await asyncio.gather(left.acompletion("left"), right.start_session().achat("right"))
    assert [each.response for each in results] == ["<left1> <left2>", "<right1> <right2>"]
    assert server.max_in_flight == 4


@in_every_environment
async def test_cancelling_a_completion_ends_what_its_code_awaits(place: Place) -> None:
    block = code("print('begins')", "await llm_query_async('slow')")
    with held(lambda holding: says(block, "FINAL(no)", sub=holding)) as server:
        async with place.asked(server) as rlm:
            task = asyncio.ensure_future(rlm.acompletion("Wait."))
            await asyncio.to_thread(server.wait_for, 2)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.to_thread(server.wait_idle)
        assert len(server.requests) == 2


@in_every_environment
def test_the_names_are_reserved_and_hidden(place: Place) -> None:
    with place.make() as repl:
        assert "async" not in str(repl.execute_code("print(SHOW_VARS())").stdout)
        spoilt = repl.execute_code("llm_query_async = rlm_query_async = None")
        assert len(spoilt.notes) == 2
        assert repl.execute_code("print(llm_query_async is None)").stdout == "False\n"


def _start(span: Any) -> SubcallStart:
    assert isinstance(span.start.payload, SubcallStart)
    return span.start.payload
