"""A recording that is played at a pace: replies come when they came, piece by piece, and what failed fails again."""

from __future__ import annotations

import asyncio
import signal
import threading
from typing import Any

import pytest
from family import question, trace_of
from scripted_server import ChatRequest, ScriptedServer
from scripts import code, is_root, says, step

from rlm_jupyter import RLM, InterruptedRun, RLMChatCompletion
from rlm_jupyter.core.errors import ConfigurationError, TimeoutExceededError
from rlm_jupyter.core.protocols import ModelRequest
from rlm_jupyter.runs.recorded import recorded_client
from rlm_jupyter.trace.schema import Event, SpanEnd, SpanStart, SubcallEnd
from rlm_jupyter.trace.trace import Trace

HOUR = 3600.0


def recorded(script: Any, **arguments: Any) -> Trace:
    with ScriptedServer(script) as server:
        settings = {"model_name": "the-model", "api_key": "k", "base_url": server.base_url}
        with RLM("openai", settings, **arguments) as rlm:
            return trace_of(rlm.completion("parent"))


def played(trace: Trace, pace: float = 0.0, **arguments: Any) -> RLMChatCompletion:
    with RLM("recorded", {"trace": trace, "pace": pace}, **arguments) as rlm:
        return rlm.completion("parent")


def lasting(trace: Trace, seconds: dict[str, float]) -> Trace:
    """The same trace, in which the calls with these replies took so long, and all others no time."""

    def ended(event: Any) -> Any:
        reply = getattr(event.payload, "reply", None) if isinstance(event, SpanEnd) else None
        if reply is None:
            return event
        began = trace.spans[event.span_id].start.started
        return event.model_copy(update={"ended": began + seconds.get(trace.text(reply), 0.0)})

    return Trace(ended(event) for event in trace.events)


def order(trace: Trace) -> list[str]:
    """The replies to sub-calls, in the order in which they came."""
    ends = [each.payload for each in trace.events if isinstance(each, SpanEnd) and isinstance(each.payload, SubcallEnd)]
    return [trace.text(end.reply) for end in ends]


BATCH = says(code("FINAL(llm_query_batched(['one', 'two']))"), sub=lambda request: request.prompt)


def test_replies_come_in_the_order_in_which_they_came() -> None:
    trace = recorded(BATCH)
    for first, last in (("one", "two"), ("two", "one")):
        again = played(lasting(trace, {last: 1.0}), pace=1)
        assert order(trace_of(again)) == [first, last]
        assert again.response == "['one', 'two']"


def test_without_a_pace_nobody_waits() -> None:
    trace = lasting(recorded(BATCH), {"one": HOUR, "two": HOUR})
    assert played(trace, max_timeout=60).response == "['one', 'two']"


def test_a_reply_is_told_piece_by_piece_where_it_is_listened_to() -> None:
    text = "a long answer, word by word, " * 8
    told = lasting(recorded(says("never", sub=text), max_depth=0), {text: 1.0})
    pieces: list[str | None] = []
    request = ModelRequest([{"role": "user", "content": "parent"}])
    reply = asyncio.run(recorded_client(trace=told, pace=0.5).acompletion(request, pieces.append))
    assert reply.text == text == "".join(filter(None, pieces))
    assert len(pieces) > 4
    pieces.clear()
    asyncio.run(recorded_client(trace=told).acompletion(request, pieces.append))
    assert pieces == [text]


def test_an_interrupt_and_a_limit_end_the_wait() -> None:
    trace = lasting(recorded(BATCH), {"one": HOUR, "two": HOUR})
    with RLM("recorded", {"trace": trace, "pace": 1}) as rlm:
        waits = threading.Event()
        rlm.listeners.append(lambda event: waits.set() if _asks(event) else None)
        stop = threading.Thread(target=_press_stop, args=(waits,))
        stop.start()
        with pytest.raises(InterruptedRun):
            rlm.completion("parent")
        stop.join()
    with pytest.raises(TimeoutExceededError):
        played(trace, pace=1, max_timeout=0.5)


def _press_stop(when: threading.Event) -> None:
    if when.wait(60):
        signal.raise_signal(signal.SIGINT)


def _asks(event: Event) -> bool:
    return isinstance(event, SpanStart) and event.payload.kind == "subcall"


PARENT = (
    code("said = [int(each) for each in llm_query_batched(['one', 'two'])]"),
    code("FINAL(rlm_query_batched(['a child', 'another']))"),
)
CHILD = (code("def halved(text):", "    return int(text) / 2", "halved('a pair')"), "FINAL(grown up)")


def failing(request: ChatRequest) -> str:
    if not is_root(request):
        return "many"
    return (PARENT if question(request) == "parent" else CHILD)[step(request)]


def test_a_run_that_failed_on_its_way_is_played_in_any_repl_of_the_process() -> None:
    """Tracebacks name the REPL that the code failed in, which is another one each time."""
    trace = recorded(failing, max_depth=2)
    assert sum(span.kind == "code" and span.status == "error" for span in trace.walk()) == 3
    for _ in range(2):
        assert played(trace, max_depth=2).response == trace.answer == "['grown up', 'grown up']"


@pytest.mark.parametrize("pace", [-1, True, "fast", float("nan"), float("inf")], ids=str)
def test_a_pace_that_is_none_is_refused(pace: Any) -> None:
    with pytest.raises(ConfigurationError, match="pace is a number from 0 on"):
        RLM("recorded", {"trace": "run.jsonl", "pace": pace})


def test_a_cache_has_no_pace() -> None:
    with pytest.raises(ConfigurationError, match="A cache does not tell how long replies took"):
        RLM("recorded", {"cache": "replies.sqlite3", "model_name": "m", "pace": 1})
