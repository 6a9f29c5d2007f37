"""Use by hand, outside any run: a REPL is made and runs code at once, as the reference implementation's classes do."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd  # type: ignore[import-untyped]
import pytest
from reference_handler import reference_handler

from rlm_jupyter.core.results import RLMChatCompletion
from rlm_jupyter.core.usage import UsageSummary
from rlm_jupyter.environments import IPythonREPL, LocalREPL, SupportsPersistence, get_environment

REPL: TypeAlias = "LocalREPL | IPythonREPL"

EACH = pytest.mark.parametrize("make", [LocalREPL, IPythonREPL], ids=["local", "ipython"])


def completion(response: str) -> RLMChatCompletion:
    return RLMChatCompletion("child", "asked", response, UsageSummary(), 0.001)


@EACH
def test_code_runs_at_once_and_its_names_are_seen_as_it_goes(make: Callable[..., REPL]) -> None:
    with make() as repl:
        seen = repl.locals
        result = repl.execute_code("x = 1 + 2\nprint(x)")
        assert (result.stdout, result.stderr) == ("3\n", "")
        repl.execute_code("def greet(name):\n    return f'Hello, {name}!'")
        assert repl.execute_code("print(greet('World'), x)").stdout == "Hello, World! 3\n"
        assert seen["x"] == 3
        assert "ZeroDivisionError" in repl.execute_code("1 / 0").stderr
        assert "SyntaxError" in repl.execute_code("def broken(").stderr


@EACH
def test_the_scaffold_is_there_from_the_beginning(make: Callable[..., REPL]) -> None:
    with make(context_payload={"name": "alice"}) as repl:
        assert repl.locals["context"] == {"name": "alice"}
        assert repl.locals["context"] is repl.locals["context_0"]
        assert repl.locals["answer"] == {"content": "", "ready": False}
        assert {"llm_query", "rlm_query_batched", "FINAL_VAR", "SHOW_VARS"} <= repl.locals.keys()
        assert repl.execute_code("print(context['name'])").stdout == "alice\n"


@EACH
def test_a_context_is_the_callers_own_object(make: Callable[..., REPL]) -> None:
    frame = pd.DataFrame({"a": [1, 2, 3]})
    with make(frame) as repl:
        repl.add_context(pd.DataFrame({"y": [30, 40]}))
        assert repl.execute_code("print(context['a'].sum() + context_1['y'].sum())").stdout == "76\n"
        assert repl.locals["context"] is frame


@EACH
def test_reserved_names_come_back_after_each_cell(make: Callable[..., REPL]) -> None:
    with make(context_payload="original") as repl:
        repl.execute_code("context = 'mine'\nllm_query = lambda prompt: 'mine'\ninput = int")
        assert repl.locals["context"] == "original"
        result = repl.execute_code("print(context, llm_query('a'))")
        assert result.stdout.startswith("original Error: ")
        assert "nobody is there" in repl.execute_code("input()").stderr


@EACH
def test_each_cell_tells_its_own_answer(make: Callable[..., REPL]) -> None:
    with make() as repl:
        assert repl.execute_code("answer['content'] = 'so far'").final_answer is None
        assert repl.execute_code("answer['ready'] = True").final_answer == "so far"
        assert repl.locals["answer"] == {"content": "so far", "ready": True}
        assert repl.execute_code("x = 1").final_answer is None
        assert repl.execute_code("answer = {'content': 'bound', 'ready': True}").final_answer == "bound"
        assert repl.execute_code("FINAL_VAR(123)").final_answer == "123"
        assert repl.execute_code("value = [1]\nFINAL_VAR('value')").final_answer == "[1]"
        missing = repl.execute_code("FINAL_VAR('does_not_exist')")
        assert missing.final_answer is None
        assert "not found" in missing.stderr


@EACH
def test_what_is_bound_to_answer_can_be_answered_with(make: Callable[..., REPL]) -> None:
    with make(custom_tools={"double": lambda x: x * 2}) as repl:
        assert repl.execute_code("answer = double(21)").final_answer is None
        result = repl.execute_code("print(FINAL_VAR('answer'))\nprint(SHOW_VARS())")
        assert result.final_answer == "42"
        assert result.stdout == "42\n{'answer': 'int'}\n"
        assert repl.execute_code("answer = 'at once'\nFINAL_VAR('answer')").final_answer == "at once"
        assert repl.execute_code("answer = 'as it stands'\nFINAL(answer)").final_answer == "as it stands"


@EACH
def test_a_pydantic_model_is_answered_as_json(make: Callable[..., REPL]) -> None:
    code = "from pydantic import BaseModel\nclass City(BaseModel):\n    name: str\nFINAL(City(name='Paris'))"
    with make() as repl:
        assert repl.execute_code(code).final_answer == '{"name":"Paris"}'


@EACH
def test_with_nobody_attached_a_query_is_an_error_that_says_so(make: Callable[..., REPL]) -> None:
    with make() as repl:
        result = repl.execute_code("print(llm_query('a'))\nprint(rlm_query('b'))\nprint(llm_query_batched(['c', 'd']))")
        assert result.stdout.count("Error: No language model is attached") == 4
        assert result.error is None
        assert [call.prompt for call in result.rlm_calls] == ["a", "b", "c", "d"]


@EACH
def test_a_function_answers(make: Callable[..., REPL]) -> None:
    asked: list[tuple[str, str | None]] = []

    def subcall(prompt: str, model: str | None) -> RLMChatCompletion:
        asked.append((prompt, model))
        return completion(f"child of {prompt}")

    with make(subcall_fn=subcall) as repl:
        result = repl.execute_code("r = rlm_query('think', model='small')\nprint(r, llm_query('leaf'))")
        assert result.stdout == "child of think child of leaf\n"
        assert asked == [("think", "small"), ("leaf", None)]
        assert [call.response for call in result.rlm_calls] == ["child of think", "child of leaf"]
        batch = repl.execute_code("print(','.join(rlm_query_batched(['a', 'b', 'c'])))")
        assert batch.stdout == "child of a,child of b,child of c\n"
        assert len(batch.rlm_calls) == 3
        assert len(result.rlm_calls) == 2


@EACH
def test_a_function_may_answer_with_a_text_or_fail(make: Callable[..., REPL]) -> None:
    def subcall(prompt: str, model: str | None) -> str:
        if prompt == "bad":
            msg = "the child broke"
            raise ValueError(msg)
        return f"sub:{prompt}"

    with make(subcall_fn=subcall) as repl:
        assert repl.execute_code("print(llm_query_batched(['a', 'bad', 'b']))").stdout == (
            "['sub:a', 'Error: the child broke', 'sub:b']\n"
        )


@EACH
def test_a_handler_at_an_address_answers(make: Callable[..., REPL]) -> None:
    with reference_handler() as first, reference_handler() as second:
        with make(lm_handler_address=first.address, depth=2) as repl:
            assert repl.lm_handler_address == first.address
            result = repl.execute_code("print(llm_query('a', 'small'), rlm_query('b'), llm_query('fail'))")
            assert result.stdout == "A B Error: the model is overloaded\n"
            assert [call.root_model for call in result.rlm_calls][:2] == ["small", "m"]
            assert result.rlm_calls[0].usage_summary.to_dict()["model_usage_summaries"]["m"]["total_input_tokens"] == 3
            repl.update_handler_address(second.address)
            assert repl.execute_code("print(llm_query_batched(['c', 'd']))").stdout == "['C', 'D']\n"
            assert repl.lm_handler_address == second.address
        assert {request["depth"] for request in first.requests} == {2}
        assert sorted(request["prompt"] for request in second.requests) == ["c", "d"]


@EACH
def test_no_more_calls_are_under_way_than_allowed_over_all_threads(make: Callable[..., REPL]) -> None:
    at_once, most, lock = 0, 0, threading.Lock()
    two = threading.Barrier(2)

    def subcall(prompt: str, model: str | None) -> str:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        two.wait(10)  # there are always two
        with lock:
            at_once -= 1
        two.wait(10)
        return prompt

    threads = (
        "from threading import Thread\nthreads = [Thread(target=llm_query_batched, args=[['a', 'b']]) for _ in 'abc']\n"
        "for each in threads: each.start()\nfor each in threads: each.join()"
    )
    with make(subcall_fn=subcall, max_concurrent_subcalls=2) as repl:
        result = repl.execute_code(threads)
        assert result.error is None
        assert len(result.rlm_calls) == 6
        assert most == repl.max_concurrent_subcalls == 2  # type: ignore[union-attr]


@EACH
def test_a_thread_that_outlives_its_cell_is_credited_to_it_alone(make: Callable[..., REPL]) -> None:
    go, asked = threading.Event(), threading.Event()

    def subcall(prompt: str, model: str | None) -> str:
        if prompt == "late":
            go.wait(10)
        return prompt

    def late(query: Any) -> None:
        query("late")
        asked.set()

    with make(subcall_fn=subcall, custom_tools={"late": late}) as repl:
        first = repl.execute_code("from threading import Thread\nThread(target=late, args=[llm_query]).start()")
        go.set()
        assert asked.wait(10)
        second = repl.execute_code("llm_query('now')")
        assert [call.prompt for call in first.rlm_calls] == ["late"]
        assert [call.prompt for call in second.rlm_calls] == ["now"]


@EACH
def test_tools(make: Callable[..., REPL]) -> None:
    factor = 10
    tools: dict[str, Any] = {
        "scale": {"tool": lambda x: x * factor, "description": "Scales."},
        "CONFIG": {"key": "value"},
        "json": "not the module",
    }
    with make(custom_tools=tools) as repl:
        result = repl.execute_code("print(scale(4), CONFIG['key'], json)\nimport json as j\nprint(j.dumps([1]))")
        assert result.stdout == "40 value not the module\n[1]\n"
        assert repl.custom_tools == tools  # type: ignore[union-attr]
    with pytest.raises(ValueError, match="llm_query"):
        make(custom_tools={"llm_query": 1})


@EACH
def test_setup_code_runs_first(make: Callable[..., REPL]) -> None:
    with make(context_payload=[1, 2], setup_code="total = sum(context)\nprint('not shown')") as repl:
        assert repl.execute_code("print(total)").stdout == "3\n"


@EACH
def test_setup_code_that_fails_says_where_and_leaves_nothing(make: Callable[..., REPL]) -> None:
    kept: list[int] = []
    threads = threading.active_count()
    with pytest.raises(ValueError, match=r"(?s)The setup_code failed:.*line 2.*ZeroDivisionError"):
        make(setup_code="keep(1)\n1 / 0", custom_tools={"keep": kept.append})
    assert kept == [1]
    assert threading.active_count() == threads


@EACH
def test_the_scratch_folder_goes_with_the_repl(make: Callable[..., REPL]) -> None:
    repl = make()
    folder = Path(repl.temp_dir)  # type: ignore[union-attr]
    assert folder.is_dir()
    assert str(folder) == repl.temp_dir  # type: ignore[union-attr]
    (folder / "note.txt").write_text("a")
    repl.cleanup()
    assert not folder.exists()


@EACH
def test_cleanup_empties_the_repl_and_may_be_called_twice(make: Callable[..., REPL]) -> None:
    repl = make(context_payload="text")
    repl.execute_code("x = 42")
    assert {"x", "context"} <= repl.locals.keys()
    repl.cleanup()
    repl.cleanup()
    assert len(repl.locals) == 0
    assert repl.get_context_count() == 0


@EACH
def test_eight_repls_print_in_eight_threads_without_mixing(make: Callable[..., REPL]) -> None:
    together = threading.Barrier(8)
    code = "import sys\nfor i in range(50):\n    print(me, i)\n    print(me, -i, file=sys.stderr)\ndisplay_or_print(me)"
    wrong: list[str] = []

    def work(number: int) -> None:
        with make(custom_tools={"me": f"r{number}", "display_or_print": print}) as repl:
            together.wait(10)
            for _ in range(5):
                result = repl.execute_code(code)
                wrong.extend(line for line in result.stdout.splitlines() if not line.startswith(f"r{number}"))
                wrong.extend(line for line in result.stderr.splitlines() if not line.startswith(f"r{number} "))
                wrong.extend(["too few lines"] * (len(result.stdout.splitlines()) != 51))

    threads = [threading.Thread(target=work, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert wrong == []


def test_the_public_names_are_found() -> None:
    with ExitStack() as stack:
        environment = get_environment("ipython", {"kernel_mode": "in_process", "persistent": True})
        stack.callback(environment.cleanup)
        assert isinstance(environment, IPythonREPL)
        assert isinstance(environment, SupportsPersistence)
        assert environment.execute_code("print(2 ** 10)").stdout == "1024\n"
