"""What answers the calls of recorded code: the recording, each answer once, and nobody where it holds none."""

from __future__ import annotations

import asyncio

import pytest
from family import family
from replayed_runs import recorded, trace_recorded
from scripted_server import ChatRequest
from scripts import code, is_root, says

from rlm_jupyter.core.errors import CancellationError, ClientError, ErrorThresholdExceededError, ScaffoldError
from rlm_jupyter.playback.answers import NotRecordedCallError, RecordedQueries
from rlm_jupyter.runs.earlier import EarlierBlock, EarlierRun
from rlm_jupyter.trace.redaction import Redactor
from rlm_jupyter.trace.trace import Trace


def queries_of(trace: Trace) -> tuple[EarlierRun, RecordedQueries]:
    assert trace.root is not None
    run = EarlierRun(trace, trace.root)
    return run, RecordedQueries(run, Redactor())


@pytest.fixture(scope="module")
def trace() -> Trace:
    """Two blocks that ask the same, and a third that asks children, of which one fails."""
    numbers = iter(range(100))

    def child(request: ChatRequest) -> str:
        return code("1 / 0") if "bad" in request.messages[1]["content"] else "FINAL(grown up)"

    asking = code("print(llm_query('same'), llm_query_batched(['same', 'other']))")
    parent = family(asking, asking, code("rlm_query_batched(['good', 'bad'])"), "FINAL(done)")

    def script(request: ChatRequest) -> str:
        if not is_root(request):
            return f"reply {next(numbers)}"
        reply = parent(request)
        assert isinstance(reply, str)
        return child(request) if reply == "FINAL(grown up)" else reply

    return recorded(script, max_concurrent_subcalls=1, max_errors=1)


def test_each_block_gets_its_own_answers_and_each_of_them_once(trace: Trace) -> None:
    run, queries = queries_of(trace)
    first, second, _ = run.blocks
    queries.begin(second)
    assert queries.llm_query("same") == "reply 3"
    queries.begin(first)
    assert queries.llm_query_batched(["same", "other"]) == ["reply 0", "reply 2"]
    assert [span.start.payload.kind for span in queries.not_asked(first)] == ["subcall"]
    assert asyncio.run(queries.llm_query_async("same")) == "reply 1"
    assert queries.not_asked(first) == []
    assert queries.llm_query("same") == "reply 4"  # another block's, before nobody's
    assert len(queries.not_asked(second)) == 1
    assert queries.answered == 5
    with pytest.raises(NotRecordedCallError, match=r"'same'.*is not in the recording.*live=True"):
        queries.llm_query("same")
    assert [(call.name, call.prompt, call.live) for call in queries.missing] == [("llm_query", "same", False)]
    assert isinstance(NotRecordedCallError(""), ClientError)


def test_a_block_that_is_played_anew_is_answered_as_often_as_it_was(trace: Trace) -> None:
    run, queries = queries_of(trace)
    for _ in range(2):
        queries.begin(EarlierBlock(trace, run.blocks[2].span))
        assert queries.rlm_query("good") == "grown up"
        with pytest.raises(NotRecordedCallError):
            queries.rlm_query("good")


def test_a_batch_says_how_much_of_it_is_missing(trace: Trace) -> None:
    _, queries = queries_of(trace)
    with pytest.raises(NotRecordedCallError, match=r"'new'\), and 1 more of the batch, is not"):
        queries.llm_query_batched(["same", "new", "newer"])
    assert [call.prompt for call in queries.missing] == ["new", "newer"]
    assert queries.llm_query_batched([]) == []
    with pytest.raises(ScaffoldError, match="takes a list of prompts"):
        queries.llm_query_batched("same")


def test_a_child_answers_as_it_did_or_fails_as_it_did(trace: Trace) -> None:
    asked = []
    assert trace.root is not None
    run = EarlierRun(trace, trace.root)
    queries = RecordedQueries(
        run, Redactor(), on_child=lambda child, prompt: asked.append((child.start.question, prompt))
    )
    queries.begin(run.blocks[2])
    assert queries.rlm_query("good") == "grown up"
    with pytest.raises(ErrorThresholdExceededError, match="which is the limit"):
        queries.rlm_query("bad")
    assert asked == [("good", "good"), ("bad", "bad")]
    with pytest.raises(NotRecordedCallError, match="rlm_query"):
        asyncio.run(queries.rlm_query_async({"not": "recorded"}))


def test_a_call_that_was_broken_off_is_broken_off_again() -> None:
    run, queries = queries_of(trace_recorded("interrupted"))
    queries.begin(run.blocks[1])
    with pytest.raises(CancellationError, match="broken off when it was recorded"):
        queries.llm_query("held")
    with pytest.raises(NotRecordedCallError):
        queries.llm_query("held")


def test_prompts_are_found_as_they_are_named_in_a_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THE_SERVICE_TOKEN", "a-token-of-some-length-4711")
    asking = code("llm_query('It is a-token-of-some-length-4711.')", r"llm_query('half of a pair: \ud83d')", "FINAL(1)")
    _, queries = queries_of(recorded(says(asking, sub="fine")))
    assert queries.llm_query("It is a-token-of-some-length-4711.") == "fine"
    assert queries.llm_query("half of a pair: \ud83d") == "fine"
