"""Steering of real runs: what the user asks for while they are under way, and what the model's server sees of it."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from family import asked, family, question, said, trace_of
from scripted_server import ChatRequest, Reply, ScriptedServer
from scripts import Script, code, is_root, step

from rlm_jupyter import RLM, InterruptedRun, RLMChatCompletion
from rlm_jupyter.core.errors import CancellationError, ConfigurationError, TimeoutExceededError
from rlm_jupyter.core.steering import Decision, ProposedBlock, Steering, SteeringState, Stopped
from rlm_jupyter.runs.steering import ask_again, observers, steer, under_way
from rlm_jupyter.trace.schema import CodeEnd, CodeStart, Event, IterationEnd, IterationStart, SpanEnd
from rlm_jupyter.trace.wire import Control
from rlm_jupyter.trace.wire import Decision as ToldDecision

QUIET = 0.3  # seconds in which a run that went on would have asked its model again many times

Complete = Callable[[RLM, str], RLMChatCompletion]


class Onlooker:
    """Sees the states of all runs and the events of one, and waits for what it wants to see."""

    def __init__(self) -> None:
        self.states: list[SteeringState] = []
        self.events: list[Event] = []
        self._changed = threading.Condition()

    def steered(self, run_id: str, state: SteeringState) -> None:
        assert run_id in under_way or not under_way
        with self._changed:
            self.states.append(state)
            self._changed.notify_all()

    def observe(self, event: Event) -> None:
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()

    def until(self, condition: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, 20), f"{self.states}, {len(self.events)} events"

    def until_iterations_ended(self, count: int) -> None:
        def ends() -> int:
            return sum(isinstance(event, SpanEnd) and isinstance(event.payload, IterationEnd) for event in self.events)

        self.until(lambda: ends() >= count)

    def proposed(self) -> ProposedBlock:
        """Return the block that waits for a decision, once one does."""
        self.until(lambda: bool(self.states) and self.states[-1].review is not None)
        review = self.states[-1].review
        assert review is not None
        return review


@pytest.fixture
def onlooker() -> Iterator[Onlooker]:
    seen = Onlooker()
    observers.append(seen.steered)
    yield seen
    observers.remove(seen.steered)
    assert not under_way


@pytest.fixture(params=["completion", "acompletion"])
def complete(request: pytest.FixtureRequest) -> Complete:
    if request.param == "completion":
        return lambda rlm, prompt: rlm.completion(prompt)
    return lambda rlm, prompt: asyncio.run(rlm.acompletion(prompt))


def the_run() -> Steering:
    (steering,) = under_way.values()
    return steering


def control(action: str, **fields: Any) -> bool:
    (run_id,) = under_way
    return steer(Control(run_id=run_id, action=action, **fields))


def decide(block: ProposedBlock, decision: str, **fields: Any) -> bool:
    told = ToldDecision(review_id=block.review_id, decision=decision, **fields)
    return control("decide", decision=told)


def at(number: int, act: Callable[[], object], script: Script) -> Script:
    """Return the script with something done when this request comes in."""

    def acting(request: ChatRequest) -> Reply | str:
        if request.number == number:
            act()
        return script(request)

    return acting


@contextmanager
def meanwhile(*work: Callable[[], object]) -> Iterator[None]:
    """Do this in a thread while the block runs; what fails in it ends the run, and the test."""
    failures: list[BaseException] = []

    def do() -> None:
        try:
            for each in work:
                each()
        except BaseException as failure:
            failures.append(failure)
            for steering in tuple(under_way.values()):
                steering.reviewer = lambda block: Decision("rejected")
                steering.stop()
                steering.ask_again()

    thread = threading.Thread(target=do)
    thread.start()
    try:
        yield
    finally:
        thread.join()
        if failures:
            raise failures[0]


def stays_quiet(server: ScriptedServer) -> None:
    """Check that no request comes for a while."""
    sent = len(server.requests)
    with pytest.raises(AssertionError, match="Waited"):
        server.wait_for(sent + 1, QUIET)


def becomes_quiet(server: ScriptedServer) -> None:
    """Wait until no request has come for a while."""
    try:
        server.wait_for(len(server.requests) + 1, QUIET)
    except AssertionError:
        return
    becomes_quiet(server)


def looks(count: int) -> list[str]:
    return [code(f"x = {number}", f"answer['content'] = 'seen {number}'") for number in range(1, count + 1)]


# Notes


def test_a_note_reaches_the_next_request_and_is_said_once(onlooker: Onlooker, complete: Complete) -> None:
    script = at(2, lambda: control("note", note="Mind the walrus."), family(*looks(3), "FINAL(done)"))
    with ScriptedServer(script) as server, asked(server) as rlm:
        assert complete(rlm, "parent").response == "done"
        third, last = server.requests[2], server.requests[-1]
        assert third.prompt.endswith("\n\nThe user says: Mind the walrus.")
        assert not any("walrus" in message["content"] for message in server.requests[1].messages)
        assert sum("walrus" in message["content"] for message in last.messages) == 1
        roles = [message["role"] for message in last.messages]
        assert roles == ["system", *["user", "assistant"] * (len(roles) // 2 - 1), "user"]
    assert onlooker.states == [SteeringState(notes=1), SteeringState()]


def test_a_note_is_for_the_root_and_not_for_its_children(onlooker: Onlooker) -> None:
    def script(request: ChatRequest) -> str:
        if question(request) == "parent":
            return (code("rlm_query('a')"), "FINAL(done)")[step(request)]
        if step(request) == 0:
            control("note", note="Mind the walrus.")
        return (code("x = 1"), "FINAL(grown up)")[step(request)]

    with ScriptedServer(script) as server, asked(server) as rlm:
        rlm.completion("parent")
        told = [question(request) for request in server.requests if "walrus" in request.prompt]
        assert told == ["parent"]


def noted(ended: Any) -> dict[int, list[str]]:
    """What the trace says that the user said, by the number of the root's iteration that began then."""
    starts = [span.start.payload for span in trace_of(ended).iterations]
    return {start.number: start.notes for start in starts if isinstance(start, IterationStart) and start.notes}


def test_a_note_stands_in_the_trace_where_the_model_was_told_it(onlooker: Onlooker, complete: Complete) -> None:
    def tell() -> None:
        control("note", note="Mind the walrus. It knows a-key-of-the-user.")
        control("note", note="x" * 30_000)

    settings = {"model_name": "m", "api_key": "a-key-of-the-user"}
    with ScriptedServer(at(2, tell, family(*looks(3), "FINAL(done)"))) as server:
        with RLM("openai", {**settings, "base_url": server.base_url}) as rlm:
            result = complete(rlm, "parent")
        told = server.requests[2].prompt
    ((number, (walrus, long)),) = noted(result).items()
    assert number == 3
    assert walrus.startswith("Mind the walrus. It knows ")
    assert "a-key-of-the-user" not in walrus
    assert f"The user says: {long}" in told
    for shown in (trace_of(result).to_markdown(), trace_of(result).mimebundle()["text/html"]):
        assert "The user said: Mind the walrus." in shown


def test_a_note_before_the_closing_call_stands_there(onlooker: Onlooker) -> None:
    script = at(2, lambda: control("note", note="Be brief."), family(*looks(2), "done"))
    with ScriptedServer(script) as server, asked(server, max_iterations=2) as rlm:
        result = rlm.completion("parent")
    assert noted(result) == {3: ["Be brief."]}


@pytest.mark.parametrize("last", ["stop", "note"])
def test_a_note_that_nobody_was_told_is_not_in_the_trace(onlooker: Onlooker, last: str) -> None:
    def tell() -> None:
        control("note", note="Mind the walrus.")
        control(last, **({"note": "Hurry."} if last == "note" else {}))

    with ScriptedServer(at(2, tell, family(*looks(1), "FINAL(done)"))) as server, asked(server) as rlm:
        result = rlm.completion("parent")
        assert len(server.requests) == 2
    assert noted(result) == {}


# Pause


def test_a_pause_holds_requests_until_the_run_may_go_on(onlooker: Onlooker, complete: Complete) -> None:
    script = at(2, lambda: control("pause"), family(*looks(3), "FINAL(done)"))
    with ScriptedServer(script) as server, asked(server) as rlm:
        rlm.listeners = [onlooker.observe]

        def go_on() -> None:
            onlooker.until_iterations_ended(2)
            stays_quiet(server)
            assert len(server.requests) == 2
            control("note", note="Welcome back.")
            control("resume")

        with meanwhile(go_on):
            assert complete(rlm, "parent").response == "done"
        assert server.requests[2].prompt.endswith("The user says: Welcome back.")
    assert [state.paused for state in onlooker.states] == [True, True, False, False]


async def paused(rlm: RLM) -> None:
    """Wait until an iteration has ended, of a run that is paused by then."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()

    def look(event: Event) -> None:
        if isinstance(event, SpanEnd) and isinstance(event.payload, IterationEnd):
            loop.call_soon_threadsafe(ended.set)

    rlm.listeners = [look]
    await asyncio.wait_for(ended.wait(), 20)
    assert the_run().state.paused


def test_an_event_loop_is_free_in_a_pause() -> None:
    async def both(rlm: RLM) -> tuple[str, int]:
        run = asyncio.ensure_future(rlm.acompletion("parent"))
        await paused(rlm)
        turns = [await asyncio.sleep(0.01, number) for number in range(20)]
        assert not run.done()
        the_run().resume()
        return (await run).response, len(turns)

    script = at(1, lambda: control("pause"), family(*looks(1), "FINAL(done)"))
    with ScriptedServer(script) as server, asked(server) as rlm:
        assert asyncio.run(both(rlm)) == ("done", 20)


def test_children_wait_too_and_none_begins(onlooker: Onlooker) -> None:
    def script(request: ChatRequest) -> str:
        if question(request) == "parent":
            fan_out = "print(*rlm_query_batched([f'child {n}' for n in range(4)]), sep='|')"
            return (code(fan_out), "FINAL(done)")[step(request)]
        if request.number == 2:
            control("pause")
        return (code("x = 1"), "FINAL(grown up)")[step(request)]

    with ScriptedServer(script) as server, asked(server, max_concurrent_subcalls=2) as rlm:

        def go_on() -> None:
            server.wait_for(2)
            becomes_quiet(server)
            children = [request for request in server.requests if question(request) != "parent"]
            assert all(step(request) == 0 for request in children)
            assert len(children) <= 2, "there is room for two, and the others have not begun"
            control("resume")

        with meanwhile(go_on):
            result = rlm.completion("parent")
        assert said(result) == "grown up|grown up|grown up|grown up\n"


def test_the_time_limit_counts_on_in_a_pause(onlooker: Onlooker, complete: Complete) -> None:
    script = at(1, lambda: control("pause"), family(*looks(2)))
    with ScriptedServer(script) as server, asked(server, max_timeout=1.5) as rlm:
        with pytest.raises(TimeoutExceededError) as caught:
            complete(rlm, "parent")
        assert len(server.requests) == 1
        assert caught.value.partial_answer == "seen 1"
        assert trace_of(caught.value).status == "limit"


def press() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_the_stop_button_ends_a_pause(onlooker: Onlooker) -> None:
    script = at(1, lambda: control("pause"), family(*looks(2)))
    with ScriptedServer(script) as server, asked(server) as rlm:
        rlm.listeners = [onlooker.observe]

        def stop() -> None:
            onlooker.until_iterations_ended(1)
            stays_quiet(server)
            press()

        with meanwhile(stop), pytest.raises(InterruptedRun, match="The run was interrupted") as caught:
            rlm.completion("parent")
        assert caught.value.partial_answer == "seen 1"
        stays_quiet(server)
        assert len(server.requests) == 1


def test_a_task_that_is_cancelled_ends_a_pause(onlooker: Onlooker) -> None:
    async def cancelled(rlm: RLM) -> None:
        run = asyncio.ensure_future(rlm.acompletion("parent"))
        await paused(rlm)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run

    script = at(1, lambda: control("pause"), family(*looks(2)))
    with ScriptedServer(script) as server, asked(server) as rlm:
        asyncio.run(cancelled(rlm))
        stays_quiet(server)


def test_a_parent_that_ends_takes_its_paused_children_with_it(onlooker: Onlooker) -> None:
    def script(request: ChatRequest) -> str:
        if question(request) == "parent":
            return code("print(rlm_query_batched(['a', 'b']))")
        control("pause")
        return code("x = 1")

    with ScriptedServer(script) as server, asked(server, max_timeout=1.0) as rlm:
        with pytest.raises(TimeoutExceededError) as caught:
            rlm.completion("parent")
        assert [child.status for child in trace_of(caught.value).children] == ["interrupted"] * 2
        stays_quiet(server)


# Stop


def test_stop_ends_a_run_after_its_iteration(onlooker: Onlooker) -> None:
    script = at(2, lambda: control("stop"), family(*looks(4)))
    with ScriptedServer(script) as server, asked(server) as rlm:
        with pytest.raises(InterruptedRun, match=r"The run was stopped after iteration 2\.") as caught:
            rlm.completion("parent")
        assert caught.value.partial_answer == "seen 2"
        trace = trace_of(caught.value)
        assert trace.status == "interrupted"
        assert [iteration.status for iteration in trace.iterations] == ["ok", "ok"]
        assert "stopped after iteration 2" in trace.to_markdown()
        stays_quiet(server)
        assert len(server.requests) == 2
    assert onlooker.states == [SteeringState(stopping=True)]


def test_stop_ends_an_asynchronous_run_with_an_error_that_an_event_loop_can_take(onlooker: Onlooker) -> None:
    """A ``KeyboardInterrupt`` would end the loop, and a ``CancelledError`` would tell of a task that was cancelled."""
    script = at(2, lambda: control("stop"), family(*looks(4)))
    with ScriptedServer(script) as server, asked(server) as rlm:
        with pytest.raises(CancellationError, match=r"The run was stopped after iteration 2\.") as caught:
            asyncio.run(rlm.acompletion("parent"))
        assert caught.value.partial_answer == "seen 2"
        assert trace_of(caught.value).status == "interrupted"
        assert len(server.requests) == 2


def test_an_iteration_that_answers_ends_the_run_as_usual(onlooker: Onlooker, complete: Complete) -> None:
    for action in ("stop", "pause"):
        script = at(1, lambda action=action: control(action), family("FINAL(done)"))  # type: ignore[misc]
        with ScriptedServer(script) as server, asked(server) as rlm:
            assert complete(rlm, "parent").response == "done"


def test_stop_ends_children_after_theirs_and_none_begins(onlooker: Onlooker) -> None:
    def script(request: ChatRequest) -> str:
        if not is_root(request):
            return "leaf"
        if question(request) == "parent":
            return code("print(*rlm_query_batched(['a', 'b', 'c']), sep='|')", "print(llm_query('x'))")
        control("stop")
        return code("answer['content'] = 'half'")

    with ScriptedServer(script) as server, asked(server, max_concurrent_subcalls=1) as rlm:
        with pytest.raises(InterruptedRun, match="after iteration 1") as caught:
            rlm.completion("parent")
        told = said(caught.value)
        assert told == (
            "Error: The run was stopped after iteration 1. Its answer so far: half|"
            "Error: The run was stopped before its first iteration.|"
            "Error: The run was stopped before its first iteration.\n"
            "leaf\n"
        )
        assert {child.status for child in trace_of(caught.value).children} == {"interrupted"}
        assert len(server.requests) == 3, "the root, one child, and a call of the iteration under way"
        stays_quiet(server)


def test_stop_ends_a_pause(onlooker: Onlooker, complete: Complete) -> None:
    script = at(1, lambda: control("pause"), family(*looks(2)))
    with ScriptedServer(script) as server, asked(server) as rlm:
        rlm.listeners = [onlooker.observe]
        stop = (lambda: onlooker.until_iterations_ended(1), lambda: stays_quiet(server), lambda: control("stop"))
        with meanwhile(*stop), pytest.raises((InterruptedRun, CancellationError), match="stopped after iteration 1"):
            complete(rlm, "parent")
        assert len(server.requests) == 1


def test_no_summary_is_asked_for_in_a_run_that_stops(onlooker: Onlooker) -> None:
    long = code(f"print('word ' * 2_000)  # {'talk ' * 600}")
    script = at(1, lambda: control("stop"), family(long, "a summary", "FINAL(done)"))
    with ScriptedServer(script) as server:
        with asked(server, compaction=True, context_window=1_500) as rlm, pytest.raises(InterruptedRun):
            rlm.completion("parent")
        assert len(server.requests) == 1
    script = at(2, lambda: control("stop"), family(long, "a summary", "FINAL(done)"))
    with ScriptedServer(script) as server:
        rlm = asked(server, compaction=True, context_window=1_500)
        with rlm, pytest.raises(InterruptedRun, match="after iteration 1"):
            rlm.completion("parent")
        assert len(server.requests) == 2


def test_a_plain_call_that_is_stopped_is_not_repeated(onlooker: Onlooker) -> None:
    script = at(1, lambda: control("stop"), lambda request: "no number")
    with ScriptedServer(script) as server, asked(server, max_depth=0) as rlm:
        with pytest.raises(InterruptedRun):
            rlm.completion("How many?", response_model=int)
        assert len(server.requests) == 1


# Who may steer what


def test_nothing_is_steered_that_is_not_under_way() -> None:
    with ScriptedServer(family("FINAL(done)")) as server, asked(server) as rlm:
        run_id = trace_of(rlm.completion("parent")).run_id
    assert not steer(Control(run_id=run_id, action="stop"))
    assert not steer(Control(run_id="another", action="pause"))


def test_whatever_ends_a_run_takes_it_out_of_those_under_way() -> None:
    def fail(request: ChatRequest) -> Reply:
        assert len(under_way) == 1
        return Reply("no", status=400)

    with ScriptedServer(fail) as server, asked(server) as rlm, pytest.raises(Exception, match="no"):
        rlm.completion("parent")
    assert not under_way


def test_runs_at_the_same_time_are_steered_each_by_itself(onlooker: Onlooker) -> None:
    ids: dict[str, str] = {}

    def script(request: ChatRequest) -> str:
        if question(request) == "stopped" and step(request) == 1:
            steer(Control(run_id=ids["stopped"], action="stop"))
        return (*looks(3), "FINAL(done)")[step(request)]

    async def both(rlm: RLM) -> list[Any]:
        def remember(event: Event) -> None:
            ids.setdefault(getattr(getattr(event, "payload", None), "question", ""), event.run_id)

        rlm.listeners = [remember]
        runs = (rlm.acompletion("stopped"), rlm.acompletion("goes on"))
        return list(await asyncio.gather(*runs, return_exceptions=True))

    with ScriptedServer(script) as server, asked(server) as rlm:
        stopped, went_on = asyncio.run(both(rlm))
    assert isinstance(stopped, Stopped)
    assert went_on.response == "done"


def test_an_observer_that_fails_ends_nothing(onlooker: Onlooker, caplog: pytest.LogCaptureFixture) -> None:
    def fail(run_id: str, state: SteeringState) -> None:
        msg = "the network is gone"
        raise ConnectionError(msg)

    observers.insert(0, fail)
    try:
        script = at(1, lambda: control("note", note="Hm."), family(*looks(1), "FINAL(done)"))
        with ScriptedServer(script) as server, asked(server) as rlm:
            assert rlm.completion("parent").response == "done"
    finally:
        observers.remove(fail)
    assert "the network is gone" in caplog.text
    assert onlooker.states[-1] == SteeringState()


# Review


def deciding(**decisions: Decision) -> Callable[[ProposedBlock], Decision]:
    """Return a reviewer that decides by the block's first word."""
    return lambda block: decisions.get(block.code.split()[0], Decision("approved"))


def blocks_of(completion: Any) -> list[tuple[CodeStart, CodeEnd]]:
    spans = [span for span in trace_of(completion).walk() if span.kind == "code"]
    told = [(span.start.payload, span.end.payload if span.end is not None else None) for span in spans]
    return [(start, end) for start, end in told if isinstance(start, CodeStart) and isinstance(end, CodeEnd)]


def test_blocks_run_as_they_were_decided(complete: Complete) -> None:
    script = family(
        code("print('approved')"),
        code("edited = 1", "print('never')"),
        code("rejected = 1", "print('never')"),
        code("print('edited' in globals(), 'rejected' in globals(), ours)", "FINAL(ours)"),
    )
    with ScriptedServer(script) as server, asked(server) as rlm:
        rlm.reviewer = deciding(
            edited=Decision("edited", "ours = 'by the user'\nprint(ours)", "Shorter."),
            rejected=Decision("rejected", reason="Too slow."),
        )
        result = complete(rlm, "parent")
        told = [request.prompt for request in server.requests[1:]]
    assert result.response == "by the user"
    assert said(result) == "approved\nby the user\nFalse False by the user\n"
    assert told == [
        "Output:\napproved",
        (
            "Output:\nby the user\n"
            "Note: The user changed this block before it was run. This is what ran:\n\n"
            "ours = 'by the user'\nprint(ours)\n"
            "Note: The user says: Shorter."
        ),
        "Output:\nNote: The user rejected this block: it was not run. The user says: Too slow.",
    ]
    blocks = blocks_of(result)
    assert [start.review for start, _ in blocks] == ["approved", "edited", "rejected", "approved"]
    assert [start.proposed for start, _ in blocks] == [None, "edited = 1\nprint('never')", None, None]
    assert blocks[1][0].code == "ours = 'by the user'\nprint(ours)"
    rejected, end = blocks[2]
    assert rejected.code == "rejected = 1\nprint('never')"
    assert (end.outputs, end.error) == ([], None)
    assert end.notes == ["The user rejected this block: it was not run. The user says: Too slow."]
    statuses = [span.status for span in trace_of(result).walk() if span.kind == "code"]
    assert statuses == ["ok"] * 4


def test_the_artifacts_tell_what_was_decided() -> None:
    script = family(code("edited = 1"), code("rejected = 1"), "FINAL(done)")
    with ScriptedServer(script) as server, asked(server) as rlm:
        rlm.reviewer = deciding(edited=Decision("edited", "mine = 2"), rejected=Decision("rejected", reason="Why?"))
        trace = trace_of(rlm.completion("parent"))
    cells = trace.to_notebook()["cells"]
    ran = [cell["source"] for cell in cells if "role-code" in cell["metadata"]["tags"]]
    assert ran == ["mine = 2"], "a rejected one would run"
    told = {
        cell["id"].rsplit("-", 2)[-1]: cell["source"] for cell in cells if "role-review" in cell["metadata"]["tags"]
    }
    (edited, rejected) = [cell["source"] for cell in cells if "role-review" in cell["metadata"]["tags"]]
    assert told
    assert "changed by the user" in edited
    assert "<details>" in edited
    assert "edited = 1" in edited
    assert "rejected by the user" in rejected
    assert "Why?" in rejected
    assert "rejected = 1" in rejected
    prose = [cell["source"] for cell in cells if "role-assistant" in cell["metadata"]["tags"]]
    assert not any("= 1" in text for text in prose)
    markdown = trace.to_markdown()
    for text in ("changed by the user before it was run", "edited = 1", "mine = 2", "rejected by the user", "Why?"):
        assert text in markdown
    html = trace.mimebundle()["text/html"]
    assert "changed by the user" in html
    assert "edited = 1" in html


def test_a_decision_comes_from_elsewhere(onlooker: Onlooker, complete: Complete) -> None:
    script = family(code("print('first')"), code("print('second')"), "FINAL(done)")
    decisions = [("rejected", {"reason": "Not yet."}), ("edited", {"code": "print('mine')"})]
    with ScriptedServer(script) as server, asked(server) as rlm:
        rlm.reviewer = lambda block: None

        def review() -> None:
            for number, (decision, fields) in enumerate(decisions, 1):
                block = onlooker.proposed()
                stays_quiet(server)
                assert (block.iteration, block.index, block.depth) == (number, 1, 0)
                assert not decide(block, "edited"), "there is no code to run"
                other = ProposedBlock("another", "", 1, 1)
                assert not decide(other, "approved")
                assert decide(block, decision, **fields)
                onlooker.until(lambda: onlooker.states[-1].review is None)

        with meanwhile(review):
            result = complete(rlm, "parent")
    assert said(result) == "mine\n"
    assert [state.review is not None for state in onlooker.states] == [True, False, True, False]


def test_code_that_is_not_valid_is_run_and_the_model_sees_the_error() -> None:
    with ScriptedServer(family(code("print(1)"), "FINAL(done)")) as server, asked(server) as rlm:
        rlm.reviewer = lambda block: Decision("edited", "print(")
        assert rlm.completion("parent").response == "done"
        assert "SyntaxError" in server.requests[1].prompt
        assert "This is what ran:\n\nprint(" in server.requests[1].prompt


def test_an_edit_that_changes_nothing_is_an_approval() -> None:
    with ScriptedServer(family(code("print(1)"), "FINAL(done)")) as server, asked(server) as rlm:
        rlm.reviewer = lambda block: Decision("edited", block.code)
        ((start, _),) = blocks_of(rlm.completion("parent"))
    assert (start.review, start.proposed) == ("approved", None)


def test_no_secret_is_shown_for_review_and_what_is_approved_is_the_code_itself() -> None:
    seen: list[str] = []
    script = family(code("key = 'a-key-of-the-user'", "print(len(key))"), "FINAL(done)")
    with ScriptedServer(script) as server:
        settings = {"model_name": "m", "api_key": "a-key-of-the-user", "base_url": server.base_url}
        with RLM("openai", settings) as rlm:
            rlm.reviewer = lambda block: seen.append(block.code) or Decision("approved")  # type: ignore[func-returns-value]
            assert said(rlm.completion("parent")) == "17\n"
    assert "a-key-of-the-user" not in seen[0]


def test_blocks_of_children_are_asked_about_one_at_a_time() -> None:
    asking = threading.Lock()
    seen: list[tuple[int, str]] = []

    def reviewer(block: ProposedBlock) -> Decision:
        assert asking.acquire(blocking=False), "two at once"
        try:
            seen.append((block.depth, threading.current_thread().name))
            return Decision("rejected") if block.depth and len(seen) == 2 else Decision("approved")
        finally:
            asking.release()

    def script(request: ChatRequest) -> str:
        if question(request) == "parent":
            return (code("print(*rlm_query_batched(['a', 'b', 'c']), sep='|')"), "FINAL(done)")[step(request)]
        return (code("FINAL('ran')"), "FINAL(was told)")[step(request)]

    with ScriptedServer(script) as server, asked(server) as rlm:
        rlm.reviewer = reviewer
        result = rlm.completion("parent")
    assert [depth for depth, _ in seen] == [0, 1, 1, 1]
    assert sorted(said(result).strip().split("|")) == ["ran", "ran", "was told"]


def test_code_in_another_process_cannot_be_reviewed_and_does_not_run() -> None:
    script = family(code("print(rlm_query_batched(['a']))"), "FINAL(done)")
    with ProcessPoolExecutor(1) as pool, ScriptedServer(script) as server, asked(server, executor=pool) as rlm:
        rlm.reviewer = lambda block: Decision("approved")
        result = rlm.completion("parent")
        assert "Nobody can review code that runs in another process" in said(result)
        assert {question(request) for request in server.requests} == {"parent"}


def test_a_reviewer_may_end_the_run() -> None:
    def stop(block: ProposedBlock) -> Decision:
        msg = "The run was stopped at block 1."
        raise Stopped(msg)

    with ScriptedServer(family(code("print(1)"))) as server, asked(server) as rlm:
        rlm.reviewer = stop
        with pytest.raises(InterruptedRun, match="stopped at block 1") as caught:
            rlm.completion("parent")
        assert blocks_of(caught.value) == []
        assert trace_of(caught.value).status == "interrupted"
        assert len(server.requests) == 1


def test_a_stop_ends_the_wait_for_a_decision_from_elsewhere(onlooker: Onlooker, complete: Complete) -> None:
    with ScriptedServer(family(code("print(1)"))) as server, asked(server, max_timeout=20) as rlm:
        rlm.reviewer = lambda block: None
        with meanwhile(onlooker.proposed, lambda: control("stop")), pytest.raises(BaseException) as caught:  # noqa: PT011
            complete(rlm, "parent")
        assert len(server.requests) == 1
    error = caught.value
    assert isinstance(error, InterruptedRun | Stopped)
    assert str(error).startswith("The run was stopped at block 1 of iteration 1.")
    assert blocks_of(error) == []
    assert trace_of(error).status == "interrupted"
    assert onlooker.states[-1] == SteeringState(stopping=True)


def test_a_stop_ends_the_waits_of_children(onlooker: Onlooker) -> None:
    script = family(code("print(*rlm_query_batched(['a', 'b', 'c']), sep='|')"), child=code("print(1)"))
    with ScriptedServer(script) as server, asked(server, max_timeout=20) as rlm:
        rlm.reviewer = lambda block: None if block.depth else Decision("approved")
        stop = (lambda: server.wait_for(4), onlooker.proposed, lambda: control("stop"))
        with meanwhile(*stop), pytest.raises(InterruptedRun, match="after iteration 1") as caught:
            rlm.completion("parent")
        assert len(server.requests) == 4
    assert [start.code.startswith("print(*rlm") for start, _ in blocks_of(caught.value)] == [True]
    assert {child.status for child in trace_of(caught.value).children} == {"interrupted"}
    assert "The run was stopped at block 1 of iteration 1 of a child run." in str(trace_of(caught.value).events)


@pytest.mark.parametrize("elsewhere", [True, False], ids=["decided elsewhere", "decided here"])
def test_the_stop_button_ends_the_wait_for_a_decision(onlooker: Onlooker, elsewhere: bool) -> None:
    waiting = threading.Event()

    def reviewer(block: ProposedBlock) -> Decision | None:
        waiting.set()
        return None if elsewhere else _never()

    with ScriptedServer(family(code("print(1)"))) as server, asked(server) as rlm:
        rlm.reviewer = reviewer
        stop = (lambda: waiting.wait(10), lambda: stays_quiet(server), press)
        with meanwhile(*stop), pytest.raises(InterruptedRun, match="interrupted"):
            rlm.completion("parent")
        assert len(server.requests) == 1


def _never() -> Decision:
    threading.Event().wait(60)
    return Decision("approved")


@pytest.mark.parametrize("elsewhere", [True, False], ids=["decided elsewhere", "decided here"])
@pytest.mark.parametrize("child", [True, False], ids=["of a child", "of the root"])
def test_the_time_limit_ends_the_wait_for_a_decision(onlooker: Onlooker, elsewhere: bool, child: bool) -> None:
    def reviewer(block: ProposedBlock) -> Decision | None:
        if block.depth != int(child):
            return Decision("approved")
        return None if elsewhere else _polls()

    script = family(code("print(rlm_query('a'))"), child=code("print(1)"))
    with ScriptedServer(script) as server, asked(server, max_timeout=0.8) as rlm:
        rlm.reviewer = reviewer
        with pytest.raises(TimeoutExceededError):
            rlm.completion("parent")
        stays_quiet(server)
        assert len(server.requests) == 1 + child


def _polls() -> Decision:
    for _ in range(600):  # as a kernel's input() does, which an exception in a thread can break into
        threading.Event().wait(0.1)
    return Decision("approved")


def test_when_whoever_was_to_decide_goes_away_the_reviewer_is_asked_again(onlooker: Onlooker) -> None:
    here = [None, Decision("approved")]
    with ScriptedServer(family(code("print('ran')"), "FINAL(done)")) as server, asked(server) as rlm:
        rlm.reviewer = lambda block: here.pop(0)
        with meanwhile(onlooker.proposed, ask_again):
            assert said(rlm.completion("parent")) == "ran\n"


def test_a_reviewer_is_the_callers_own_and_not_of_what_derives_from_it() -> None:
    with ScriptedServer(family(code("print('ran')"), "FINAL(done)")) as server, asked(server) as rlm:
        rlm.reviewer = lambda block: Decision("rejected")
        settings = {"model_name": "m", "api_key": "k", "base_url": server.base_url}
        with rlm.reconfigured("openai", settings) as derived:
            assert said(derived.completion("parent")) == "ran\n"


def test_what_a_reviewer_raises_is_raised() -> None:
    def broken(block: ProposedBlock) -> Decision:
        msg = "No such thing."
        raise ConfigurationError(msg)

    with ScriptedServer(family(code("print(1)"))) as server, asked(server) as rlm:
        rlm.reviewer = broken
        with pytest.raises(ConfigurationError, match="No such thing"):
            rlm.completion("parent")
        assert not under_way
