"""A run that was cut goes on from its trace, whatever cut it, and nothing that was recorded is asked for again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from family import said, trace_of
from scripted_server import ChatRequest, Reply, ScriptedServer
from scripts import code, is_root, says, step, text_of

from rlm_jupyter import (
    RLM,
    BudgetExceededError,
    ClientError,
    ConfigurationError,
    ErrorThresholdExceededError,
    RLMError,
    RLMLogger,
)
from rlm_jupyter.core.prompts import COMPACTION_REQUEST
from rlm_jupyter.core.steering import Decision
from rlm_jupyter.trace.schema import CodeEnd, CodeStart
from rlm_jupyter.trace.trace import Trace

CONTEXT = "a haystack"
FAIL = Reply("no more", status=400)
LOOK = code("size = len(context)", "seen = llm_query_batched([f'p{number}' for number in range(3)])", "print(seen)")
FINISH = code("answer['content'] = f'{size} {seen[2]}'", "answer['ready'] = True")
ANSWER = "10 <p2>"


def leaf(request: ChatRequest) -> str:
    return f"<{request.prompt}>"


class Model:
    """A server whose script each test sets."""

    def __init__(self) -> None:
        self.script: Callable[[ChatRequest], Reply | str] = says("FINAL(nobody wrote a script)")
        self.server = ScriptedServer(self.answer)

    def answer(self, request: ChatRequest) -> Reply | str:
        return self.script(request)

    def plays(self, *replies: Reply | str, sub: Any = leaf) -> None:
        self.script = says(*replies, sub=sub)

    def rlm(self, **arguments: Any) -> RLM:
        settings = {"model_name": "m", "api_key": "k", "base_url": self.server.base_url, "max_retries": 0}
        return RLM("openai", settings, **arguments)

    @property
    def asked(self) -> list[str]:
        """What was asked, in order: the root's steps by number, sub-calls by their prompt."""
        return [str(step(each)) if is_root(each) else each.prompt for each in self.server.requests]


@pytest.fixture(scope="module")
def shared_model() -> Iterator[Model]:
    model = Model()
    with model.server:
        yield model


@pytest.fixture
def model(shared_model: Model) -> Model:
    shared_model.server.requests.clear()
    return shared_model


def cut(rlm: RLM, error: type[BaseException] = RLMError, context: str = CONTEXT) -> Trace:
    """The trace of a run that ends with this error."""
    with pytest.raises(error) as raised:
        rlm.completion(context, "How large is it?")
    return trace_of(raised.value)  # type: ignore[arg-type]


def test_a_model_that_failed(model: Model) -> None:
    model.plays(LOOK, FAIL)
    with model.rlm() as rlm:
        trace = cut(rlm, ClientError)
        model.plays(LOOK, FINISH)
        completion = rlm.resume(trace)
    assert completion.response == ANSWER
    assert sorted(model.asked) == ["0", "1", "1", "p0", "p1", "p2"]
    assert model.server.requests[-1].messages == model.server.requests[-2].messages, "the conversation is the same"
    total = completion.usage_summary.total
    assert (total.total_calls, total.cached_calls) == (1, 4)
    whole = trace_of(completion)
    assert whole.run.resumes == trace.run_id
    assert [span.kind for span in whole.walk()] == [
        *["run", "iteration", "model_call", "code", "subcall", "subcall", "subcall"],
        *["iteration", "model_call", "code"],
    ]


def test_asynchronously_and_from_the_error_itself(model: Model) -> None:
    async def both() -> tuple[str, Any]:
        async with model.rlm() as rlm:
            with pytest.raises(ClientError) as raised:
                await rlm.acompletion(CONTEXT, "How large is it?")
            model.plays(LOOK, FINISH)
            return (await rlm.aresume(raised.value)).response, raised.value.trace

    model.plays(LOOK, FAIL)
    answer, _ = asyncio.run(both())
    assert answer == ANSWER
    assert sorted(model.asked) == ["0", "1", "1", "p0", "p1", "p2"]


def test_a_block_that_was_under_way_asks_what_has_no_reply_yet(model: Model) -> None:
    asks = code("size = len(context)", "seen = [llm_query(f'p{number}') for number in range(3)]")
    model.plays(asks, FINISH)
    with model.rlm() as rlm:
        whole = trace_of(rlm.completion(CONTEXT, "How large is it?"))
        second = whole.subcalls[1].end
        assert second is not None
        before = len(model.asked)
        assert rlm.resume(killed(whole, before=second.seq)).response == ANSWER
    assert model.asked[before:] == ["p1", "p2", "1"]


def test_a_call_that_had_failed_in_the_block_that_was_cut_is_asked_again(model: Model) -> None:
    asks = code("seen = llm_query_batched(['good', 'bad'])", "rest = llm_query('rest')", "FINAL(seen[1])")
    model.plays(asks, sub=lambda request: FAIL if request.prompt == "bad" else leaf(request))
    with model.rlm() as rlm:
        whole = trace_of(rlm.completion(CONTEXT, "How large is it?"))
        before, last = len(model.asked), whole.subcalls[-1].end
        assert last is not None
        model.plays(asks)
        assert rlm.resume(killed(whole, before=last.seq)).response == "<bad>"
    assert model.asked[before:] == ["bad", "rest"]


def test_errors_of_calls_are_recorded_in_a_block_that_ended(model: Model) -> None:
    caught = code("told = llm_query_batched(['good', 'bad'])", "print(told)")
    finish = code("answer['content'] = told[1]", "answer['ready'] = True")
    model.plays(caught, FAIL, sub=lambda request: FAIL if request.prompt == "bad" else leaf(request))
    with model.rlm() as rlm:
        trace = cut(rlm, ClientError)
        model.plays(caught, finish)
        completion = rlm.resume(trace)
    assert "no more" in completion.response
    assert sorted(model.asked) == ["0", "1", "1", "bad", "good"]


def test_what_gives_something_else_now_is_told_and_noted(model: Model) -> None:
    counting = code("import itertools, builtins", "builtins.count_of_test = getattr(builtins, 'count_of_test', 0) + 1",
                    "print('run number', builtins.count_of_test)")  # fmt: skip
    model.plays(counting, code("print('the same')"), FAIL)
    with model.rlm() as rlm:
        trace = cut(rlm, ClientError)
        model.plays(counting, code("print('the same')"), "FINAL(done)")
        completion = rlm.resume(trace)
        told = model.server.requests[-1].messages
        assert "run number 1" in told[-3]["content"], "the model is told what it was told"
        assert "Block 1 of iteration 1 gave something else now" in told[-1]["content"]
        assert "iteration 2" not in told[-1]["content"]
    ends = [span.end.payload for span in trace_of(completion).walk() if span.end is not None]
    (noted, plain) = [end for end in ends if isinstance(end, CodeEnd)]
    assert "run number 2" in noted.notes[0]
    assert plain.notes == []
    assert "run number 1" in said(completion)


def test_limits_count_what_comes_now(model: Model) -> None:
    broken = code("1 / 0")
    model.plays(broken, broken, "FINAL(better)")
    with model.rlm(max_errors=2) as rlm:
        trace = cut(rlm, ErrorThresholdExceededError)
        with pytest.raises(ErrorThresholdExceededError, match="raise max_errors"):
            rlm.resume(trace)
    with model.rlm(max_errors=3) as rlm:
        assert rlm.resume(trace).response == "better"
    assert model.asked == ["0", "1", "2"]


def test_a_budget_that_is_used_up(model: Model) -> None:
    priced = {"prompt_tokens": 10, "completion_tokens": 10, "cost": 0.4}
    model.plays(
        Reply(LOOK, usage=priced), Reply(FINISH, usage=priced), sub=lambda each: Reply(leaf(each), usage=priced)
    )
    with model.rlm(max_budget=0.5) as rlm:
        trace = cut(rlm, BudgetExceededError)
        asked = len(model.asked)
    with model.rlm(max_budget=5.0) as rlm:
        completion = rlm.resume(trace)
    assert completion.response == ANSWER
    assert sorted(model.asked) == ["0", "1", "p0", "p1", "p2"]
    assert completion.usage_summary.total.total_calls == 5 - asked


def killed(trace: Trace, *, before: int) -> Trace:
    """The trace of a process that was killed before it recorded this event."""
    return Trace(event for event in trace.events if event.seq < before)


def test_a_child_that_was_cut_goes_on_and_one_that_was_done_is_not_run_again(model: Model) -> None:
    asks = code("first = rlm_query('done child')", "second = rlm_query('cut child')", "FINAL(first + ' ' + second)")

    def script(request: ChatRequest) -> Reply | str:
        if not is_root(request):
            return leaf(request)
        whose = text_of(request.messages[1]).split("\n")[2]
        if whose == "done child":
            return [code("x = llm_query('d0')"), "FINAL_VAR(x)"][step(request)]
        if whose == "cut child":
            return [code("y = llm_query_batched(['c0', 'c1'])"), code("FINAL(y[1])")][step(request)]
        return asks

    model.script = script
    with model.rlm(max_depth=2) as rlm:
        whole = trace_of(rlm.completion(CONTEXT, "parent"))
        last = [span for span in whole.walk() if span.kind == "model_call"][-1]
        assert last.end is not None
        before = len(model.asked)
        completion = rlm.resume(killed(whole, before=last.end.seq))
    assert completion.response == "<d0> <c1>"
    assert model.asked[before:] == ["1"], "the last step of the child that was cut"
    again = trace_of(completion)
    assert [(span.kind, span.status) for span in again.walk()] == [(span.kind, span.status) for span in whole.walk()]


def test_a_resumed_run_that_is_cut_goes_on_again_from_the_log(model: Model, tmp_path: Path) -> None:
    logger = RLMLogger(tmp_path)
    assert logger.log_file_path is not None
    with model.rlm(logger=logger) as rlm:
        model.plays(LOOK, FAIL)
        cut(rlm, ClientError)
        model.plays(LOOK, code("size += 1"), FAIL)
        with pytest.raises(ClientError):
            rlm.resume(logger.log_file_path)
        model.plays(LOOK, code("size += 1"), FINISH)
        completion = rlm.resume(logger.log_file_path)
        with pytest.raises(ConfigurationError, match="came to its answer"):
            rlm.resume(logger.log_file_path)
        with pytest.raises(ConfigurationError, match="no run in the log"):
            rlm.resume("ffff")
    assert completion.response == "11 <p2>"
    assert sorted(model.asked) == ["0", "1", "1", "2", "2", "p0", "p1", "p2"]


def test_the_context_is_recorded_or_given_and_is_the_one_that_it_was(model: Model) -> None:
    large = CONTEXT * 1_000  # a short one stands in the trace anyhow
    with model.rlm(record_limit=0) as rlm:
        model.plays(LOOK, FAIL)
        trace = cut(rlm, ClientError, large)
        model.plays(LOOK, FINISH)
        with pytest.raises(ConfigurationError, match=r"Pass it: resume\(trace, context=\.\.\.\)"):
            rlm.resume(trace)
        with pytest.raises(ConfigurationError, match="other_context=True"):
            rlm.resume(trace, "another haystack")
        asked = len(model.asked)
        assert rlm.resume(trace, large).response == "10000 <p2>"
        assert rlm.resume(trace, large + "!", other_context=True).response == "10001 <p2>"
        assert len(model.asked) == asked + 2


def test_a_turn_of_a_session(model: Model) -> None:
    with model.rlm() as rlm:
        session = rlm.start_session()
        model.plays("FINAL(a haystack)")
        session.chat("What is it?")
        model.plays(LOOK, FAIL)
        with pytest.raises(ClientError) as raised:
            session.chat(CONTEXT, "How large is it?")
        model.plays(LOOK, FINISH)
        completion = session.resume(raised.value)
    assert [turn.completion.response for turn in session.history] == ["a haystack", ANSWER]
    assert [turn.number for turn in session.history] == [0, 1]
    assert trace_of(completion).run.turn == 1
    assert "What is it?" in model.server.requests[-1].messages[1]["content"]


def test_a_kept_repl(model: Model) -> None:
    """In another process: the variables of the turn before are put back, its context keeps its number."""
    with model.rlm(persistent=True) as rlm:
        model.plays(code("names = ['Ada']", "FINAL(one)"))
        rlm.completion("the first")
        model.plays(code("names.append(context_1[:1])", "print(names)"), FAIL)
        trace = cut(rlm, ClientError)
    with model.rlm(persistent=True) as rlm:
        model.plays(code("names.append(context_1[:1])", "print(names)"), code("FINAL(str(names))"))
        assert rlm.resume(trace).response == "['Ada', 'a']"
        assert "something else" not in str(model.server.requests[-1].messages)
    bare = Trace(event for event in trace.events if event.event != "blob" or "Ada" not in event.text)
    with model.rlm(persistent=True) as rlm, pytest.raises(ConfigurationError, match="reads names"):
        rlm.resume(bare)


def test_what_the_user_decided_and_said_is_not_asked_again(model: Model) -> None:
    decisions = iter([Decision("edited", "x = 2", "rather two"), Decision("rejected", reason="not that")])
    model.plays(code("x = 1"), code("x = 3"), FAIL)
    with model.rlm() as rlm:
        rlm.reviewer = lambda block: next(decisions)
        trace = cut(rlm, ClientError)
        model.plays(code("x = 1"), code("x = 3"), "FINAL_VAR(x)")
        rlm.reviewer = lambda block: Decision("approved")
        completion = rlm.resume(trace)
    assert completion.response == "2"
    assert model.server.requests[-1].messages == model.server.requests[-2].messages
    blocks = [span.start.payload for span in trace_of(completion).walk() if isinstance(span.start.payload, CodeStart)]
    assert [block.review for block in blocks] == ["edited", "rejected", "approved"]


def test_a_compacted_conversation_and_a_closing_iteration(model: Model) -> None:
    replies = [code("print('word ' * 400)")] * 2
    asked: list[str] = []

    def script(request: ChatRequest) -> Reply | str:
        if request.prompt.endswith(COMPACTION_REQUEST):
            return "a summary"
        if "FAIL" in asked:
            return "FINAL(closed)"
        return replies.pop() if replies else FAIL

    model.script = script
    with model.rlm(compaction=True, context_window=1_500, max_iterations=2) as rlm:
        trace = cut(rlm, ClientError)
        before = len(model.asked)
        asked.append("FAIL")
        completion = rlm.resume(trace)
    assert completion.response == "closed"
    assert before == 4
    assert len(model.asked) == before + 1
    assert model.server.requests[-1].messages == model.server.requests[-2].messages
    calls = [span for span in trace_of(completion).walk() if span.kind == "model_call"]
    purposes = [call.start.payload.purpose for call in calls]  # type: ignore[union-attr]
    assert purposes == ["answer", "answer", "compaction", "answer"]
    assert [each.start.payload.closing for each in trace_of(completion).iterations] == [  # type: ignore[union-attr]
        False,
        False,
        True,
    ]
