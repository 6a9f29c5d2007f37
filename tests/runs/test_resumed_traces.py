"""What a trace may and may not do to the run that resumes it: it has holes, or somebody else has written it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from family import asked, trace_of
from replayed_runs import recorded
from scripted_server import ChatRequest, Reply, ScriptedServer
from scripts import code, is_root, says, step

from rlm_jupyter import RLM, ClientError, ConfigurationError, RLMLogger
from rlm_jupyter.core.steering import Decision, ProposedBlock
from rlm_jupyter.trace.schema import CodeEnd, CodeStart, Event, ModelCallEnd, SpanStart
from rlm_jupyter.trace.trace import Trace

STEPS = tuple(code(f"{name} = llm_query('{name}')", f"print({name})") for name in "abc")


def script(request: ChatRequest) -> Reply | str:
    """Three steps, each with a sub-call, and then a failure."""
    if not is_root(request):
        return request.prompt.upper()
    return STEPS[step(request)] if step(request) < len(STEPS) else Reply("broken", status=400)


@pytest.fixture(scope="module")
def cut() -> Trace:
    return Trace(recorded(script).events)


def upper(request: ChatRequest) -> str:
    return request.prompt.upper()


class Scripted(ScriptedServer):
    """A server whose script each test sets."""

    script: Callable[[ChatRequest], Reply | str]


@pytest.fixture(scope="module")
def shared_server() -> Iterator[Scripted]:
    scripted: Scripted = Scripted(lambda request: scripted.script(request))  # noqa: PLW0108 - it is set later
    with scripted:
        yield scripted


@pytest.fixture
def server(shared_server: Scripted) -> Scripted:
    shared_server.requests.clear()
    shared_server.script = says(*STEPS, "FINAL(done)", sub=upper)
    return shared_server


def without(trace: Trace, at: int, change: Callable[[Any], Event | None]) -> Trace:
    """The trace with the text of a reply of the root changed, or lost."""
    ends = [span.end.payload for span in trace.walk() if span.kind == "model_call" and span.end is not None]
    payload = ends[at]
    assert isinstance(payload, ModelCallEnd)
    told = (change(each) if getattr(each, "digest", None) == payload.reply else each for each in trace.events)
    return Trace(each for each in told if each is not None)


@pytest.mark.parametrize("at", [1, 2])
@pytest.mark.parametrize("lost", [True, False])
def test_a_reply_that_is_not_there_in_full_is_asked_for_and_so_is_what_follows(
    cut: Trace, server: Scripted, at: int, lost: bool
) -> None:
    def change(blob: Any) -> Event | None:
        return None if lost else blob.model_copy(update={"text": blob.text[:9], "size": 200_000, "cut": True})

    with asked(server) as rlm:
        completion = rlm.resume(without(cut, at, change))
    blocks = [span for span in trace_of(completion).walk() if span.kind == "code"]
    assert [span.start.payload.code for span in blocks] == [  # type: ignore[union-attr]
        f"{name} = llm_query('{name}')\nprint({name})" for name in "abc"
    ]
    assert [end.outputs[0]["text"] for span in blocks if span.end and isinstance(end := span.end.payload, CodeEnd)] == [
        "A\n",
        "B\n",
        "C\n",
    ]
    assert [step(request) for request in server.requests] == [*range(at, 4)], "the sub-calls' replies are recorded"


def test_what_a_block_gave_is_not_told_of_other_code(cut: Trace, server: Scripted) -> None:
    server.script = says(*STEPS[:2], code("print('quite other')"), "FINAL(done)", sub=upper)
    with asked(server) as rlm:
        completion = rlm.resume(without(cut, 2, lambda blob: None))
    told = server.requests[-1].messages[-1]["content"]
    assert "quite other" in told
    assert "C\n" not in told
    assert [trace_of(completion).text(each.start.payload.prompt) for each in trace_of(completion).subcalls] == [  # type: ignore[union-attr]
        "a",
        "b",
    ]


def reviewed(trace: Trace, **told: Any) -> Trace:
    """The trace as somebody writes it who says of each block what was decided about it."""
    events: list[Event] = []
    for event in trace.events:
        if isinstance(event, SpanStart) and isinstance(event.payload, CodeStart):
            proposed = event.payload.code if told["review"] == "edited" else None
            payload = event.payload.model_copy(update={"proposed": proposed, **told})
            event = event.model_copy(update={"payload": payload})  # noqa: PLW2901
        events.append(event)
    return Trace(events)


@pytest.mark.parametrize("told", [{"review": "approved"}, {"review": "edited", "code": "import this_is_hostile"}])
def test_nobody_elses_word_has_code_run_unreviewed(cut: Trace, server: Scripted, told: dict[str, Any]) -> None:
    shown: list[ProposedBlock] = []

    def review(block: ProposedBlock) -> Decision:
        shown.append(block)
        return Decision("approved") if len(shown) < 3 else Decision("rejected")

    with asked(server) as rlm:
        rlm.reviewer = review
        completion = rlm.resume(reviewed(cut, **told))
    assert completion.response == "done"
    assert [block.code[:1] for block in shown] == ["a", "b", "c"]
    found = [span.start.payload for span in trace_of(completion).walk() if span.kind == "code"]
    assert [block.review for block in found if isinstance(block, CodeStart)] == ["approved", "approved", "rejected"]
    prompts = [request.prompt for request in server.requests if not is_root(request)]
    assert prompts == ([] if told["review"] == "approved" else ["a", "b"]), "of other code nothing is taken over"


def test_that_code_does_not_run_takes_nobodys_word(cut: Trace, server: Scripted) -> None:
    shown: list[str] = []

    def review(block: ProposedBlock) -> Decision:
        shown.append(block.code)
        return Decision("approved")

    server.script = says(*STEPS, code("print([name in globals() for name in 'abc'])"), "FINAL(done)", sub=upper)
    with asked(server) as rlm:
        rlm.reviewer = review
        rlm.resume(reviewed(cut, review="rejected"))
    assert len(shown) == 1
    assert "[False, False, False]" in server.requests[-1].messages[-1]["content"]


def test_no_source_of_somebody_elses_is_run_where_code_is_reviewed(server: Scripted) -> None:
    source = "def double(n):\n    return 2 * n"
    server.script = says(code("print(double(21))"), Reply("broken", status=400))
    rlm = asked(server, environment="ipython", environment_kwargs={"setup_code": source})
    with rlm, pytest.raises(ClientError) as raised:
        rlm.completion("parent")
    own = trace_of(raised.value)
    server.script = says(code("print(double(21))"), "FINAL(done)")
    with asked(server, environment="ipython") as rlm:
        rlm.reviewer = lambda block: Decision("approved")
        with pytest.raises(ConfigurationError, match="reads double"):
            rlm.resume(Trace(own.events))
        assert rlm.resume(own).response == "done"
        rlm.reviewer = None
        assert rlm.resume(Trace(own.events)).response == "done"


def test_a_run_under_way_is_not_run_beside_itself(server: Scripted, tmp_path: Path) -> None:
    logger = RLMLogger(tmp_path)
    refused: list[str] = []

    def review(block: ProposedBlock) -> Decision:
        with pytest.raises(ConfigurationError) as raised:
            RLM("offline").resume(logger.log_file_path)
        refused.append(str(raised.value))
        return Decision("approved")

    with asked(server, logger=logger) as rlm:
        rlm.reviewer = review
        rlm.completion("parent")
    assert all("under way" in each for each in refused)
    assert len(refused) == 3


def test_a_session_finds_a_run_by_its_id_too(server: Scripted, tmp_path: Path) -> None:
    server.script = script
    with asked(server, logger=RLMLogger(tmp_path)) as rlm:
        with pytest.raises(ClientError) as raised:
            rlm.completion("parent")
        server.script = says(*STEPS, "FINAL(done)")
        session = rlm.start_session()
        assert session.resume(trace_of(raised.value).run_id[:14]).response == "done"
    assert [turn.completion.response for turn in session.history] == ["done"]
