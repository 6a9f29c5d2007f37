"""What the kernel has are copies: those of values that changed since are made anew."""

from __future__ import annotations

import pandas as pd  # type: ignore[import-untyped]
from model_code import Echo, run_blocks

from rlm_jupyter.environments.subprocess import SubprocessREPL


def test_a_list_that_changed_between_questions_is_seen_as_it_is_now() -> None:
    rows = [1, 2]
    with SubprocessREPL(rows, persistent=True) as repl:
        assert run_blocks(repl, "print(context)")[0].stdout == "[1, 2]\n"
        rows.append(3)
        assert run_blocks(repl, "print(context, context_0, context is context_0)")[0].stdout == (
            "[1, 2, 3] [1, 2, 3] True\n"
        )
        rows.append(4)
        assert repl.execute_code("print(context)").stdout == "[1, 2, 3, 4]\n"


def test_a_table_that_changed_between_questions_is_seen_as_it_is_now() -> None:
    table = pd.DataFrame({"a": [1, 2]})
    with SubprocessREPL(table, persistent=True) as repl:
        assert run_blocks(repl, "print(context['a'].sum())")[0].stdout == "3\n"
        table.loc[0, "a"] = 10
        assert run_blocks(repl, "print(context['a'].sum())")[0].stdout == "12\n"


def test_the_same_object_added_again_is_sent_when_it_changed() -> None:
    rows = [1, 2]
    with SubprocessREPL(rows, persistent=True) as repl:
        with repl.running(Echo()):
            assert repl.execute_code("print(context)").stdout == "[1, 2]\n"
            rows.append(3)
            assert repl.add_context(rows, 0) == 0
            assert repl.execute_code("print(context)").stdout == "[1, 2, 3]\n"
        rows.append(4)
        assert repl.add_context(rows) == 1
        shown = "print(context_0, context_1, context_0 is context_1)"
        assert run_blocks(repl, shown)[0].stdout == "[1, 2, 3, 4] [1, 2, 3, 4] True\n"


def test_a_context_that_changed_before_the_first_question_is_seen_as_it_is_then() -> None:
    with SubprocessREPL(persistent=True) as repl:
        rows = [1]
        repl.add_context(rows)
        rows.append(2)
        assert run_blocks(repl, "print(context)")[0].stdout == "[1, 2]\n"


def test_what_did_not_change_is_not_sent_again() -> None:
    with SubprocessREPL([1, 2], persistent=True) as repl:
        run_blocks(repl, "context.append('of the code')")
        assert run_blocks(repl, "print(context)")[0].stdout == "[1, 2, 'of the code']\n"
