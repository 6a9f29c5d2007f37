"""How a block of code runs in ``local``: as a notebook's cell does."""

from __future__ import annotations

import linecache

import pytest
from model_code import run_blocks

from rlm_jupyter.core.results import REPLResult
from rlm_jupyter.environments.local import LocalREPL


def value(result: REPLResult) -> str | None:
    """Return the text form of the block's value, or None where it has none."""
    assert result.error is None, result.error
    values = [each["data"]["text/plain"] for each in result.outputs if each["output_type"] == "execute_result"]
    return values[0] if values else None


DISPLAYS = {
    "an expression": ("1 + 1", "2"),
    "after statements": ("x = 20\nx + 1", "21"),
    "a trailing comment": ("1 + 1  # two", "2"),
    "a text": ("'a\\nb'", "'a\\nb'"),
    "None": ("None", None),
    "a statement": ("x = 1", None),
    "a trailing semicolon": ("1 + 1;", None),
    "a trailing semicolon and a comment": ("1 + 1;  # quiet", None),
    "a semicolon in a text": ("'a;'", "'a;'"),
    "a semicolon between": ("x = 1; x", "1"),
    "an f-string with a semicolon": ("f'{1};'", "'1;'"),
    "a call over lines": ("max(\n    1,\n    2,\n)", "2"),
    "nothing": ("", None),
    "a comment": ("# nothing", None),
    "a string after a class": ("class A:\n    pass\nA.__name__", "'A'"),
}


@pytest.mark.parametrize(("code", "shown"), DISPLAYS.values(), ids=DISPLAYS.keys())
def test_the_last_expression_is_shown(local: LocalREPL, code: str, shown: str | None) -> None:
    (result,) = run_blocks(local, code)
    assert value(result) == shown


def test_printing_and_values_stand_in_their_order(local: LocalREPL) -> None:
    (result,) = run_blocks(local, "import sys\nprint('a')\nprint('b', file=sys.stderr)\nprint('c')\n'd'")
    assert [(each["output_type"], each.get("text")) for each in result.outputs] == [
        ("stream", "a\n"),
        ("stream", "b\n"),
        ("stream", "c\n"),
        ("execute_result", None),
    ]
    assert (result.stdout, result.stderr) == ("a\nc\n", "b\n")


def test_functions_see_later_rebindings(local: LocalREPL) -> None:
    *_, last = run_blocks(local, "x = 1\ndef f(): return x, g()", "def g(): return 'late'", "x = 2", "f()")
    assert value(last) == "(2, 'late')"


def test_comprehensions_and_classes_see_the_cells_names(local: LocalREPL) -> None:
    *_, last = run_blocks(local, "n = 3", "class A:\n    m = n\n[n + i + A.m for i in range(2)]")
    assert value(last) == "[6, 7]"


def test_names_bound_before_an_exception_stay(local: LocalREPL) -> None:
    failed, after = run_blocks(local, "x = 1\ny = 2\n1 / 0\nz = 3", "x, y, 'z' in globals()")
    assert failed.error is not None
    assert failed.error.name == "ZeroDivisionError"
    assert value(after) == "(1, 2, False)"


def test_names_with_an_underscore_stay(local: LocalREPL) -> None:
    _, after = run_blocks(local, "_x = 1\n__y = 2", "_x, __y")
    assert value(after) == "(1, 2)"


def test_names_stay_from_run_to_run(local: LocalREPL) -> None:
    run_blocks(local, "x = 1")
    (after,) = run_blocks(local, "x")
    assert value(after) == "1"


def test_a_traceback_has_line_numbers_and_source_lines_and_no_frame_of_ours(local: LocalREPL) -> None:
    _, failed = run_blocks(local, "def f(x):\n    return 1 / x", "a = 1\nf(a - 1)")
    assert failed.error is not None
    lines = failed.error.traceback.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert "line 2, in <module>" in lines[1]
    assert lines[2].strip() == "f(a - 1)"
    assert "line 2, in f" in failed.error.traceback
    assert "return 1 / x" in failed.error.traceback
    assert lines[-1] == "ZeroDivisionError: division by zero"
    assert "/rlm_jupyter/" not in failed.error.traceback


def test_a_traceback_through_a_library_keeps_its_frames(local: LocalREPL) -> None:
    (failed,) = run_blocks(local, "import json\njson.loads('{')")
    assert failed.error is not None
    assert "line 2, in <module>" in failed.error.traceback
    assert "decoder.py" in failed.error.traceback


def test_a_chain_of_exceptions_is_told(local: LocalREPL) -> None:
    (failed,) = run_blocks(local, "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise KeyError('k') from e")
    assert failed.error is not None
    assert "direct cause" in failed.error.traceback
    assert "/rlm_jupyter/" not in failed.error.traceback


def test_a_syntax_error_shows_the_line(local: LocalREPL) -> None:
    (failed,) = run_blocks(local, "x = 1\nfor x in\n")
    assert failed.error is not None
    assert failed.error.name == "SyntaxError"
    assert "line 2" in failed.error.traceback
    assert "for x in" in failed.error.traceback
    assert "/rlm_jupyter/" not in failed.error.traceback


UNUSUAL = {
    "a null byte": ("x = '\0'", {"SyntaxError", "ValueError"}),
    "too deep for the parser": ("-" * 100_000 + "1", {"MemoryError", "RecursionError"}),
    "too deep for the stack": ("def f(): return f()\nf()", {"RecursionError"}),
    "a lone surrogate in the code": ("x = '\ud800'", {"UnicodeEncodeError"}),
    "a base exception": ("class Odd(BaseException): pass\nraise Odd('odd')", {"Odd"}),
    "a generator's end": ("raise GeneratorExit", {"GeneratorExit"}),
    "the end of an iteration": ("raise StopIteration", {"StopIteration"}),
    "a repr that raises": ("class A:\n    def __repr__(self): 1 / 0\nA()", {"ZeroDivisionError"}),
    "an error whose text raises": (
        "class E(Exception):\n    def __str__(self): raise RuntimeError\nraise E",
        {"E"},
    ),
    "a magic": ("%time 1", {"SyntaxError"}),
    "a return": ("return 1", {"SyntaxError"}),
}


@pytest.mark.parametrize(("code", "names"), UNUSUAL.values(), ids=UNUSUAL.keys())
def test_what_code_raises_is_in_the_result(local: LocalREPL, code: str, names: set[str]) -> None:
    failed, after = run_blocks(local, code, "'still here'")
    assert failed.error is not None
    assert failed.error.name in names
    assert failed.stderr.endswith(failed.error.traceback)
    assert failed.outputs[-1]["output_type"] == "error"
    assert value(after) == "'still here'"


@pytest.mark.parametrize("code", ["import sys; sys.exit(3)", "raise SystemExit", "exit()", "quit()", "exit(1)"])
def test_nothing_ends_the_process(local: LocalREPL, code: str) -> None:
    (failed,) = run_blocks(local, code)
    assert failed.error is not None


def test_input_does_not_wait(local: LocalREPL) -> None:
    (failed,) = run_blocks(local, "name = input('Who? ')")
    assert failed.error is not None
    assert "nobody is there" in failed.error.message
    assert "/rlm_jupyter/" not in failed.error.traceback


def test_future_statements_hold_for_the_cells_that_follow_and_for_no_other_environment(local: LocalREPL) -> None:
    annotated = "def f(x: Undefined): pass\nf.__annotations__"
    _, after = run_blocks(local, "from __future__ import annotations", annotated)
    assert value(after) == "{'x': 'Undefined'}"
    other = LocalREPL()
    (failed,) = run_blocks(other, "def f(x: print('evaluated')): pass")
    assert failed.stdout == "evaluated\n"
    other.cleanup()


def test_dataclasses_and_classes(local: LocalREPL) -> None:
    *_, last = run_blocks(
        local,
        "from dataclasses import dataclass, replace\n@dataclass\nclass P:\n    x: int = 1",
        "import copy\ncopy.deepcopy(replace(P(), x=2))",
    )
    assert value(last) == "P(x=2)"


def test_built_in_values_can_be_pickled(local: LocalREPL) -> None:
    (result,) = run_blocks(local, "import pickle\npickle.loads(pickle.dumps({'a': [1]}))")
    assert value(result) == "{'a': [1]}"


def test_the_main_guard_runs(local: LocalREPL) -> None:
    (result,) = run_blocks(local, "if __name__ == '__main__':\n    print('ran')")
    assert result.stdout == "ran\n"


def test_the_source_of_a_function_is_at_hand(local: LocalREPL) -> None:
    _, result = run_blocks(local, "x = 1\ndef f():\n    return 'me'", "import inspect\ninspect.getsource(f)")
    assert value(result) == repr("def f():\n    return 'me'")


def test_sources_are_given_up_with_the_environment() -> None:
    environment = LocalREPL()
    before = set(linecache.cache)
    run_blocks(environment, "x = 1", "y = 2")
    assert len(set(linecache.cache) - before) >= 2
    environment.cleanup()
    assert not [name for name in set(linecache.cache) - before if name.startswith("<rlm ")]


def test_context_variables_keep_their_values(local: LocalREPL) -> None:
    _, result = run_blocks(local, "from contextvars import ContextVar\nv = ContextVar('v')\nt = v.set(1)", "v.get()")
    assert value(result) == "1"


def test_a_very_long_value_is_shown_by_its_beginning(local: LocalREPL) -> None:
    (result,) = run_blocks(local, "'x' * 50_000_000")
    shown = value(result)
    assert shown is not None
    assert len(shown) < 1_100_000
    assert shown.endswith("... (str, 50,000,000 characters)")


def test_a_result_is_told_by_sizes(local: LocalREPL) -> None:
    """Defect 9 of the field: ``repr(REPLResult)`` raised."""
    (result,) = run_blocks(local, "secret = 'hidden'\nprint('abc')")
    assert repr(result).startswith("REPLResult(stdout=4 chars, stderr=0 chars, locals=")
    assert "hidden" not in repr(result)
    assert result.locals["secret"] == "hidden"
    assert result.execution_time is not None
    assert result.execution_time > 0
