"""``ipython`` in a kernel of its own: how cells run there, what they find, and what comes back."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import nbformat
import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import pytest
from model_code import Echo, arun_blocks, run_blocks

from rlm_jupyter.core.describe import ValueSummary
from rlm_jupyter.core.errors import ConfigurationError
from rlm_jupyter.core.protocols import Environment, SupportsPersistence
from rlm_jupyter.core.results import REPLResult
from rlm_jupyter.environments.subprocess import SubprocessREPL


@pytest.fixture(scope="module")
def shared() -> Iterator[SubprocessREPL]:
    """One kernel for the tests that leave nothing behind."""
    repl = SubprocessREPL()
    yield repl
    repl.cleanup()


@pytest.fixture
def repl(shared: SubprocessREPL) -> SubprocessREPL:
    """The kernel without variables."""
    with shared.running(Echo()):
        shared.execute_code("%reset -f")
    return shared


def value(result: REPLResult) -> str | None:
    """Return the text form of the block's value, or None where it has none."""
    assert result.error is None, result.error
    values = [each["data"]["text/plain"] for each in result.outputs if each["output_type"] == "execute_result"]
    return values[0] if values else None


DISPLAYS = {
    "an expression": ("1 + 1", "2"),
    "None": ("None", None),
    "a trailing semicolon": ("1 + 1;", None),
    "top-level await": ("import asyncio\nawait asyncio.sleep(0, 'slept')", "'slept'"),
    "a magic": ("%pwd", None),
    "a shell command": ("words = !echo one two\nwords[0]", "'one two'"),
    "a lone surrogate": ("'\\ud800'", "'\\ud800'"),
    "another file's name": ("__name__", "'__main__'"),
}


@pytest.mark.parametrize(("code", "shown"), DISPLAYS.values(), ids=DISPLAYS.keys())
def test_cells_are_those_of_ipython(repl: SubprocessREPL, code: str, shown: str | None) -> None:
    (result,) = run_blocks(repl, code)
    if code == "%pwd":
        assert "rlm-jupyter-" in (value(result) or "")
    else:
        assert value(result) == shown


def test_outputs_are_in_the_shape_of_a_notebook_and_in_their_order(repl: SubprocessREPL) -> None:
    code = (
        "import sys\nfrom IPython.display import HTML\n"
        "print('a'); print('b', file=sys.stderr); print('c'); display(HTML('<b>d</b>'))\n'e'"
    )
    (result,) = run_blocks(repl, code)
    kinds = [each["output_type"] for each in result.outputs]
    assert kinds[-2:] == ["display_data", "execute_result"]
    assert (result.stdout, result.stderr) == ("a\nc\n", "b\n")
    for output in result.outputs:
        nbformat.validate(nbformat.from_dict(output), ref="output", version=4)


def test_a_traceback_is_pythons_with_the_cells_lines_and_without_colours(repl: SubprocessREPL) -> None:
    _, failed = run_blocks(repl, "def f(x):\n    return 1 / x", "x = 1\nf(x - 1)")
    assert failed.error is not None
    assert (failed.error.name, failed.error.message) == ("ZeroDivisionError", "division by zero")
    lines = failed.error.traceback.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert "<rlm cell" in lines[1]
    assert "line 2, in <module>" in lines[1]
    assert lines[2].strip() == "f(x - 1)"
    assert "return 1 / x" in failed.error.traceback
    assert failed.stderr == failed.error.traceback
    assert failed.outputs[-1]["traceback"] == lines
    assert "\x1b" not in failed.stderr


def test_a_syntax_error_shows_the_line(repl: SubprocessREPL) -> None:
    (failed,) = run_blocks(repl, "x = 1\nfor x in\n")
    assert failed.error is not None
    assert failed.error.name == "SyntaxError"
    assert "for x in" in failed.error.traceback
    assert "<rlm cell" in failed.error.message


def test_a_variable_survives_an_error_and_a_next_run(repl: SubprocessREPL) -> None:
    run_blocks(repl, "kept = 1\n1 / 0")
    (result,) = run_blocks(repl, "kept")
    assert value(result) == "1"


def test_variables_come_back_as_a_summary(repl: SubprocessREPL) -> None:
    code = "numbers = [1, 2]\nimport numpy as np\nmatrix = np.zeros((2, 3))\n_private = 1"
    (result,) = run_blocks(repl, code)
    assert result.locals["numbers"] == ValueSummary("list", 2, "items", "[1, 2]")
    assert str(result.locals["matrix"]) == "numpy.ndarray, 2 rows x 3 columns"
    assert set(result.locals) == {"numbers", "matrix"}
    assert repl.variables() == result.locals == repl.locals


def test_a_repr_is_not_called_behind_the_models_back(repl: SubprocessREPL) -> None:
    code = "class Costly:\n    def __repr__(self): raise SystemExit\none = Costly()\nmany = [one]"
    (result,) = run_blocks(repl, code)
    assert result.error is None
    assert result.locals["one"].preview == ""
    assert result.locals["many"].preview == "[<Costly object>]"


ANSWERS = {
    "the dict": ("answer['content'] = 'Paris'\nanswer['ready'] = True", "Paris"),
    "a new dict": ("answer = {'content': 'Paris', 'ready': True}", "Paris"),
    "a number": ("answer.update(content=42, ready=True)", "42"),
    "a call": ("FINAL('Paris')", "Paris"),
    "a variable's name": ("x = 'Paris'\nFINAL_VAR('x')", "Paris"),
    "a variable": ("x = 'Paris'\nFINAL_VAR(x)", "Paris"),
    "a value": ("FINAL_VAR(['a'])", "['a']"),
    "before an error": ("FINAL('Paris')\n1 / 0", "Paris"),
    "a lone surrogate": ("FINAL('\\ud800')", "\ud800"),
    "a text that is bound, once it is ready": ("answer = 'Paris'\nFINAL_VAR('answer')", "Paris"),
}


@pytest.mark.parametrize(("code", "answer"), ANSWERS.values(), ids=ANSWERS.keys())
def test_ways_to_answer(repl: SubprocessREPL, code: str, answer: str) -> None:
    (result,) = run_blocks(repl, code)
    assert result.final_answer == answer
    assert repl.answer_so_far() == answer


NO_ANSWERS = {
    "not yet ready": ("answer['content'] = 'so far'", "so far", None),
    "a text bound to it": ("answer = 'Paris'", "Paris", "what you bound to it is now its content"),
    "another dict bound to it": ("answer = {'a': 1}", "{'a': 1}", "what you bound to it is now its content"),
    "None bound to it": ("answer = None", None, "`answer` is reserved"),
    "deleted": ("del answer", None, "`answer` is reserved"),
    "ready without content": ("answer['ready'] = True", None, "set the content first"),
}


@pytest.mark.parametrize(("code", "so_far", "note"), NO_ANSWERS.values(), ids=NO_ANSWERS.keys())
def test_what_is_no_answer(repl: SubprocessREPL, code: str, so_far: str | None, note: str | None) -> None:
    result, after = run_blocks(repl, code, "FINAL('Paris')")
    assert result.final_answer is None
    assert len(result.notes) == (note is not None)
    assert (note or "") in "".join(result.notes)
    assert after.final_answer == "Paris"


def test_an_answer_that_was_not_accepted_is_open_again_and_stays(repl: SubprocessREPL) -> None:
    with repl.running(Echo()):
        assert repl.execute_code("FINAL('Paris')").final_answer == "Paris"
        repl.reopen_answer()
        result = repl.execute_code("print(answer)")
    assert result.stdout == "{'content': 'Paris', 'ready': False}\n"
    assert result.final_answer is None


def test_a_run_begins_without_an_answer(repl: SubprocessREPL) -> None:
    run_blocks(repl, "FINAL('Paris')")
    with repl.running(Echo()):
        assert repl.answer_so_far() is None
        assert repl.execute_code("1").final_answer is None


def test_reserved_names_come_back_with_a_note(repl: SubprocessREPL) -> None:
    first, second = run_blocks(repl, "del llm_query\nFINAL_VAR = 1\nx = 2", "print(llm_query('a'), x)")
    assert sorted(first.notes) == [
        f"`{name}` is reserved and was put back; use another name." for name in ("FINAL_VAR", "llm_query")
    ]
    assert second.stdout == "echo: a 2\n"
    assert second.notes == []


@pytest.mark.parametrize("code", ["input('?')", "exit()", "quit()", "FINAL_VAR('reslt')"])
def test_what_the_scaffold_refuses(repl: SubprocessREPL, code: str) -> None:
    (failed,) = run_blocks(repl, code)
    assert failed.error is not None
    assert failed.error.name == "ScaffoldError"
    assert failed.error.traceback.splitlines()[-1] == f"ScaffoldError: {failed.error.message}"
    assert failed.error.traceback.count("  File ") == 1


def test_the_variables_are_listed(repl: SubprocessREPL) -> None:
    (result,) = run_blocks(repl, "numbers = [1, 2]\n_private = 1\nSHOW_VARS()")
    assert value(result) == "{'numbers': 'list, 2 items'}"


def test_a_printed_text_that_is_no_unicode_arrives(repl: SubprocessREPL) -> None:
    (result,) = run_blocks(repl, "print('a\\ud800b')")
    assert result.stdout == "a\ud800b\n"


def test_no_output_of_many_is_lost(repl: SubprocessREPL) -> None:
    """A publisher drops messages over a bound of a thousand."""
    (result,) = run_blocks(repl, "for i in range(3000):\n    display(i)\nprint('end')")
    assert result.stdout == "end\n"
    assert "2,5" in result.stderr  # of 3,000 displays 500 outputs are kept; the others are counted, each of them


def test_a_large_output_arrives_whole_up_to_the_bound(repl: SubprocessREPL) -> None:
    (result,) = run_blocks(repl, "print('x' * 1_000_000)")
    assert len(result.stdout) == 1_000_001


CONTEXTS = {
    "line ends": "a\r\nb\rc\n",
    "a lone surrogate": "\ud800",
    "odd characters": "\x00\u2028\x85",
    "no text": "",
    "rows": {"rows": [1, (2, 3)], "none": None},
    "bytes": b"\x00\xff",
}


@pytest.mark.parametrize("payload", CONTEXTS.values(), ids=CONTEXTS.keys())
def test_a_context_is_handed_in_unchanged(payload: object) -> None:
    """Defect 4 of the field: contexts went through a text file."""
    with SubprocessREPL(payload) as repl:
        assert isinstance(repl, SubprocessREPL)
        result = repl.execute_code(f"context == {payload!r}, type(context).__name__, context is context_0")
        assert value(result) == f"(True, {type(payload).__name__!r}, True)"


def test_a_table_is_handed_in_and_can_be_changed() -> None:
    frame = pd.DataFrame({"a": np.arange(3), "b": ["x", "y", None]})
    with SubprocessREPL(frame) as repl:
        result = repl.execute_code("context.loc[0, 'a'] = 7\ncontext['a'].sum(), context.shape")
    assert value(result) == "(np.int64(10), (3, 2))"
    assert frame["a"].sum() == 3


class Unpicklable:
    def __reduce__(self) -> Any:
        msg = "not me"
        raise TypeError(msg)


def test_a_context_that_cannot_be_carried_is_refused_and_leaves_nothing_behind() -> None:
    with SubprocessREPL() as repl:
        with pytest.raises(ConfigurationError, match=r"`context`, of type Unpicklable, cannot be carried .*not me"):
            repl.load_context(Unpicklable())
        assert repl.get_context_count() == 0
        assert value(repl.execute_code("1")) == "1"


def test_contexts_and_histories_are_numbered() -> None:
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Hi"}]
    with SubprocessREPL(persistent=True) as repl:
        assert isinstance(repl, SupportsPersistence)
        numbers = [repl.add_context("a"), repl.add_context("b"), repl.add_context("z", 7), repl.add_context("c")]
        assert numbers == [0, 1, 7, 3]
        assert [repl.add_history(messages), repl.add_history([])] == [0, 1]
        messages[0]["content"] = "changed"
        (result,) = run_blocks(repl, "print(context, context_0, context_1, context_3, context_7, history, history_1)")
        assert result.stdout == "a a b c z [{'role': 'user', 'content': 'Hi'}] []\n"
        repl.add_context("other", 0)
        (result,) = run_blocks(repl, "print(context, context_0)")
        assert result.stdout == "other other\n"


def test_numbering_holds_under_threads() -> None:
    with SubprocessREPL(persistent=True) as repl:
        numbers: list[int] = []
        threads = [threading.Thread(target=lambda: numbers.append(repl.add_context("x"))) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(numbers) == list(range(16))


def test_names_are_offered_instead_of_those_before(repl: SubprocessREPL) -> None:
    rows = [1, 2]
    repl.offer({"session_context_0": rows, "session_context_1": "b", "context_history": [rows, "b"]})
    (first,) = run_blocks(repl, "session_context_0 is context_history[0], context_history[1]")
    repl.offer({"session_context_0": "c"})
    second, third = run_blocks(repl, "print(session_context_0)", "context_history")
    repl.offer({})
    assert value(first) == "(True, 'b')"
    assert second.stdout == "c\n"
    assert third.error is not None
    assert third.error.name == "NameError"


def test_the_history_of_a_run_is_kept_until_it_ends() -> None:
    with SubprocessREPL(persistent=True) as repl:
        repl.add_history([{"role": "user", "content": "earlier"}])
        with repl.running(Echo()):
            repl.keep_history([{"role": "user", "content": "all of it"}])
            assert repl.execute_code("print(history[0]['content'])").stdout == "all of it\n"
        assert repl.execute_code("print(history[0]['content'])").stdout == "earlier\n"


def test_tools_are_functions_classes_and_values() -> None:
    rate = 3

    def triple(x: int) -> int:
        return x * rate

    class Box:
        size = 2

    tools = {"triple": {"tool": triple, "description": "Triples."}, "Box": Box, "table": {"a": 1}}
    with SubprocessREPL(custom_tools=tools) as repl:
        first, second = (repl.execute_code(code) for code in ("print(triple(4), Box.size, table)\ntable = 1", "table"))
    assert first.stdout == "12 2 {'a': 1}\n"
    assert first.notes == ["`table` is reserved and was put back; use another name."]
    assert value(second) == "{'a': 1}"


def test_a_tool_that_cannot_be_carried_is_named() -> None:
    with pytest.raises(ConfigurationError, match="`lock`, of type lock, cannot be carried into the kernel"):
        SubprocessREPL(custom_tools={"lock": threading.Lock()})


@pytest.mark.parametrize("name", ["FINAL", "context_0", "two words"])
def test_tools_cannot_take_such_names(name: str) -> None:
    with pytest.raises(ConfigurationError, match="Custom tools"):
        SubprocessREPL(custom_tools={name: 1})


def test_setup_code_runs_first() -> None:
    with SubprocessREPL("text", setup_code="size = len(context)") as repl:
        assert value(repl.execute_code("size")) == "4"


def test_setup_code_that_fails_is_told() -> None:
    with pytest.raises(ConfigurationError, match=r"The setup_code failed:\n(.*\n)*ZeroDivisionError"):
        SubprocessREPL(setup_code="1 / 0")


def test_cells_are_awaited_while_the_event_loop_is_free(repl: SubprocessREPL) -> None:
    async def main() -> tuple[list[REPLResult], int]:
        running = asyncio.ensure_future(arun_blocks(repl, "import time\ntime.sleep(0.5)", "2"))
        ticks = 0
        while not running.done():
            await asyncio.sleep(0.01)
            ticks += 1
        return await running, ticks

    results, ticks = asyncio.run(main())
    assert value(results[1]) == "2"
    assert ticks > 5


def test_threads_take_turns(repl: SubprocessREPL) -> None:
    results: list[str | None] = []
    with repl.running(Echo()):
        repl.execute_code("n = 0")
        code = "before = n\nimport time\ntime.sleep(0.01)\nn = before + 1\nn"
        threads = [threading.Thread(target=lambda: results.append(value(repl.execute_code(code)))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(results, key=str) == [str(number) for number in range(1, 9)]


def test_what_cannot_be_used_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="cell_timeout"):
        SubprocessREPL(cell_timeout=0)
    with pytest.raises(ConfigurationError, match=r"no kernel named 'nosuch'\. Installed are"):
        SubprocessREPL(kernel_name="nosuch")


def test_it_is_an_environment(repl: SubprocessREPL) -> None:
    environment: Environment = repl
    assert environment.name == "ipython"
    assert "IPython kernel" in environment.guide()
    assert not environment.changes()
