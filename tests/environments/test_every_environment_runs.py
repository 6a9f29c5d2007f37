"""Whole runs in every environment: conversations, limits, children, typed answers. See docs/guides/environments.md."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from compacted_run import Explorer
from every_environment import Place, in_every_environment
from family import begun, family, printed, trace_of
from pydantic import BaseModel
from scripted_server import ChatRequest, Reply, ScriptedServer
from scripts import code, says

from rlm_jupyter import RLM
from rlm_jupyter.core.errors import ConfigurationError, TimeoutExceededError
from rlm_jupyter.core.prompts import COMPACTION_REQUEST
from rlm_jupyter.trace.schema import SubcallEnd


@in_every_environment
def test_a_run(place: Place) -> None:
    script = says("Let me look.\n\n" + code("found = context.count('needle')", "print(found)"), code("FINAL(found)"))
    with ScriptedServer(script) as server, place.asked(server) as rlm:
        result = rlm.completion("hay needle hay", "How many needles?")
        told = server.requests[1].messages[-1]["content"]
    assert result.response == "1"
    assert told == "Output:\n1"
    assert result.usage_summary.total_calls == 2


@in_every_environment
def test_a_model_reads_the_traceback_after_long_output_and_goes_on(place: Place) -> None:
    """Defect 5 of the field."""
    script = says(code("kept = 7", "print('x' * 100_000)", "1 / 0"), code("FINAL(kept)"))
    with ScriptedServer(script) as server, place.asked(server) as rlm:
        assert rlm.completion("text", "What?").response == "7"
        told = server.requests[1].messages[-1]["content"]
    assert "ZeroDivisionError: division by zero" in told
    assert "1 / 0" in told
    assert "characters left out" in told


@in_every_environment
def test_sub_calls_are_traced_each_with_its_own_usage(place: Place) -> None:
    """Defects 10 and 11 of the field."""

    def leaf(request: ChatRequest) -> Reply | str:
        return Reply("overloaded", status=400) if request.prompt == "bad" else f"<{request.prompt}>"

    asks = code("replies = llm_query_batched(['one', 'one two three', 'bad'])", "print(replies, llm_query('a b'))")
    with ScriptedServer(says(asks, code("FINAL('done')"), sub=leaf)) as server, place.asked(server) as rlm:
        result = rlm.completion("text", "What?")
        told = server.requests[-1].messages[-1]["content"]
        assert result.usage_summary.total_calls == len(server.requests) == 6
    assert "['<one>', '<one two three>', \"Error: " in told
    assert "overloaded" in told
    assert told.endswith("<a b>")
    ends = [span.end for span in trace_of(result).subcalls if span.end is not None]
    assert sorted(end.status for end in ends) == ["error", "ok", "ok", "ok"]
    answered = [end.payload for end in ends if end.status == "ok" and isinstance(end.payload, SubcallEnd)]
    assert {end.usage.input_tokens for end in answered if end.usage is not None} == {1, 2, 3}


@in_every_environment
def test_a_thread_that_outlives_its_run_asks_no_more(place: Place) -> None:
    leaves = code(
        "import threading",
        "go_on, told = threading.Event(), []",
        "def ask(query):",
        "    go_on.wait(60)",
        "    try: told.append(query('late'))",
        "    except Exception as error: told.append(type(error).__name__)",
        "late = threading.Thread(target=ask, args=[llm_query])",
        "late.start()",
        "FINAL('first')",
    )
    lets = code("go_on.set()", "late.join(60)", "FINAL(told)")
    scripts = iter([leaves, lets])
    with ScriptedServer(lambda request: next(scripts)) as server, place.asked(server, persistent=True) as rlm:
        assert rlm.completion("text", "What?").response == "first"
        second = rlm.completion("text", "And now?")
        assert len(server.requests) == 2
    assert second.response == "['CancellationError']"
    assert trace_of(second).subcalls == []


@in_every_environment
def test_the_namespace_outlives_a_completion_when_it_is_asked_to(place: Place) -> None:
    first = code("kept = 1", "FINAL(context_0)")
    second = code("FINAL((kept, context_0, context_1, completion_context, len(history_0) > 2, history is history_0))")
    replies = iter([first, second, first, code("FINAL('kept' in globals())")])
    with ScriptedServer(lambda request: next(replies)) as server:
        with place.asked(server, persistent=True) as rlm:
            assert rlm.completion("a", "What?").response == "a"
            assert rlm.completion("b", "And now?").response == "(1, 'a', 'b', 'b', True, True)"
            told = server.requests[1].messages[-1]["content"]
            assert "`context_1` is the current context" in told
            assert "`kept`" in told
        with place.asked(server) as rlm:
            rlm.completion("a", "What?")
            assert rlm.completion("b", "And now?").response == "False"


@in_every_environment
def test_a_conversation_of_two_turns(place: Place) -> None:
    first = code("FINAL((session_context_0, len(context_history), session_history))")
    second = code(
        "turn = session_history[0]",
        "FINAL((session_context_0, session_context_1, context_history, turn[0]['role'], 'Who?' in turn[1]['content']))",
    )
    replies = iter([first, second])
    with ScriptedServer(lambda request: next(replies)) as server, place.asked(server, persistent=True) as rlm:
        session = rlm.start_session()
        assert session.chat("a", "Who?").response == "('a', 1, [])"
        assert session.chat("b", "And who?").response == "('a', 'b', ['a', 'b'], 'system', True)"
        assert "Who?" in str(server.requests[1].messages[1:-1])


@in_every_environment
def test_the_time_limit_of_a_run_ends_a_cell(place: Place) -> None:
    """Defect 7 of the field: limits were looked at between iterations only."""
    script = says(code("answer['content'] = 'so far'", "import time", "time.sleep(600)"))
    with ScriptedServer(script) as server, place.asked(server, max_timeout=2.0) as rlm:
        with pytest.raises(TimeoutExceededError) as caught:
            rlm.completion("text", "What?")
        assert len(server.requests) == 1
    assert caught.value.partial_answer == "so far"
    assert trace_of(caught.value).status == "limit"


@in_every_environment
def test_the_time_limit_of_a_cell_does_not_end_the_run(place: Place) -> None:
    script = says(code("kept = 1", "while True: pass"), code("FINAL(kept)"))
    arguments = {"environment_kwargs": {**place.kind, "cell_timeout": 0.3}}
    with ScriptedServer(script) as server, place.asked(server, **arguments) as rlm:
        assert rlm.completion("text", "What?").response == "1"
        assert "TimeoutError: " in server.requests[1].messages[-1]["content"]


class City(BaseModel):
    name: str
    people: int


@in_every_environment
def test_a_typed_answer(place: Place) -> None:
    script = says(code("FINAL({'name': 'Paris'})"), code("answer['content']['people'] = 2", "answer['ready'] = True"))
    with ScriptedServer(script) as server, place.asked(server) as rlm:
        result = rlm.completion("text", "Which city?", response_model=City)
        told = server.requests[1].messages[-1]["content"]
    assert "people: Field required" in told
    assert result.parsed == City(name="Paris", people=2)


@in_every_environment
def test_a_conversation_that_is_summed_up(place: Place) -> None:
    """Defect 12 of the field: it was silently off in IPython."""
    with ScriptedServer(Explorer(looks=12)) as server:
        with place.asked(server, compaction=True, context_window=2_500) as rlm:
            told = json.loads(rlm.completion("a haystack", "Where is the needle?").response)
        summaries = [each for each in server.requests if each.prompt.endswith(COMPACTION_REQUEST)]
    assert summaries
    assert told["variable"] == "the needle"
    assert "output1 " * 200 in str(told["kept"])


@in_every_environment
async def test_a_run_is_awaited(place: Place) -> None:
    ticks: list[int] = []

    async def tick() -> None:
        while True:
            await asyncio.sleep(0.01)
            ticks.append(1)

    slow = code("import time", "time.sleep(0.5)", "FINAL(llm_query('a'))")
    with ScriptedServer(says(slow, sub=Reply("leaf", delay=0.01))) as server:
        async with place.asked(server) as rlm:
            ticking = asyncio.ensure_future(tick())
            result = await rlm.acompletion("text", "What?")
            ticking.cancel()
    assert result.response == "leaf"
    assert (len(ticks) > 20) == (place.differs("the event loop"))


@in_every_environment
def test_children_run_in_it(place: Place) -> None:
    script = family(
        code("mine = 1", "print(rlm_query_batched(['a', 'b', 'c']))"),
        code("FINAL(mine)"),
        child=code("print('child of', context)", "FINAL((context, 'mine' in globals(), llm_query('x')))"),
    )
    arguments: dict[str, Any] = {"child_environment": place.environment, "child_environment_kwargs": place.kind}
    if place.differs("children"):
        with pytest.raises(ConfigurationError, match="Children run in threads, and environment 'jupyter' works where"):
            RLM("offline", max_depth=2, **arguments)
        return
    with ScriptedServer(script) as server, place.asked(server, max_depth=2, **arguments) as rlm:
        result = rlm.completion("parent")
        told = server.requests[-1].messages[-1]["content"]
    trace = trace_of(result)
    assert result.response == "1"
    assert told == f"Output:\n{[str((each, False, 'leaf')) for each in 'abc']}"
    assert sorted(printed(child) for child in trace.children) == [f"child of {each}\n" for each in "abc"]
    assert [begun(child).depth for child in trace.children] == [1, 1, 1]


@in_every_environment
def test_a_run_in_a_run_with_children_of_the_default_kind(place: Place) -> None:
    script = family(code("FINAL(rlm_query('a'))"), child=code("FINAL(context * 2)"))
    with ScriptedServer(script) as server, place.asked(server, max_depth=2) as rlm:
        assert rlm.completion("parent").response == "aa"
