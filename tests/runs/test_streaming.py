"""Replies reach the trace while they come: those of children too, and what had come of those that are broken off."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from family import trace_of
from scripted_server import ChatRequest, Reply, ScriptedServer
from scripts import code, says

from rlm_jupyter import RLM
from rlm_jupyter.core.errors import TimeoutExceededError
from rlm_jupyter.trace.schema import Event, ModelCallEnd, SpanText
from rlm_jupyter.trace.trace import Span, Trace


class Follower:
    """Follows the runs as a trace, and waits for what it wants to read."""

    def __init__(self) -> None:
        self.trace = Trace()
        self._changed = threading.Condition()

    def observe(self, event: Event) -> None:
        with self._changed:
            self.trace.add(event)
            self._changed.notify_all()

    def read(self, text: str, depth: int = 0) -> None:
        def there() -> bool:
            return any(call.text == text and _depth(self.trace, call) == depth for call in calls(self.trace))

        with self._changed:
            assert self._changed.wait_for(there, 20), [call.text for call in calls(self.trace)]


def _depth(trace: Trace, span: Span) -> int:
    parent = trace.spans.get(span.start.parent_id or "")
    return (span.kind == "run" and parent is not None) + (_depth(trace, parent) if parent is not None else 0)


def calls(trace: Trace) -> list[Span]:
    return [span for span in trace.walk() if span.kind == "model_call"]


@contextmanager
def asking(script: Callable[[ChatRequest], Reply | str], follower: Follower, **options: object) -> Iterator[RLM]:
    with ScriptedServer(script) as server:
        where = {"model_name": "scripted", "base_url": server.base_url, "api_key": "for-the-scripted-model"}
        with RLM("openai", backend_kwargs=where, environment="local", **options) as rlm:  # type: ignore[arg-type]
            rlm.listeners.append(follower.observe)
            yield rlm


def slowly(*pieces: str, held: threading.Event, at: int) -> Reply:
    """A reply of which so many pieces come at first, further apart than they are told."""
    return Reply(chunks=pieces, pause=0.3, held=held, held_at=at)


def test_a_reply_is_in_the_trace_before_it_is_complete() -> None:
    follower, held = Follower(), threading.Event()
    script = says(slowly("The walrus ", "lives ", "\nFINAL(there)", held=held, at=2))
    with asking(script, follower) as rlm:
        answer: list[str] = []
        thread = threading.Thread(target=lambda: answer.append(rlm.completion("Where?").response))
        thread.start()
        try:
            follower.read("The walrus lives ")
            (call,) = calls(follower.trace)
            assert call.end is None
        finally:
            held.set()
            thread.join()
    assert answer == ["there"]
    (call,) = calls(follower.trace)
    assert call.text == ""
    assert call.end is not None
    assert isinstance(call.end.payload, ModelCallEnd)
    assert follower.trace.text(call.end.payload.reply) == "The walrus lives \nFINAL(there)"


def test_a_quick_reply_is_told_by_its_end_alone() -> None:
    follower = Follower()
    with asking(says(Reply("FINAL(there)", chunks=list("FINAL(there)"))), follower) as rlm:
        rlm.completion("Where?")
    assert not [event for event in follower.trace.events if isinstance(event, SpanText)]


def test_a_childs_reply_is_told_too() -> None:
    follower, held = Follower(), threading.Event()

    def script(request: ChatRequest) -> Reply | str:
        if "Who is in the bath?" in str(request.messages[1:2]):
            return slowly("The child ", "writes ", "\nFINAL(a walrus)", held=held, at=2)
        return says(code("print(rlm_query('Who is in the bath?'))"), "FINAL(done)")(request)

    with asking(script, follower, max_depth=2) as rlm:
        thread = threading.Thread(target=rlm.completion, args=("Where?",))
        thread.start()
        try:
            follower.read("The child writes ", depth=1)
        finally:
            held.set()
            thread.join()


def test_what_had_come_of_a_call_that_a_limit_cuts_is_kept() -> None:
    follower, held = Follower(), threading.Event()
    script = says(slowly("The walrus ", "lives ", "there", held=held, at=2))
    with asking(script, follower, max_timeout=4.0) as rlm:
        try:
            with pytest.raises(TimeoutExceededError) as raised:
                rlm.completion("Where?")
        finally:
            held.set()
    trace = trace_of(raised.value)
    (call,) = calls(trace)
    assert call.end is not None
    assert isinstance(call.end.payload, ModelCallEnd)
    assert trace.text(call.end.payload.reply) == "The walrus lives "
    assert call.status == "limit"
    assert "The walrus lives" in trace.to_markdown()


def test_a_stream_that_breaks_is_asked_for_anew_and_its_text_is_void() -> None:
    follower, held = Follower(), threading.Event()
    tries: list[ChatRequest] = []

    def script(request: ChatRequest) -> Reply:
        tries.append(request)
        if len(tries) == 1:
            return Reply(chunks=["A seal ", "lives ", "x"], pause=0.3, cut_after=2)
        return slowly("The walrus ", "sings ", "\nFINAL(there)", held=held, at=2)

    with asking(script, follower) as rlm:
        thread = threading.Thread(target=rlm.completion, args=("Where?",))
        thread.start()
        try:
            follower.read("The walrus sings ")
        finally:
            held.set()
            thread.join()
    told = [event for event in follower.trace.events if isinstance(event, SpanText)]
    assert told[0].text == "A seal lives "
    assert any(event.anew for event in told)
