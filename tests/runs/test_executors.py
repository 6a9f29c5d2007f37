"""Children on an executor: threads of another pool, other processes of this machine, ipyparallel's engines."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import ipyparallel
import pytest
from family import asked, begun, family, printed, question, said, stop_after, trace_of
from scripted_server import ChatRequest, Reply, ScriptedServer
from scripts import Script, code

from rlm_jupyter.core.errors import BudgetExceededError, CancellationError, InterruptedRun, TimeoutExceededError
from rlm_jupyter.core.limits import Limits
from rlm_jupyter.core.usage import Usage
from rlm_jupyter.runs.shares import Shares
from rlm_jupyter.runs.tree import Tree
from rlm_jupyter.trace.recorder import Recorder
from rlm_jupyter.trace.redaction import Redactor

FAN_OUT = code("import os", "print(*rlm_query_batched([f'child {n}' for n in range(4)]), sep='|')")
WHERE = code("import os", "print(context)", "FINAL((os.getpid(), llm_query(context)))")


@contextmanager
def threads() -> Iterator[Executor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


@contextmanager
def processes() -> Iterator[Executor]:
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool


@pytest.fixture(scope="module")
def cluster() -> Iterator[ipyparallel.Client]:
    """Engines of a cluster, which take seconds to start."""
    with ipyparallel.Cluster(n=2, log_level=40) as client:
        yield client


@pytest.fixture(params=["threads", "processes", "engines"])
def executor(request: pytest.FixtureRequest) -> Iterator[Executor]:
    """Any executor."""
    if request.param == "engines":
        yield request.getfixturevalue("cluster").load_balanced_view().executor
        return
    with threads() if request.param == "threads" else processes() as pool:
        yield pool


ELSEWHERE = pytest.mark.parametrize("executor", ["processes", "engines"], indirect=True)


def test_children_run_on_any_executor(executor: Executor) -> None:
    with ScriptedServer(family(FAN_OUT, "FINAL(done)", child=WHERE)) as server:
        with asked(server, executor=executor) as rlm:
            result = rlm.completion("parent")
        answers = said(result).strip().split("|")
        pids = {int(answer.strip("()").split(",")[0]) for answer in answers}
        assert (os.getpid() in pids) == isinstance(executor, ThreadPoolExecutor)
        assert result.usage_summary.total_calls == len(server.requests) == 2 + 4 * 2
        children = sorted(trace_of(result).children, key=lambda child: begun(child).index or 0)
        for number, child in enumerate(children):
            assert child.status == "ok"
            assert begun(child).depth == 1
            assert printed(child) == f"child {number}\n"
        seqs = [event.seq for event in trace_of(result).events]
        assert seqs == list(range(len(seqs)))


@ELSEWHERE
def test_tools_travel_and_what_cannot_is_told(executor: Executor) -> None:
    factor = 6

    def times(number: int) -> int:
        return factor * number

    script = family(code("print(rlm_query('a'))"), "FINAL(done)", child=code("FINAL(times(7))"))
    with ScriptedServer(script) as server:
        with asked(server, executor=executor, custom_sub_tools={"times": times}) as rlm:
            assert said(rlm.completion("parent")) == "42\n"
        with asked(server, executor=executor, custom_sub_tools={"times": threading.Lock()}) as rlm:
            rlm.completion("parent")
            assert "cannot be carried to the executor's process" in server.requests[-1].prompt


@ELSEWHERE
def test_the_budget_holds_over_processes(executor: Executor) -> None:
    def script(request: ChatRequest) -> Reply:
        usage = {"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20, "cost": 0.001}
        if question(request) == "parent":
            text = code("answer['content'] = 'so far'", "rlm_query_batched([f'child {n}' for n in range(12)])")
        else:
            text = code("print(1)")
        return Reply(text, usage=usage)

    limits = {"max_budget": 0.02, "max_concurrent_subcalls": 3, "max_iterations": 50}
    with ScriptedServer(script) as server, asked(server, executor=executor, **limits) as rlm:
        with pytest.raises(BudgetExceededError) as caught:
            rlm.completion("parent")
        assert len(server.requests) <= 20
        assert trace_of(caught.value).usage.total_calls == len(server.requests)
        assert caught.value.partial_answer == "so far"


@ELSEWHERE
def test_the_stop_button_reaches_the_other_processes(executor: Executor) -> None:
    def script(request: ChatRequest) -> Reply | str:
        if question(request) == "parent":
            return code("rlm_query_batched(['a', 'b'])")
        return Reply(code("print(1)"), delay=0.05)

    with ScriptedServer(script) as server:
        with asked(server, executor=executor, max_iterations=10_000) as rlm:
            stop = stop_after(server, 9, lambda: signal.raise_signal(signal.SIGINT))
            with pytest.raises(InterruptedRun):
                rlm.completion("parent")
            stop.join()
        sent = -1
        deadline = time.monotonic() + 30
        while sent != len(server.requests) and time.monotonic() < deadline:
            sent = len(server.requests)
            threading.Event().wait(0.5)
        assert sent == len(server.requests)  # nobody asks any more
        assert sent < 100


def test_a_process_that_dies_is_a_failed_slot() -> None:
    script = family(code("print(rlm_query_batched(['a'])[0])"), "FINAL(done)", child=code("import os", "os._exit(1)"))
    with ScriptedServer(script) as server, processes() as executor, asked(server, executor=executor) as rlm:
        result = rlm.completion("parent")
        assert said(result).startswith("Error: A process in the process pool was terminated abruptly")
        assert result.response == "done"


def test_grandchildren_run_where_their_parents_do() -> None:
    script = family(
        code("print(rlm_query('child'))"),
        "FINAL(done)",
        child=code("import os", "FINAL((os.getpid(), rlm_query(context + '!') if len(context) < 7 else 'leaf'))"),
    )
    with processes() as pool, ScriptedServer(script) as server, asked(server, executor=pool, max_depth=4) as rlm:
        result = rlm.completion("parent")
    assert [begun(child).depth for child in trace_of(result).children] == [1, 2, 3]
    pids = {word for word in said(result).replace("(", " ").replace(",", " ").split() if word.isdigit()}
    assert len(pids) == 1
    assert pids != {str(os.getpid())}


def test_children_that_were_waiting_for_a_worker_do_not_begin_after_the_end() -> None:
    def script(request: ChatRequest) -> Reply | str:
        if question(request) == "parent":
            return code("rlm_query_batched([f'child {n}' for n in range(6)])")
        return Reply(code("print(1)"), delay=0.05)

    limits: dict[str, Any] = {"max_timeout": 3.0, "max_iterations": 10_000}
    with processes() as pool, ScriptedServer(script) as server, asked(server, executor=pool, **limits) as rlm:
        with pytest.raises(TimeoutExceededError):
            rlm.completion("parent")
        server.wait_idle()
        children = {question(request) for request in server.requests} - {"parent"}
        assert len(children) <= 2  # there are two workers; the third child was queued, and found no root


def priced(script: Script, cost: float) -> Script:
    """The same replies, each at this price."""
    usage = {"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20, "cost": cost}

    def with_usage(request: ChatRequest) -> Reply:
        reply = script(request)
        return replace(reply if isinstance(reply, Reply) else Reply(reply), usage=usage)

    return with_usage


def test_single_children_from_threads_each_get_a_share_of_the_budget() -> None:
    fan_out = code(
        "from concurrent.futures import ThreadPoolExecutor",
        "with ThreadPoolExecutor(3) as pool:",
        "    print(*pool.map(rlm_query, 'abc'), sep='|')",
    )
    script = priced(family(fan_out, "FINAL(done)"), 0.001)
    limits = {"max_budget": 1.0, "max_tokens": 100_000, "max_concurrent_subcalls": 3}
    with processes() as pool, ScriptedServer(script) as server, asked(server, executor=pool, **limits) as rlm:
        assert said(rlm.completion("parent")) == "grown up|grown up|grown up\n"


def test_what_a_lost_child_may_have_spent_counts() -> None:
    script = priced(
        family(code("rlm_query_batched(['a'])"), *["more"] * 20, child=code("import os; os._exit(1)")), 0.006
    )
    limits = {"max_budget": 0.02, "max_concurrent_subcalls": 2}
    with processes() as pool, ScriptedServer(script) as server, asked(server, executor=pool, **limits) as rlm:
        with pytest.raises(BudgetExceededError):
            rlm.completion("parent")
        assert [question(request) for request in server.requests] == ["parent", "a", "parent"]  # $0.018


class AtTheEnd(Executor):
    """Carries children as bytes, presses the stop button, and hands over what they gave only when it is cancelled."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        outcome = pickle.loads(pickle.dumps(fn))(*args, **kwargs)

        class Late(Future[Any]):
            def cancel(self) -> bool:
                if not self.done():
                    self.set_result(outcome)
                return False

        signal.raise_signal(signal.SIGINT)
        return Late()


def test_what_interrupted_children_recorded_comes_late_and_is_kept() -> None:
    script = family(code("rlm_query('a')"))
    with ScriptedServer(script) as server:
        rlm = asked(server, executor=AtTheEnd())
        with rlm, pytest.raises(InterruptedRun) as caught:
            rlm.completion("parent")
    trace = trace_of(caught.value)
    assert len(trace.children) == 1
    assert trace.usage.total_calls == len(server.requests) == 2


@pytest.mark.parametrize("executor", ["threads", "processes"], indirect=True)
def test_an_interrupted_child_tells_how_far_it_came(executor: Executor) -> None:
    child = code("answer['content'] = 'half'", "raise KeyboardInterrupt")
    script = family(code("print(*rlm_query_batched(['a']))"), "FINAL(done)", child=child)
    with ScriptedServer(script) as server, asked(server, executor=executor) as rlm:
        result = rlm.completion("parent")
    assert said(result) == "Error: The child run was interrupted. Its answer so far: half\n"
    assert [child.status for child in trace_of(result).children] == ["interrupted"]


def shares(**limits: Any) -> tuple[Tree, Shares]:
    tree = Tree(Limits(**limits), Recorder(Redactor(())))
    return tree, Shares(tree)


def test_who_finds_nothing_left_waits_until_a_share_comes_back() -> None:
    _, purse = shares(max_budget=1.0, max_tokens=100)
    assert purse.take("first", 1) == {"max_budget": 1.0, "max_tokens": 100, "max_timeout": None}
    with ThreadPoolExecutor(1) as pool:
        second = pool.submit(purse.take, "second", 1)
        purse.give_back("first", "m", Usage(10, 10, cost=0.25))
        assert second.result(60) == {"max_budget": 0.75, "max_tokens": 80, "max_timeout": None}


def test_who_waits_for_a_share_is_let_go_when_the_run_ends() -> None:
    tree, purse = shares(max_budget=1.0)
    purse.take("first", 1)
    with ThreadPoolExecutor(1) as pool:
        second = pool.submit(purse.take, "second", 1)
        tree.scope.cancel("interrupted")
        with pytest.raises(CancellationError):
            second.result(60)


def test_no_child_begins_when_the_budget_or_the_time_is_over() -> None:
    _, purse = shares(max_budget=1.0)
    purse.take("lost", 1)
    purse.give_up("lost", "m")
    with pytest.raises(BudgetExceededError):
        purse.take("next", 1)
    _, purse = shares(max_timeout=1e-9)
    with pytest.raises(TimeoutExceededError):
        purse.take("next", 1)
