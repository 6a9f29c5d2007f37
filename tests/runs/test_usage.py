"""What a run, and a session of runs, say that they have used."""

from __future__ import annotations

from typing import Any

import pytest
from scripted_server import ChatRequest, Reply, ScriptedServer
from scripts import code, is_root, says

from rlm_jupyter import RLM
from rlm_jupyter.core.errors import BudgetExceededError, ClientError
from rlm_jupyter.core.usage import UsageSummary

PRICED = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110, "cost": 0.001}
DETAILED = {
    **PRICED,
    "prompt_tokens_details": {"cached_tokens": 60},
    "completion_tokens_details": {"reasoning_tokens": 4},
}


def made(server: ScriptedServer, **options: Any) -> RLM:
    return RLM("openai", {"model_name": "m", "base_url": server.base_url, "max_retries": 0}, **options)


def test_cached_and_reasoning_tokens_add_up_over_the_tree() -> None:
    script = says(Reply(code("llm_query_batched(['a', 'b'])"), usage=DETAILED), Reply("FINAL(x)", usage=DETAILED),
                  sub=Reply("s", usage=DETAILED))  # fmt: skip
    with ScriptedServer(script) as server, made(server) as rlm:
        usage = rlm.completion("context", "Who?").usage_summary
    assert (usage.total_calls, usage.total_cached_input_tokens, usage.total_reasoning_tokens) == (4, 240, 16)
    assert usage.total_cost == pytest.approx(0.004)


@pytest.mark.parametrize(("status", "known"), [(400, True), (429, True), (500, True), (504, False)])
def test_a_refused_call_costs_nothing_and_one_that_is_lost_what_nobody_knows(status: int, known: bool) -> None:
    script = says(
        Reply(code("print(llm_query_batched(['a']))"), usage=PRICED),
        Reply("FINAL(x)", usage=PRICED),
        sub=Reply("no", status=status),
    )
    with ScriptedServer(script) as server, made(server) as rlm:
        usage = rlm.completion("context", "Who?").usage_summary
    assert usage.total_calls == len(server.requests) == 3
    assert (usage.total_cost is not None) == known
    assert usage.known_cost == pytest.approx(0.002)
    assert usage.unpriced_calls == (0 if known else 1)


def test_a_call_for_which_there_was_no_connection_costs_nothing() -> None:
    with ScriptedServer(says(Reply(code("print(llm_query_batched(['a']))"), usage=PRICED), "FINAL(x)")) as server:
        nobody = {"model_name": "sub", "base_url": "http://127.0.0.1:9/v1", "max_retries": 0}
        with made(server, other_backends=["openai"], other_backend_kwargs=[nobody]) as rlm:
            usage = rlm.completion("context", "Who?").usage_summary.model_usage_summaries["sub"]
    assert (usage.total_cost, usage.unpriced_calls) == (0.0, 0)


def test_a_session_counts_all_its_runs_those_that_failed_too() -> None:
    replies = [Reply("FINAL(x)", usage=PRICED), Reply(code("pass"), usage=PRICED), Reply("no", status=400)]
    with ScriptedServer(replies) as server, made(server) as rlm:
        session = rlm.start_session()
        session.chat("first")
        with pytest.raises(ClientError):
            session.chat("second")
        usage = session.usage_summary
        assert len(session.history) == 1
    assert (usage.total_calls, usage.total_input_tokens) == (3, 200)
    assert usage.total_cost == pytest.approx(0.002)
    usage.include(usage)
    assert session.usage_summary.total_calls == 3  # what was returned is a copy


def test_replies_from_the_cache_use_up_no_budget(tmp_path: Any) -> None:
    def script(request: ChatRequest) -> Reply:
        text = code("print(llm_query('a'))") if is_root(request) and len(request.messages) == 2 else "FINAL(x)"
        return Reply(text, usage=PRICED)

    with ScriptedServer(script) as server:
        with made(server, cache=tmp_path / "replies.sqlite3", max_budget=0.01) as rlm:
            first = rlm.completion("context", "Who?").usage_summary
        asked = len(server.requests)
        with made(server, cache=tmp_path / "replies.sqlite3", max_budget=0.0005) as rlm:
            second = rlm.completion("context", "Who?").usage_summary
        assert len(server.requests) == asked == first.total_calls
    assert (second.total_calls, second.cached_calls, second.total_input_tokens) == (0, asked, 0)
    assert second.total_cost == 0.0


def test_a_budget_holds_on_after_a_call_that_was_refused() -> None:
    lines = code("print(llm_query_batched(['a']))")
    script = says(Reply(lines, usage=PRICED), sub=Reply("no", status=400))
    with (
        ScriptedServer(script) as server,
        made(server, max_budget=0.0035) as rlm,
        pytest.raises(BudgetExceededError, match="may cost") as caught,
    ):
        rlm.completion("context", "Who?")
    assert caught.value.trace is not None
    spent: UsageSummary = caught.value.trace.usage
    assert spent.total_cost is not None
    assert spent.total_cost <= 0.0035
