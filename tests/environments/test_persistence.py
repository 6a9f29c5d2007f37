"""Contexts and histories that come one after another: numbered, by reference or copied, in runs and by hand."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
from model_code import Echo, run_blocks

from rlm_jupyter.environments import IPythonREPL, LocalREPL, SupportsPersistence

REPL: TypeAlias = "LocalREPL | IPythonREPL"

EACH = pytest.mark.parametrize("make", [LocalREPL, IPythonREPL], ids=["local", "ipython"])


def asked(question: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": question}]


@EACH
def test_contexts_are_there_as_soon_as_they_are_added(make: Callable[..., REPL]) -> None:
    with make(persistent=True) as repl:
        assert isinstance(repl, SupportsPersistence)
        assert [repl.add_context(text) for text in ("First", "Second", "Third")] == [0, 1, 2]
        assert repl.get_context_count() == 3
        assert repl.locals["context"] == repl.locals["context_0"] == repl.locals["session_context_0"] == "First"
        assert repl.locals["session_context_2"] == repl.locals["context_2"] == "Third"
        assert repl.locals["context_history"] == ["First", "Second", "Third"]
        assert repl.execute_code("print(f'{session_context_0} + {context_1}')").stdout == "First + Second\n"


@EACH
def test_histories_are_copies_and_contexts_are_not(make: Callable[..., REPL]) -> None:
    history, context = asked("Q1"), {"rows": [1]}
    with make() as repl:
        repl.add_history(history)
        repl.add_history(asked("Q2"))
        repl.add_context(context)
        history[0]["content"] = "changed"
        context["rows"].append(2)
        assert repl.get_history_count() == 2
        assert repl.locals["history"] == repl.locals["history_0"] == asked("Q1")
        assert repl.locals["session_history"] == [asked("Q1"), asked("Q2")]
        result = repl.execute_code("print([each[0]['content'] for each in session_history], context)")
        assert result.stdout == "['Q1', 'Q2'] {'rows': [1, 2]}\n"


@EACH
def test_a_session_by_hand(make: Callable[..., REPL]) -> None:
    with make(persistent=True) as repl:
        repl.add_context("Sales were $1000")
        repl.execute_code("sales = 1000")
        repl.add_context("Costs were $400")
        repl.execute_code("profit = sales - 400")
        repl.add_history(asked("What were the sales?"))
        result = repl.execute_code("print(session_context_1, profit, session_history[0][0]['content'])")
        assert result.stdout == "Costs were $400 600 What were the sales?\n"


@EACH
def test_numbers_are_unique_under_sixteen_threads(make: Callable[..., REPL]) -> None:
    together = threading.Barrier(16)
    contexts: list[tuple[int, str]] = []
    histories: list[int] = []

    def add(number: int) -> None:
        together.wait(10)
        for turn in range(25):
            text = f"{number}-{turn}"
            contexts.append((repl.add_context(text), text))
            histories.append(repl.add_history(asked(text)))

    with make() as repl:
        threads = [threading.Thread(target=add, args=[number]) for number in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert sorted(number for number, _ in contexts) == list(range(400))
        assert sorted(histories) == list(range(400))
        assert all(repl.locals[f"context_{number}"] == text for number, text in contexts)
        assert repl.locals["context_history"] == [text for _, text in sorted(contexts)]


@EACH
def test_offered_names_take_the_place_of_the_sessions(make: Callable[..., REPL]) -> None:
    with make() as repl:
        repl.add_context("a")
        assert "session_context_0" in repl.locals
        repl.offer({"completion_context": "a"})  # type: ignore[union-attr]
        assert "session_context_0" not in repl.locals
        (result,) = run_blocks(repl, "print(completion_context, context)")  # type: ignore[arg-type]
        assert result.stdout == "a a\n"


@EACH
def test_the_conversation_of_a_run_is_its_history_until_it_ends(make: Callable[..., REPL]) -> None:
    with make() as repl:
        repl.add_history(asked("before"))
        with repl.running(Echo()):  # type: ignore[union-attr]
            repl.keep_history([{"role": "user", "content": "now"}])  # type: ignore[union-attr]
            assert repl.execute_code("print(history, history_0)").stdout == f"{asked('now')} {asked('before')}\n"
            repl.keep_history([{"role": "user", "content": "later"}])  # type: ignore[union-attr]
            assert repl.execute_code("print(history)").stdout == f"{asked('later')}\n"
        assert repl.locals["history"] == asked("before")


@EACH
def test_an_answer_that_was_not_accepted_is_open_again(make: Callable[..., REPL]) -> None:
    with make() as repl, repl.running(Echo()):  # type: ignore[union-attr]
        assert repl.execute_code("FINAL('12 apples')").final_answer == "12 apples"
        repl.reopen_answer()  # type: ignore[union-attr]
        after = repl.execute_code("print(answer)")
        assert after.stdout == "{'content': '12 apples', 'ready': False}\n"
        assert after.final_answer is None
        assert repl.answer_so_far() == "12 apples"  # type: ignore[union-attr]


@EACH
def test_a_run_begins_with_an_answer_of_its_own(make: Callable[..., REPL]) -> None:
    with make() as repl:
        repl.execute_code("FINAL('by hand')")
        (result,) = run_blocks(repl, "print(answer)")  # type: ignore[arg-type]
        assert result.stdout == "{'content': '', 'ready': False}\n"
