"""The names that the model finds, how it answers, and how contexts are handed in."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pandas as pd  # type: ignore[import-untyped]
import pytest
from model_code import Echo, run_blocks

from rlm_jupyter.core.errors import ConfigurationError
from rlm_jupyter.core.protocols import Environment, SupportsPersistence
from rlm_jupyter.environments.choice import check_environment, get_environment
from rlm_jupyter.environments.local import LocalREPL

ANSWERS = {
    "the dict": ("answer['content'] = 'Paris'\nanswer['ready'] = True", "Paris"),
    "a new dict": ("answer = {'content': 'Paris', 'ready': True}", "Paris"),
    "a number": ("answer.update(content=42, ready=True)", "42"),
    "zero": ("answer['content'] = 0\nanswer['ready'] = True", "0"),
    "a list": ("FINAL([1, 2])", "[1, 2]"),
    "a call": ("FINAL('Paris')", "Paris"),
    "a variable's name": ("x = 'Paris'\nFINAL_VAR('x')", "Paris"),
    "a variable": ("x = 'Paris'\nFINAL_VAR(x)", "Paris"),
    "a value": ("FINAL_VAR(['a'])", "['a']"),
    "a sentence": ("FINAL_VAR('It is Paris.')", "It is Paris."),
    "before an error": ("FINAL('Paris')\n1 / 0", "Paris"),
    "from a function": ("def f():\n    answer['content'] = 'Paris'\n    answer['ready'] = True\nf()", "Paris"),
    "from a thread": (
        "import threading\nt = threading.Thread(target=FINAL, args=['Paris'])\nt.start()\nt.join()",
        "Paris",
    ),
    "an object whose text raises": (
        "class A:\n    def __str__(self): 1 / 0\nFINAL(A())",
        "<A; its text form raised ZeroDivisionError>",
    ),
}


@pytest.mark.parametrize(("code", "answer"), ANSWERS.values(), ids=ANSWERS.keys())
def test_ways_to_answer(local: LocalREPL, code: str, answer: str) -> None:
    (result,) = run_blocks(local, code)
    assert result.final_answer == answer
    assert result.notes == []


NO_ANSWERS = {
    "not yet ready": ("answer['content'] = 'so far'", None),
    "a text bound to it": ("answer = 'Paris'", "it is now its content"),
    "another dict bound to it": ("answer = {'a': 1}", "it is now its content"),
    "nothing bound to it": ("answer = None", "`answer` is reserved"),
    "deleted": ("del answer", "`answer` is reserved"),
    "ready without content": ("answer['ready'] = True", "set the content first"),
    "emptied": ("answer.clear()", None),
}


@pytest.mark.parametrize(("code", "note"), NO_ANSWERS.values(), ids=NO_ANSWERS.keys())
def test_what_is_no_answer(local: LocalREPL, code: str, note: str | None) -> None:
    result, after = run_blocks(local, code, "FINAL('Paris')")
    assert result.final_answer is None
    assert len(result.notes) == (note is not None)
    assert (note or "") in "".join(result.notes)
    assert after.final_answer == "Paris"


def test_a_table_is_an_answer(local: LocalREPL) -> None:
    local.offer({"frame": (frame := pd.DataFrame({"a": [1, 2]}))})
    with local.running(Echo()):
        result = local.execute_code("FINAL_VAR('frame')")
        assert result.final_answer == str(frame)
        assert local.answer_so_far() == str(frame)


def test_the_answer_so_far_outlives_the_run(local: LocalREPL) -> None:
    run_blocks(local, "answer['content'] = 'so far'")
    assert local.answer_so_far() == "so far"
    with local.running(Echo()):
        assert local.answer_so_far() is None


def test_a_variable_that_there_is_not(local: LocalREPL) -> None:
    (failed,) = run_blocks(local, "FINAL_VAR('reslt')")
    assert failed.error is not None
    assert failed.error.message == (
        "FINAL_VAR: not found: there is no variable 'reslt'. SHOW_VARS() lists those that there are."
    )
    assert "rlm_jupyter/" not in failed.error.traceback


def test_sub_calls(local: LocalREPL) -> None:
    (result,) = run_blocks(
        local,
        "print(llm_query('a'), llm_query_batched(['b', 'c'], model='small'), rlm_query('d'), rlm_query_batched(['e']))",
    )
    assert result.stdout == "echo: a ['small: b', 'small: c'] echo: d ['echo: e']\n"


def test_the_variables_are_listed(local: LocalREPL) -> None:
    (result,) = run_blocks(local, "numbers = [1, 2]\n_private = 1\nSHOW_VARS()")
    assert result.outputs[-1]["data"]["text/plain"] == "{'numbers': 'list, 2 items'}"


def test_reserved_names_come_back_with_a_note(local: LocalREPL) -> None:
    local.load_context("the text")
    first, second = run_blocks(
        local, "context = 'mine'\ndel llm_query\nFINAL_VAR = 1\nx = 2", "print(context, llm_query('a'), x)"
    )
    assert sorted(first.notes) == [
        f"`{name}` is reserved and was put back; use another name." for name in ("FINAL_VAR", "context", "llm_query")
    ]
    assert second.stdout == "the text echo: a 2\n"
    assert second.notes == []


def test_a_run_answers_for_its_length_only(local: LocalREPL) -> None:
    local.load_context("the text")
    (within,) = run_blocks(local, "print(llm_query(context))")
    assert within.stdout == "echo: the text\n"
    assert "Error: No language model is attached" in local.execute_code("print(llm_query(context))").stdout


def test_a_run_that_fails_answers_no_longer_either(local: LocalREPL) -> None:
    with pytest.raises(ZeroDivisionError), local.running(Echo()):
        1 / 0  # noqa: B018
    assert "Error: No language model is attached" in local.execute_code("print(llm_query('a'))").stdout


def test_two_runs_do_not_work_in_one_namespace_at_the_same_time(local: LocalREPL) -> None:
    with local.running(Echo()):
        with pytest.raises(RuntimeError, match="Another run is at work in this REPL"), local.running(Echo()):
            raise AssertionError
        assert local.execute_code("print(llm_query('a'))").stdout == "echo: a\n"


def test_many_names_that_were_taken_away_are_told_of_at_once(local: LocalREPL) -> None:
    (result,) = run_blocks(local, "globals().clear()")
    assert len(result.notes) == 1
    assert "were put back" in result.notes[0]
    assert local.execute_code("FINAL('still here')").final_answer == "still here"


TEXTS = ["a\r\nb", "a\rb\n", "\ud800", "\x00\u2028\x85", "é" * 3, ""]


@pytest.mark.parametrize("text", TEXTS, ids=[ascii(text) for text in TEXTS])
def test_a_text_is_handed_in_unchanged(text: str) -> None:
    """Defect 4 of the field: contexts went through a text file."""
    environment = LocalREPL(text)
    with environment.running(Echo()):
        result = environment.execute_code("x = context")
    assert result.locals["x"] is text


def test_a_context_is_handed_in_by_reference() -> None:
    payload = {"rows": [1, 2]}
    environment = LocalREPL(payload)
    run_blocks(environment, "context['rows'].append(3)", "del context_0['rows'][0]")
    assert payload == {"rows": [2, 3]}


def test_a_large_context_takes_no_memory() -> None:
    text = "x" * 100_000_000
    environment = LocalREPL()
    run_blocks(environment, "1")
    tracemalloc.start()
    environment.load_context(text)
    (result,) = run_blocks(environment, "len(context)")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert result.outputs[-1]["data"]["text/plain"] == "100000000"
    assert peak < 1_000_000


def test_contexts_and_histories_are_numbered(local: LocalREPL) -> None:
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Hi"}]
    assert isinstance(local, SupportsPersistence)
    assert [local.add_context("a"), local.add_context("b"), local.add_context("z", 7), local.add_context("c")] == [
        0,
        1,
        7,
        3,
    ]
    assert [local.add_history(messages), local.add_history([])] == [0, 1]
    messages[0]["content"] = "changed"
    (result,) = run_blocks(local, "print(context, context_0, context_1, context_3, context_7, history, history_1)")
    assert result.stdout == "a a b c z [{'role': 'user', 'content': 'Hi'}] []\n"
    assert (local.get_context_count(), local.get_history_count()) == (4, 2)


def test_custom_tools() -> None:
    tools = {"double": {"tool": lambda x: x * 2, "description": "Doubles."}, "rate": 0.5, "table": {"a": 1}}
    environment = LocalREPL(custom_tools=tools)
    first, second = run_blocks(environment, "print(double(4), rate, table)\nrate = 1", "rate")
    assert first.stdout == "8 0.5 {'a': 1}\n"
    assert first.notes == ["`rate` is reserved and was put back; use another name."]
    assert second.outputs[-1]["data"]["text/plain"] == "0.5"


@pytest.mark.parametrize(
    "name", ["FINAL", "llm_query", "context", "context_0", "history_12", "session_context_0", "answer"]
)
def test_tools_cannot_take_reserved_names(name: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"cannot be named {name}: these names are reserved"):
        LocalREPL(custom_tools={name: 1})


@pytest.mark.parametrize("name", ["two words", "1st", "class", ""])
def test_tools_must_be_identifiers(name: str) -> None:
    with pytest.raises(ConfigurationError, match="must be named by identifiers"):
        LocalREPL(custom_tools={name: 1})


def test_environments_are_made_by_name() -> None:
    environment: Environment = get_environment("local", {"custom_tools": {"x": 1}})
    assert environment.name == "local"
    assert "plain Python" in environment.guide()
    check_environment("local", {}, persistent=True)
    check_environment("ipython", {"kernel_mode": "in_process"}, persistent=True)


def test_environments_that_there_are_not() -> None:
    with pytest.raises(ConfigurationError, match=r"no environment named 'locl'. There are: .*jupyter.*local"):
        check_environment("locl", {}, persistent=False)
    takes = r"'local' does not take colour. It takes: .*custom_tools.*subcall_fn"
    with pytest.raises(ConfigurationError, match=takes):
        get_environment("local", {"colour": "red"})


UNUSABLE = {
    "a reserved name": ("local", {"custom_tools": {"context": 1}}, "cannot be named context"),
    "no name": ("jupyter", {"custom_tools": {"two words": 1}}, "must be named by identifiers"),
    "names that nothing hands in": ("jupyter", {"sync_vars": ["a"]}, "needs sync_from_user_ns=True"),
    "a name for a list": ("jupyter", {"sync_from_user_ns": True, "sync_vars": "a"}, r"write sync_vars=\['a'\]"),
    "what RLM is told": ("local", {"persistent": True}, "does not take persistent"),
    "no time": ("local", {"cell_timeout": 0}, "cell_timeout is a number of seconds above 0"),
    "a time in words": ("local", {"cell_timeout": "1 s"}, "cell_timeout is a number of seconds above 0"),
    "no calls": ("jupyter", {"max_concurrent_subcalls": 0}, "max_concurrent_subcalls is a number of calls"),
    "code that is no text": ("local", {"setup_code": 1}, "setup_code is the text of a cell"),
    "a mode that there is not": ("ipython", {"kernel_mode": "remote"}, "There are: 'in_process', 'subprocess'"),
    "what only a kernel uses": ("ipython", {"subcall_timeout": 1.0}, "only kernel_mode='subprocess' uses this"),
}


@pytest.mark.parametrize(("name", "arguments", "message"), UNUSABLE.values(), ids=UNUSABLE.keys())
def test_what_cannot_be_used_is_refused_before_anything_is_made(
    name: str, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        check_environment(name, arguments, persistent=False)


def test_an_environment_is_made_by_name() -> None:
    environment = get_environment("local", {"custom_tools": {"twice": 2}, "persistent": True})
    assert environment.name == "local"
    assert environment.execute_code("print(twice)").stdout == "2\n"
    environment.cleanup()


def test_names_are_offered_instead_of_those_before(local: LocalREPL) -> None:
    """A new session found the names of the one before."""
    local.offer({"session_context_0": "a", "session_context_1": "b"})
    run_blocks(local, "1")
    local.offer({"session_context_0": "c"})
    first, second = run_blocks(local, "print(session_context_0)", "session_context_1")
    assert first.stdout == "c\n"
    assert second.error is not None
    assert second.error.name == "NameError"


def test_the_guide_says_how_another_programs_output_is_seen(local: LocalREPL) -> None:
    assert "capture_output=True" in local.guide()


def test_jupyter_needs_a_kernel() -> None:
    with pytest.raises(ConfigurationError, match=r"there is none here\. Use 'local'"):
        get_environment("jupyter", {})
