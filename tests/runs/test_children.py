"""``rlm_query``: children with namespaces, iterations and output of their own, in parallel, in one trace."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from family import asked, begun, family, printed, question, said, trace_of
from scripted_server import ChatRequest, Reply, ScriptedServer
from scripts import code, is_root, step

from rlm_jupyter import RLM
from rlm_jupyter.core.results import REPLResult
from rlm_jupyter.environments.local import LocalREPL


def test_a_child_works_in_a_namespace_of_its_own() -> None:
    script = family(
        code("mine = 1", "print(rlm_query('a child'))", "print('mine' in globals(), 'hers' in globals())"),
        "FINAL(done)",
        child=code("hers = 'mine' in globals()", "FINAL((hers, context))"),
    )
    with ScriptedServer(script) as server, asked(server) as rlm:
        result = rlm.completion("parent")
        assert result.response == "done"
        assert said(result) == "(False, 'a child')\nTrue False\n"


def test_every_level_down_to_the_limit_is_a_run_and_below_it_a_plain_call() -> None:
    def script(request: ChatRequest) -> str:
        if not is_root(request):
            return f"plain({request.prompt})"
        return code(f"FINAL('run(' + rlm_query('{question(request)}+') + ')')")

    for depth, answer in ((1, "run(plain(q+))"), (2, "run(run(plain(q++)))"), (3, "run(run(run(plain(q+++))))")):
        with ScriptedServer(script) as server, asked(server, max_depth=depth) as rlm:
            result = rlm.completion("q")
            assert result.response == answer
            assert [begun(child).depth for child in trace_of(result).children] == list(range(1, depth))


def test_the_result_counts_every_request_that_the_server_saw() -> None:
    script = family(
        code("print(rlm_query_batched(['a', 'b', 'c']), llm_query('x'))"),
        "FINAL(done)",
        child=code("FINAL(llm_query('deep'))"),
    )
    with ScriptedServer(script) as server, asked(server) as rlm:
        result = rlm.completion("parent")
        assert result.usage_summary.total_calls == len(server.requests) == 2 + 3 * 2 + 1
        sent = sum(len(message["content"].split()) for each in server.requests for message in each.messages)
        assert result.usage_summary.total_input_tokens == sent


def test_a_childs_result_is_credited_to_the_block_that_asked() -> None:
    results: list[REPLResult] = []

    class Remembering(LocalREPL):
        def execute_code(self, code: str) -> REPLResult:
            results.append(super().execute_code(code))
            return results[-1]

    script = family(
        code("rlm_query_batched(['a', 'b'])"),
        code("rlm_query('c')"),
        "FINAL(done)",
        child=code("print(context)", "FINAL(llm_query(context))"),
    )
    with ScriptedServer(script) as server, asked(server, persistent=True) as rlm:
        rlm._kept.environment = Remembering()
        trace = trace_of(rlm.completion("parent"))
    calls = [result.rlm_calls for result in results]
    assert [sorted(call.prompt for call in each) for each in calls] == [["a", "b"], ["c"]]
    for call in (call for each in calls for call in each):
        assert call.response == "leaf"
        assert call.usage_summary.total_calls == 2
        assert [span.kind for span in trace_of(call).walk()] == ["run", "iteration", "model_call", "code", "subcall"]
        assert said(call) == f"{call.prompt}\n"
    assert len(trace.children) == 3


def test_a_slot_that_failed_says_why_and_the_others_are_answered() -> None:
    def script(request: ChatRequest) -> Reply | str:
        if question(request) == "parent":
            return (code("print(*rlm_query_batched(['good', 'bad', 'fine']), sep='|')"), "FINAL(done)")[step(request)]
        if question(request) == "bad":
            return Reply(status=400, body=b'{"error": {"message": "no such thing"}}')
        return f"FINAL({question(request)})"

    with ScriptedServer(script) as server, asked(server) as rlm:
        result = rlm.completion("parent")
        output = said(result)
        assert output.startswith("good|Error: ")
        assert "no such thing" in output
        assert output.endswith("|fine\n")
        assert [child.status for child in trace_of(result).children] == ["ok", "error", "ok"]


def test_a_single_child_that_failed_raises_in_the_code() -> None:
    script = family(code("rlm_query('bad')"), "FINAL(done)", child=code("1 / 0"))
    with ScriptedServer(script) as server, asked(server, max_errors=2) as rlm:
        result = rlm.completion("parent")
        assert "ErrorThresholdExceededError: 2 code blocks in a row have failed" in server.requests[-1].prompt
        assert result.response == "done"
        assert [child.status for child in trace_of(result).children] == ["limit"]


def test_the_model_is_chosen_per_call() -> None:
    script = family(
        code("rlm_query('a', model='big')", "llm_query('b', model='big')", "llm_query('c')", "rlm_query('d')"),
        "FINAL(done)",
    )
    with ScriptedServer(script) as server:
        other = {"model_name": "small", "api_key": "k", "base_url": server.base_url}
        with asked(server, other_backends=["openai"], other_backend_kwargs=[other]) as rlm:
            rlm.completion("parent")
        assert [request.model for request in server.requests] == ["m", "big", "big", "small", "small", "m"]


def test_a_call_for_a_clients_own_model_goes_to_that_client() -> None:
    script = family(code("llm_query('a', model='m')", "llm_query('b', model='small')"), "FINAL(done)")
    with ScriptedServer(script) as roots, ScriptedServer(script) as others:
        other = {"model_name": "small", "api_key": "k", "base_url": others.base_url}
        with asked(roots, other_backends=["openai"], other_backend_kwargs=[other]) as rlm:
            rlm.completion("parent")
        assert [request.prompt for request in others.requests] == ["b"]


def test_children_sample_as_they_are_told() -> None:
    script = family(code("rlm_query('a')", "llm_query('b')"), "FINAL(done)")
    with ScriptedServer(script) as server:
        with asked(server, sampling_args={"temperature": 0.5}, sub_sampling_args={"temperature": 0.1}) as rlm:
            rlm.completion("parent")
        assert [request.body["temperature"] for request in server.requests] == [0.5, 0.1, 0.1, 0.5]


@pytest.mark.parametrize(
    ("tools", "answer"),
    [({}, "inherited"), ({"custom_sub_tools": {"tool": lambda: "their own"}}, "their own")],
)
def test_children_have_tools(tools: dict[str, Any], answer: str) -> None:
    script = family(code("FINAL(rlm_query('a'))"), child=code("FINAL(tool())"))
    with ScriptedServer(script) as server, asked(server, custom_tools={"tool": lambda: "inherited"}, **tools) as rlm:
        assert rlm.completion("parent").response == answer


def test_children_can_be_given_no_tools() -> None:
    script = family(code("FINAL(rlm_query('a'))"), child=code("FINAL('tool' in globals())"))
    with ScriptedServer(script) as server, asked(server, custom_tools={"tool": len}, custom_sub_tools={}) as rlm:
        assert rlm.completion("parent").response == "False"


def test_callbacks_tell_of_every_run_of_the_tree() -> None:
    told: list[tuple[Any, ...]] = []
    lock = threading.Lock()

    def tell(*what: Any) -> None:
        with lock:
            told.append(tuple(round(each) if isinstance(each, float) else each for each in what))

    script = family(code("rlm_query('a child')"), "FINAL(done)")
    callbacks: dict[str, Any] = {
        name: lambda *what, name=name: tell(name.removeprefix("on_"), *what)
        for name in ("on_iteration_start", "on_iteration_complete", "on_subcall_start", "on_subcall_complete")
    }
    with ScriptedServer(script) as server, asked(server, **callbacks) as rlm:
        rlm.completion("parent")
    assert told == [
        ("iteration_start", 0, 1),
        ("subcall_start", 1, "m", "a child"),
        ("iteration_start", 1, 1),
        ("iteration_complete", 1, 1, 0),
        ("subcall_complete", 1, "m", 0, None),
        ("iteration_complete", 0, 1, 0),
        ("iteration_start", 0, 2),
        ("iteration_complete", 0, 2, 0),
    ]


class Unspeakable(Exception):
    def __str__(self) -> str:
        msg = "it cannot say what it is"
        raise TypeError(msg)


def test_a_callback_that_fails_is_reported_and_ends_nothing() -> None:
    def broken(*what: Any) -> None:
        msg = "what a pity"
        raise LookupError(msg)

    script = family(code("FINAL(rlm_query('a child'))"))
    callbacks: dict[str, Any] = {"on_subcall_start": broken, "on_subcall_complete": broken}
    told = pytest.warns(UserWarning, match="raised LookupError: what a pity. The run goes on.")
    with ScriptedServer(script) as server, asked(server, **callbacks) as rlm, told as warned:
        assert rlm.completion("parent").response == "grown up"
    assert len(warned) == 2


def test_a_callback_that_fails_ends_nothing_where_warnings_are_errors(caplog: pytest.LogCaptureFixture) -> None:
    def broken(*what: Any) -> None:
        raise Unspeakable

    script = family(code("FINAL(rlm_query('a child'))"))
    callbacks: dict[str, Any] = dict.fromkeys(["on_iteration_start", "on_subcall_complete"], broken)
    with ScriptedServer(script) as server, asked(server, **callbacks) as rlm:
        assert rlm.completion("parent").response == "grown up"
    told = [record.getMessage() for record in caplog.records]
    assert told.count("on_iteration_start raised Unspeakable: an error without a text. The run goes on.") == 2
    assert told.count("on_subcall_complete raised Unspeakable: an error without a text. The run goes on.") == 1


def test_what_a_callback_prints_is_not_the_cells(capsys: pytest.CaptureFixture[str]) -> None:
    script = family(code("rlm_query('a child')", "print('the code')"), "FINAL(done)")
    with ScriptedServer(script) as server, asked(server, on_subcall_start=lambda *_: print("the callback")) as rlm:
        result = rlm.completion("parent")
    assert said(result) == "the code\n"
    assert capsys.readouterr().out == "the callback\n"


def test_children_that_print_at_the_same_time_have_each_their_own_output() -> None:
    """Defect 2 of the field: children swapped the process's streams, and lost or held each other's output."""
    before = Path.cwd()
    parent = code(
        "import sys, threading",
        "answers = rlm_query_batched([f'child {n}' for n in range(64)])",
        "print(len(answers), answers[63])",
    )
    child = code(
        "import sys, time",
        "for n in range(20):",
        "    print(context, n)",
        "    print(context, 'err', n, file=sys.stderr)",
        "    time.sleep(0)",
        "FINAL(context)",
    )
    script = family(parent, "FINAL(done)", child=child)
    with ScriptedServer(script) as server, asked(server, max_concurrent_subcalls=8) as rlm:
        for _ in range(20):
            server.max_in_flight = 0
            result = rlm.completion("parent")
            assert said(result) == "64 child 63\n"
            assert server.max_in_flight <= 8
            children = sorted(trace_of(result).children, key=lambda each: begun(each).index or 0)
            assert [begun(each).index for each in children] == list(range(64))
            for number, each in enumerate(children):
                part = trace_of(result).part(each.span_id)
                lines = [line for span in part.walk() if span.kind == "run" for line in printed(span).splitlines()]
                assert sorted(lines) == sorted(
                    [f"child {number} {n}" for n in range(20)] + [f"child {number} err {n}" for n in range(20)]
                )
    assert Path.cwd() == before


def test_children_run_in_the_environment_that_they_are_given() -> None:
    script = family(code("FINAL(rlm_query('a'))"), child=code("%time x = 6 * 7", "FINAL(x)"))
    with ScriptedServer(script) as server, asked(server, child_environment="ipython") as rlm:
        assert rlm.completion("parent").response == "42"


def test_an_environment_for_children_that_cannot_be_made_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="There is no environment named 'nowhere'"):
        RLM("offline", child_environment="nowhere", max_depth=2)
    with pytest.raises(ValueError, match="'local' does not take colour"):
        RLM("offline", child_environment_kwargs={"colour": "red"}, max_depth=2)


def test_repeated_requests_and_failed_ones_count() -> None:
    """Defect 1 of the field: usage reported 2 calls where the server saw 5."""
    seen: list[str] = []

    def script(request: ChatRequest) -> Reply | str:
        if is_root(request):
            return family(code("print(*llm_query_batched(['busy', 'bad', 'good']))"), "FINAL(done)")(request)
        seen.append(request.prompt)
        if request.prompt == "busy" and seen.count("busy") < 3:
            return Reply(status=429, headers={"Retry-After": "0"})
        return Reply(status=400) if request.prompt == "bad" else "leaf"

    with ScriptedServer(script) as server, asked(server) as rlm:
        result = rlm.completion("parent")
        assert said(result).startswith("leaf Error: ")
        assert sorted(seen) == ["bad", "busy", "busy", "busy", "good"]
        assert result.usage_summary.total_calls == len(server.requests) == 2 + 5
