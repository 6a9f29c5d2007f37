"""Limits hold over the whole tree of runs, and while code runs; the server's own count is the witness."""

from __future__ import annotations

import _thread
import asyncio
import signal
import threading
import time
from typing import Any

import pytest
from family import asked, family, question, said, stop_after, trace_of
from scripted_server import ChatRequest, Reply, ScriptedServer
from scripts import code, is_root, step

from rlm_jupyter import RLM
from rlm_jupyter.core.errors import (
    BudgetExceededError,
    ErrorThresholdExceededError,
    InterruptedRun,
    TimeoutExceededError,
    TokenLimitExceededError,
)

PRICE = 0.001


def priced(reply: Reply | str, price: float = PRICE, tokens: int = 10) -> Reply:
    text = reply if isinstance(reply, str) else reply.text
    usage = {"prompt_tokens": tokens, "completion_tokens": tokens, "total_tokens": 2 * tokens, "cost": price}
    return Reply(text, usage=usage, delay=0.005)


def spent(server: ScriptedServer) -> float:
    return PRICE * len(server.requests)


def test_a_batch_never_passes_the_budget() -> None:
    """Defect 1 of the field: of a budget of $0.005, $0.068 were spent."""

    def script(request: ChatRequest) -> Reply:
        if not is_root(request):
            return priced("leaf")
        return priced(code("answer['content'] = 'so far'", "llm_query_batched([f'leaf {n}' for n in range(20)])"))

    with ScriptedServer(script) as server, asked(server, max_budget=0.005, max_concurrent_subcalls=20) as rlm:
        with pytest.raises(BudgetExceededError, match=r"\$0\.005000") as caught:
            rlm.completion("parent")
        assert len(server.requests) == 5
        assert caught.value.partial_answer == "so far"
        assert trace_of(caught.value).status == "limit"
        assert trace_of(caught.value).usage.total_calls == 5
        assert trace_of(caught.value).usage.total_cost == pytest.approx(0.005)


def test_the_money_of_children_and_their_calls_counts() -> None:
    def script(request: ChatRequest) -> Reply:
        if not is_root(request):
            return priced("leaf")
        if question(request) == "parent":
            return priced(code("rlm_query_batched([f'child {n}' for n in range(10)])"))
        return priced((code("print(llm_query_batched(['a', 'b', 'c']))"), "FINAL(grown up)")[step(request)])

    with ScriptedServer(script) as server, asked(server, max_budget=0.020) as rlm:
        with pytest.raises(BudgetExceededError) as caught:
            rlm.completion("parent")
        assert len(server.requests) == 20
        assert trace_of(caught.value).usage.total_cost == pytest.approx(spent(server))
        statuses = {child.status for child in trace_of(caught.value).children}
        assert "interrupted" in statuses
        assert None not in statuses


def test_a_budget_that_is_enough_is_no_hindrance() -> None:
    script = family(code("print(rlm_query_batched(['a', 'b']), llm_query_batched(['c', 'd']))"), "FINAL(done)")
    with ScriptedServer(lambda request: priced(script(request))) as server, asked(server, max_budget=1.0) as rlm:
        result = rlm.completion("parent")
        assert result.response == "done"
        assert result.usage_summary.total_cost == pytest.approx(spent(server))


def test_a_budget_that_nobody_can_keep_ends_the_tree_after_one_call() -> None:
    with ScriptedServer(family(code("rlm_query('a')"))) as server, asked(server, max_budget=1.0) as rlm:
        with pytest.raises(BudgetExceededError, match="does not say what a call to 'm' costs"):
            rlm.completion("parent")
        assert len(server.requests) == 1


def test_tokens_count_over_the_tree() -> None:
    script = family(code("answer['content'] = 'so far'", "for n in range(20): rlm_query(f'child {n}')"), "FINAL(done)")
    with ScriptedServer(lambda request: priced(script(request))) as server, asked(server, max_tokens=100) as rlm:
        with pytest.raises(TokenLimitExceededError, match="100 of the 100 tokens") as caught:
            rlm.completion("parent")
        assert len(server.requests) == 5
        assert caught.value.partial_answer == "so far"


@pytest.mark.parametrize(
    "busy", ["while True: pass", "import time; time.sleep(600)", "import asyncio; await asyncio.sleep(600)"]
)
def test_the_time_limit_breaks_into_a_cell_of_the_root(busy: str) -> None:
    """Defect 7 of the field: a time limit was looked at only between iterations."""
    script = family(code("answer['content'] = 'so far'", busy), "FINAL(done)")
    with ScriptedServer(script) as server, asked(server, max_timeout=0.5) as rlm:
        with pytest.raises(TimeoutExceededError, match=r"0\.5 s") as caught:
            rlm.completion("parent")
        assert caught.value.partial_answer == "so far"
        assert trace_of(caught.value).status == "limit"
        assert len(server.requests) == 1


def test_the_time_limit_breaks_into_the_cells_of_children() -> None:
    script = family(code("rlm_query_batched(['a', 'b', 'c'])"), "FINAL(done)", child=code("while True: pass"))
    with ScriptedServer(script) as server, asked(server, max_timeout=1.0) as rlm:
        before = threading.active_count()
        with pytest.raises(TimeoutExceededError) as caught:
            rlm.completion("parent")
        assert [child.status for child in trace_of(caught.value).children] == ["interrupted"] * 3
        assert len(server.requests) == 4
        deadline = time.monotonic() + 30
        while threading.active_count() > before and time.monotonic() < deadline:
            threading.Event().wait(0.05)
        assert threading.active_count() <= before  # no child's code runs on


def test_the_time_limit_ends_a_run_off_the_main_thread() -> None:
    caught: list[BaseException] = []

    def run() -> None:
        with ScriptedServer(family(code("while True: pass"))) as server, asked(server, max_timeout=0.5) as rlm:
            try:
                rlm.completion("parent")
            except TimeoutExceededError as error:
                caught.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(60)
    assert len(caught) == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # it may arrive in a callback
def test_the_stop_button_ends_the_children_too_and_nothing_more_is_sent() -> None:
    def script(request: ChatRequest) -> Reply | str:
        if question(request) == "parent":
            return code("answer['content'] = 'so far'", "rlm_query_batched([f'child {n}' for n in range(100)])")
        return Reply("FINAL(late)", delay=30)

    with ScriptedServer(script) as server, asked(server, max_concurrent_subcalls=8) as rlm:
        stop = stop_after(server, 9, lambda: signal.raise_signal(signal.SIGINT))
        with pytest.raises(InterruptedRun) as caught:
            rlm.completion("parent")
        stop.join()
        sent = len(server.requests)
        assert sent == 9
        assert caught.value.partial_answer == "so far"
        assert {child.status for child in trace_of(caught.value).children} == {"interrupted"}
        threading.Event().wait(0.5)
        assert len(server.requests) == sent


def test_a_child_that_fails_too_often_ends_alone() -> None:
    script = family(
        code("print(*rlm_query_batched(['a', 'b']), sep='|')"),
        "FINAL(done)",
        child=code("answer['content'] = 'half of it'", "1 / 0"),
    )
    with ScriptedServer(script) as server, asked(server, max_errors=3) as rlm:
        result = rlm.completion("parent")
        slots = said(result).strip().split("|")
        assert len(server.requests) == 2 + 2 * 3
        for slot in slots:
            assert slot == (
                "Error: 3 code blocks in a row have failed, which is the limit (max_errors). "
                "Its answer so far: half of it"
            )


def test_failed_blocks_in_a_row_end_the_root() -> None:
    script = family(*[code("answer['content'] = 'so far'", "1 / 0")] * 3)
    with ScriptedServer(script) as server, asked(server, max_errors=2) as rlm:
        with pytest.raises(ErrorThresholdExceededError, match="2 code blocks in a row") as caught:
            rlm.completion("parent")
        assert caught.value.partial_answer == "so far"
        assert len(server.requests) == 2


def test_a_child_has_its_own_iterations() -> None:
    script = family(code("print(rlm_query('a'))"), "FINAL(done)", child=code("print(1)"))
    with ScriptedServer(script) as server, asked(server, max_iterations=3) as rlm:
        result = rlm.completion("parent")
        assert len(server.requests) == 2 + 3 + 1  # the child is asked for its answer once its iterations are used up
        assert result.response == "done"


def test_an_asynchronous_run_has_children_too() -> None:
    script = family(code("print(rlm_query_batched(['a', 'b']))"), "FINAL(done)")

    async def main(rlm: RLM) -> Any:
        return await rlm.acompletion("parent")

    with ScriptedServer(script) as server, asked(server) as rlm:
        result = asyncio.run(main(rlm))
        assert said(result) == "['grown up', 'grown up']\n"


# The interrupt may arrive in a weak reference's callback, where Python can only print it.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_code_that_swallows_everything_cannot_send_anything_more() -> None:
    script = family(
        code(
            "import time",
            "began = time.monotonic()",
            "while time.monotonic() < began + 1:",
            "    try:",
            "        rlm_query('again'), llm_query('again')",
            "    except BaseException:",
            "        pass",
        ),
    )
    with ScriptedServer(lambda request: priced(script(request))) as server, asked(server, max_budget=0.004) as rlm:
        with pytest.raises(BudgetExceededError):
            rlm.completion("parent")
        assert len(server.requests) == 4


def test_an_interrupt_of_the_main_thread_alone_is_heard() -> None:
    """``_thread.interrupt_main`` is how some hosts press stop."""
    script = family(code("rlm_query('a')"), child=code("while True: pass"))
    others = _children()  # of what other tests have not closed
    with ScriptedServer(script) as server, asked(server) as rlm:
        stop = stop_after(server, 2, _thread.interrupt_main)
        with pytest.raises(InterruptedRun):
            rlm.completion("parent")
        stop.join()
        deadline = time.monotonic() + 30
        while _children() - others and time.monotonic() < deadline:
            threading.Event().wait(0.05)
        assert _children() - others == set()  # the child's code does not run on, though it began just then


def test_a_limit_that_a_child_runs_into_ends_the_code_of_its_parent() -> None:
    """The parent's code went on with its children's failures for answers, and wrote over the partial answer."""
    script = family(
        code(
            "answer['content'] = 'so far'",
            "answers = rlm_query_batched([f'child {n}' for n in range(8)])",
            "answer['content'] = 'after the limit'",
        ),
        child=code("llm_query_batched(['a', 'b', 'c'])"),
    )
    with ScriptedServer(lambda request: priced(script(request))) as server, asked(server, max_budget=0.012) as rlm:
        with pytest.raises(BudgetExceededError) as caught:
            rlm.completion("parent")
        assert caught.value.partial_answer == "so far"


def test_a_batch_never_passes_the_tokens() -> None:
    script = family(code("llm_query_batched([f'leaf {n}' for n in range(20)])"), "FINAL(done)")
    with ScriptedServer(lambda request: priced(script(request))) as server, asked(server, max_tokens=100) as rlm:
        with pytest.raises(TokenLimitExceededError):
            rlm.completion("parent")
        assert len(server.requests) == 5


@pytest.mark.parametrize("width", [2, 4])
def test_no_more_calls_than_allowed_are_under_way_over_all_levels(width: int) -> None:
    def script(request: ChatRequest) -> Reply:
        if not is_root(request):
            return Reply("leaf", delay=0.02)
        if len(question(request)) > 3:
            return Reply(code("print(llm_query_batched(['a'] * 4))", "FINAL(1)"), delay=0.02)
        return Reply(code("rlm_query_batched([context + str(n) for n in range(4)])", "FINAL(1)"), delay=0.02)

    with ScriptedServer(script) as server, asked(server, max_depth=3, max_concurrent_subcalls=width) as rlm:
        rlm.completion("q")
        assert server.max_in_flight == width


def test_replies_that_break_off_count_against_the_budget() -> None:
    def script(request: ChatRequest) -> Reply:
        if is_root(request):
            return priced(
                family(code("llm_query('whole')", "llm_query_batched(['broken'] * 20)"), "FINAL(done)")(request)
            )
        return Reply(**{**vars(priced("leaf")), "cut_after": 0 if request.prompt == "broken" else None})

    with ScriptedServer(script) as server, asked(server, max_budget=0.008) as rlm:
        with pytest.raises(BudgetExceededError):
            rlm.completion("parent")
        # One was whole; of what is left, each request may have taken as much.
        assert len([request for request in server.requests if not is_root(request)]) == 1 + 6


@pytest.mark.parametrize("environment", ["local", "ipython"])
def test_calls_end_with_the_cell_that_asked(environment: str) -> None:
    script = family(
        code("llm_query_batched([str(n) for n in range(200)])"),
        code("import time", "time.sleep(0.5)"),
        "FINAL(done)",
        leaf="leaf",
    )
    told: dict[str, Any] = {"environment": environment, "environment_kwargs": {"cell_timeout": 0.4}}
    with ScriptedServer(lambda request: Reply(script(request), delay=0.1 if not is_root(request) else 0)) as server:  # type: ignore[arg-type]
        with asked(server, max_concurrent_subcalls=4, **told) as rlm:
            rlm.completion("parent")
        last_leaf = max(request.number for request in server.requests if not is_root(request))
        second_root = [request.number for request in server.requests if is_root(request)][1]
        assert last_leaf < second_root  # nothing was asked after the cell's end


def test_an_asynchronous_run_off_the_main_thread_leaves_its_loop_alone() -> None:
    ended: list[str] = []

    async def other() -> None:
        await asyncio.sleep(1.5)
        ended.append("the other task")

    async def main(rlm: RLM) -> None:
        task = asyncio.create_task(other())
        try:
            await rlm.acompletion("parent")
        except TimeoutExceededError:
            ended.append("the run")
        await task

    def run() -> None:
        script = family(code("import asyncio", "await asyncio.sleep(600)"))
        with ScriptedServer(script) as server, asked(server, max_timeout=0.5) as rlm:
            asyncio.run(main(rlm))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(60)
    assert ended == ["the run", "the other task"]


def _children() -> set[threading.Thread]:
    """The threads that children run in."""
    return {thread for thread in threading.enumerate() if thread.name.startswith("rlm-jupyter-child")}
