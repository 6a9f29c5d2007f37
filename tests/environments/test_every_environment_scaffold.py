"""What code finds in every environment: contexts, histories, tools, answers, queries (docs/guides/environments.md)."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import pytest
from every_environment import Place, in_every_environment, shown
from model_code import Echo
from reference_handler import reference_handler

from rlm_jupyter.core.errors import ClientError, ConfigurationError
from rlm_jupyter.core.results import RLMChatCompletion
from rlm_jupyter.core.usage import Usage, UsageSummary
from rlm_jupyter.environments import SupportsPersistence


def asked(question: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": question}]


@in_every_environment
def test_contexts_and_histories_are_numbered_as_they_come(place: Place) -> None:
    history = asked("Q1")
    with place.make(persistent=True) as repl:
        assert _is_persistent(repl)
        assert [repl.add_context(text) for text in ("a", "b")] == [0, 1]
        assert [repl.add_history(history), repl.add_history(asked("Q2"))] == [0, 1]
        history[0]["content"] = "changed"
        repl.load_context("c")
        assert [repl.get_context_count(), repl.get_history_count()] == [2, 2]
        names = "context, context_0, context_1, history[0]['content'], history_0 == history, history_1[0]['content']"
        assert repl.execute_code(f"print({names})").stdout == "c c b Q1 True Q2\n"
        session = "session_context_0, session_context_1, context_history, [h[0]['content'] for h in session_history]"
        assert repl.execute_code(f"print({session})").stdout == "c b ['c', 'b'] ['Q1', 'Q2']\n"


@in_every_environment
def test_a_context_is_the_callers_own_object(place: Place) -> None:
    rows = [1, 2]
    with place.make(context_payload=rows) as repl:
        repl.execute_code("context.append(3)")
        assert rows == ([1, 2] if place.differs("references") else [1, 2, 3])
        assert repl.execute_code("print(context, context is context_0)").stdout == "[1, 2, 3] True\n"


@in_every_environment
def test_a_context_that_cannot_be_pickled(place: Place) -> None:
    with place.make() as repl:
        if place.differs("pickles"):
            with pytest.raises(ConfigurationError, match="`context`, of type lock, cannot be carried"):
                repl.load_context(threading.Lock())
            return
        repl.load_context(threading.Lock())
        assert repl.execute_code("print(context.locked())").stdout == "False\n"


@in_every_environment
def test_numbers_are_unique_under_sixteen_threads(place: Place) -> None:
    numbers: list[tuple[int, int]] = []
    together = threading.Barrier(16)
    repl = place.make(persistent=True)

    def add() -> None:
        together.wait(30)
        numbers.extend((repl.add_context("x"), repl.add_history(asked("x"))) for _ in range(10))

    threads = [threading.Thread(target=add) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    repl.cleanup()
    assert [sorted(each) for each in zip(*numbers, strict=True)] == [list(range(160))] * 2


EXACT: list[Any] = [
    "line ends: \r\n, \r and \n\r\n",
    "a lone surrogate: \ud800",
    "odd: \x00 \x1b \u2028 \x85 \ufeff 𝄞",
    "",
    b"\x00\xff\r\n",
    {"rows": [1, (2.5, None)], ("a", 1): {3}},
    [float("inf"), -0.0, 1 << 200],
]


@in_every_environment
def test_contexts_are_there_exactly(place: Place) -> None:
    """Defect 4 of the field: they went through a text file."""
    with place.make(persistent=True) as repl:
        for value in EXACT:
            number = repl.add_context(value)
            result = repl.execute_code(f"context_{number} == {value!r}, type(context_{number}).__name__")
            if value == EXACT[-1]:
                result = repl.execute_code(f"(context_{number} == [float('inf'), 0.0, 1 << 200], 'list')")
            assert shown(result) == f"(True, {type(value).__name__!r})", value


@in_every_environment
def test_tables_and_large_texts_are_there_exactly(place: Place) -> None:
    frame = pd.DataFrame({"a": np.arange(3), "b": ["x", "y\r\n", None]}, index=pd.Index([5, 6, 7], name="n"))
    text = "0123456789" * 10_000
    with place.make(persistent=True) as repl:
        repl.add_context(frame)
        repl.add_context(text)
        code = "print(context.to_dict(), context.index.name, len(context_1), context_1[50_000:50_010])"
        assert repl.execute_code(code).stdout == f"{frame.to_dict()} n 100000 0123456789\n"
        assert repl.execute_code("print(context_1)").stdout == f"{text}\n"


@in_every_environment
def test_tools_are_functions_values_described_entries_and_closures(place: Place) -> None:
    calls: list[int] = []
    factor = 10

    def scale(x: int) -> int:
        calls.append(x)
        return x * factor

    tools = {"scale": {"tool": scale, "description": "Scales."}, "size": len, "CONFIG": {"key": [1]}, "json": "mine"}
    with place.make(custom_tools=tools) as repl:
        result = repl.execute_code("print(scale(4), size('abc'), CONFIG['key'], json)")
        assert result.stdout == "40 3 [1] mine\n"
        assert calls == ([] if place.differs("tools") else [4])
        noted = repl.execute_code("scale = 1")
        assert noted.notes == ["`scale` is reserved and was put back; use another name."]
        assert repl.execute_code("print(scale(5))").stdout == "50\n"
        assert "scale" not in repl.variables()


@in_every_environment
def test_tools_cannot_take_the_names_of_the_scaffold(place: Place) -> None:
    for name in ("context", "context_3", "history_0", "llm_query", "answer", "FINAL_VAR", "two words", "for"):
        with pytest.raises(ConfigurationError, match=name):
            place.make(custom_tools={name: 1})


@in_every_environment
def test_setup_code_runs_first_and_sees_all(place: Place) -> None:
    arguments = {"context_payload": [1, 2], "custom_tools": {"add": sum}, "setup_code": "total = add(context)"}
    with place.make(**arguments) as repl:
        assert repl.execute_code("print(total)").stdout == "3\n"


ANSWERS = {
    "answer['content'] = 'a'\nanswer['ready'] = True": "a",
    "answer = {'content': 'b', 'ready': True}": "b",
    "FINAL('c')": "c",
    "FINAL(42)": "42",
    "x = [1]\nFINAL_VAR('x')": "[1]",
    "x = [2]\nFINAL_VAR(x)": "[2]",
    "FINAL('before an error')\n1 / 0": "before an error",
    "FINAL('\\ud800')": "\ud800",
    "answer = 'bound'\nFINAL_VAR('answer')": "bound",
}


@in_every_environment
def test_ways_to_answer(place: Place) -> None:
    for code, answer in ANSWERS.items():
        assert place.run(code).final_answer == answer, code
        assert place.shared.answer_so_far() == answer, code
        assert place.run("1").final_answer is None


@in_every_environment
def test_what_is_no_answer_yet(place: Place) -> None:
    with place.make() as repl:
        assert repl.execute_code("answer['content'] = 'so far'").final_answer is None
        assert repl.answer_so_far() == "so far"
        missing = repl.execute_code("FINAL_VAR('nowhere')")
        assert missing.final_answer is None
        assert missing.error is not None
        assert "there is no variable 'nowhere'" in missing.error.message
        bound = repl.execute_code("answer = 'bound'")
        assert bound.final_answer is None
        assert 'Set answer["ready"] = True' in bound.notes[0]
        assert repl.execute_code("answer['ready'] = True").final_answer == "bound"


@in_every_environment
def test_a_run_begins_with_an_empty_answer_and_an_answer_can_be_opened_again(place: Place) -> None:
    repl = place.shared
    place.run("FINAL('by hand')")
    with repl.running(Echo()):
        assert repl.answer_so_far() is None
        assert repl.execute_code("FINAL('first')").final_answer == "first"
        repl.reopen_answer()
        assert repl.execute_code("print(answer)").stdout == "{'content': 'first', 'ready': False}\n"


@in_every_environment
def test_reserved_names_come_back_after_a_cell(place: Place) -> None:
    with place.make(context_payload="original") as repl:
        result = repl.execute_code("context = 'mine'\ndel llm_query\nSHOW_VARS = FINAL = 1")
        assert len(result.notes) == 4
        assert all("is reserved and was put back" in note for note in result.notes)
        again = repl.execute_code("print(context, callable(llm_query), callable(SHOW_VARS), callable(FINAL))")
        assert again.stdout == "original True True True\n"
        assert again.notes == []


@in_every_environment
def test_show_vars_lists_the_codes_own_names(place: Place) -> None:
    with place.make(context_payload="text", custom_tools={"tool": 1}) as repl:
        repl.execute_code("numbers = [1, 2]\n_private = 1")
        assert repl.execute_code("print(SHOW_VARS())").stdout == "{'numbers': 'list, 2 items'}\n"


@in_every_environment
def test_queries_in_a_run(place: Place) -> None:
    class Failing(Echo):
        def llm_query(self, prompt: str, model: str | None = None) -> str:
            if prompt == "bad":
                msg = "the model is overloaded"
                raise ClientError(msg)
            return super().llm_query(prompt, model)

    with place.shared.running(Failing()):
        code = "llm_query('a', model='small'), llm_query_batched(['b', 'c']), rlm_query('d'), rlm_query_batched([])"
        told = "('small: a', ['echo: b', 'echo: c'], 'echo: d', [])"
        assert shown(place.run(code)) == told
        failed = place.run("llm_query('bad')")
        assert failed.error is not None
        assert (failed.error.name, failed.error.message) == ("ClientError", "the model is overloaded")


@in_every_environment
def test_with_nobody_attached_a_query_says_so(place: Place) -> None:
    result = place.run("print(llm_query('a'), rlm_query_batched(['b', 'c']))")
    assert result.stdout.count("Error: No language model is attached") == 3
    assert [call.error is None for call in result.rlm_calls] == [False] * 3


@in_every_environment
def test_by_hand_each_call_has_its_own_usage_and_a_failed_slot_says_why(place: Place) -> None:
    """Defect 10 of the field: each slot had the last call's usage, and a failed one was empty."""

    def answer(prompt: str, model: str | None) -> RLMChatCompletion:
        if prompt == "bad":
            msg = "the child broke"
            raise ValueError(msg)
        usage = UsageSummary()
        usage.add("m", Usage(input_tokens=len(prompt), output_tokens=1))
        return RLMChatCompletion("m", prompt, prompt.upper(), usage, 0.001)

    with place.make(subcall_fn=answer) as repl:
        result = repl.execute_code("print(rlm_query_batched(['a', 'bad', 'ccc']), llm_query('dddd'))")
    assert result.stdout == "['A', 'Error: the child broke', 'CCC'] DDDD\n"
    used = {call.prompt: call.usage_summary.total_input_tokens for call in result.rlm_calls}
    assert used == {"a": 1, "bad": 0, "ccc": 3, "dddd": 4}
    assert {call.prompt: call.error for call in result.rlm_calls}["bad"] == "the child broke"


@in_every_environment
def test_by_hand_a_handler_at_an_address_answers(place: Place) -> None:
    with reference_handler() as first, reference_handler() as second, place.make(depth=2) as repl:
        repl.update_handler_address(first.address)
        assert repl.execute_code("print(llm_query('a', 'small'), llm_query('fail'))").stdout == (
            "A Error: the model is overloaded\n"
        )
        repl.update_handler_address(second.address)
        assert repl.execute_code("print(llm_query_batched(['c', 'd']))").stdout == "['C', 'D']\n"
        assert {request["depth"] for request in (*first.requests, *second.requests)} == {2}
        assert repl.lm_handler_address == second.address


@in_every_environment
def test_no_more_calls_are_under_way_than_allowed_over_all_threads(place: Place) -> None:
    under_way = most = 0
    lock, two = threading.Lock(), threading.Barrier(2)

    def answer(prompt: str, model: str | None) -> str:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        two.wait(30)  # there are always two
        with lock:
            under_way -= 1
        two.wait(30)
        return prompt

    code = (
        "from threading import Thread\nthreads = [Thread(target=llm_query_batched, args=[['a', 'b']]) for _ in 'abc']\n"
        "for each in threads: each.start()\nfor each in threads: each.join()"
    )
    with place.make(subcall_fn=answer, max_concurrent_subcalls=2) as repl:
        result = repl.execute_code(code)
    assert result.error is None
    assert (len(result.rlm_calls), most) == (6, 2)


@in_every_environment
def test_a_late_answer_is_not_credited_to_the_next_cell(place: Place) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def answer(prompt: str, model: str | None) -> str:
        if prompt == "late":
            begun.set()
            assert go_on.wait(60)
        return prompt

    with place.make(subcall_fn=answer) as repl:
        first = repl.execute_code("import threading\nt = threading.Thread(target=rlm_query, args=['late'])\nt.start()")
        assert begun.wait(60)
        go_on.set()
        second = repl.execute_code("t.join()\nprint(rlm_query('mine'))")
    assert second.stdout == "mine\n"
    assert [call.prompt for call in second.rlm_calls] == ["mine"]
    assert [call.prompt for call in first.rlm_calls] == ([] if place.differs("late answers") else ["late"])


def _is_persistent(repl: object) -> bool:
    return isinstance(repl, SupportsPersistence)
