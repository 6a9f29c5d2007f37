"""What the model and the user see of each other's names: private, and the modes A, B and C."""

from __future__ import annotations

from typing import Any

import pytest
from live_kernel import LiveKernel

SETUP = """\
%reset -f
from model_code import Echo, run_blocks
from rlm_jupyter import JupyterREPL
"""

A = "sync_to_user_ns=True"
B = "sync_from_user_ns=True, sync_vars=['given']"
C = "sync_from_user_ns=True, sync_to_user_ns=True"
SEES_ALL = "sync_from_user_ns=True"
BOTH_WAYS = "sync_from_user_ns=True, sync_to_user_ns=True, sync_vars=['given']"
ALL = {"private": "", "A": A, "B": B, "C": C, "sees all": SEES_ALL, "some, both ways": BOTH_WAYS}


@pytest.fixture
def kernel(bare_kernel: LiveKernel) -> LiveKernel:
    """The module's kernel, with three names of the user's."""
    bare_kernel.ok(SETUP)
    bare_kernel.ok("given, secret, rows = {'a': 1}, 'api key', [1, 2]")
    return bare_kernel


def run(kernel: LiveKernel, options: str, *blocks: str) -> list[str]:
    """Run the blocks and return what each printed, or the name of its error."""
    kernel.ok(f"environment = JupyterREPL({options})\nresults = run_blocks(environment, *{blocks!r})")
    told: list[str] = kernel.value("[r.error.name if r.error else r.stdout.strip() for r in results]")
    return told


def users(kernel: LiveKernel) -> dict[str, Any]:
    """Return the user's names by value."""
    tools = "'Echo', 'run_blocks', 'JupyterREPL', 'environment', 'results', 'exit', 'quit', 'In', 'Out', 'open'"
    names: dict[str, Any] = kernel.value(
        f"{{n: repr(v) for n, v in globals().items() if n[0] != '_' and n not in ({tools}) and n != 'get_ipython'}}"
    )
    return names


OWN = {"given": "{'a': 1}", "secret": "'api key'", "rows": "[1, 2]"}

SEES = {
    "private": ("", "NameError", "NameError"),
    "A": (A, "NameError", "NameError"),
    "B": (B, "{'a': 1}", "NameError"),
    "C": (C, "{'a': 1}", "api key"),
    "sees all": (SEES_ALL, "{'a': 1}", "api key"),
    "some, both ways": (BOTH_WAYS, "{'a': 1}", "NameError"),
}


@pytest.mark.parametrize(("options", "given", "secret"), SEES.values(), ids=SEES.keys())
def test_what_the_model_sees(kernel: LiveKernel, options: str, given: str, secret: str) -> None:
    assert run(kernel, options, "print(given)", "print(secret)") == [given, secret]


GIVES: dict[str, tuple[str, dict[str, Any]]] = {
    "private": ("", OWN),
    "A": (A, {**OWN, "made": "42", "rows": "'bound anew'"}),
    "B": (B, OWN),
    "C": (C, {**OWN, "made": "42", "rows": "'bound anew'"}),
    "sees all": (SEES_ALL, OWN),
    "some, both ways": (BOTH_WAYS, {**OWN, "made": "42", "rows": "'bound anew'"}),
}


@pytest.mark.parametrize(("options", "names"), GIVES.values(), ids=GIVES.keys())
def test_what_the_user_gets(kernel: LiveKernel, options: str, names: dict[str, Any]) -> None:
    run(kernel, options, "made = 42\nrows = 'bound anew'\n_private = 1\nfor i in range(3): pass\ndel i")
    assert users(kernel) == names


@pytest.mark.parametrize("options", [B, C, SEES_ALL, BOTH_WAYS], ids=["B", "C", "sees all", "some, both ways"])
def test_values_are_the_same_objects(kernel: LiveKernel, options: str) -> None:
    kernel.ok("before = id(given)")
    run(kernel, options, "given['b'] = 2")
    assert kernel.value("[given, id(given) == before]") == [{"a": 1, "b": 2}, True]


@pytest.mark.parametrize("options", ALL.values(), ids=ALL.keys())
def test_the_users_own_scaffold_names_come_back(kernel: LiveKernel, options: str) -> None:
    kernel.ok("context, answer, history, llm_query = 'my context', 42, ['mine'], len")
    kernel.ok(
        f"environment = JupyterREPL('the text', {options})\n"
        "results = run_blocks(environment, 'print(context)\\nanswer = 1\\ndel llm_query', 'FINAL(context)')"
    )
    assert kernel.value("[results[0].stdout, results[1].final_answer]") == ["the text\n", "the text"]
    assert kernel.value("[context, answer, history, llm_query is len, type(exit).__module__[:7]]") == [
        "my context", 42, ["mine"], True, "IPython"
    ]  # fmt: skip
    left = "('FINAL', 'FINAL_VAR', 'SHOW_VARS', 'context_0', 'llm_query_batched', 'rlm_query', 'input')"
    assert kernel.value(f"[n for n in {left} if n in globals()]") == []


@pytest.mark.parametrize("options", ALL.values(), ids=ALL.keys())
def test_they_come_back_after_an_exception(kernel: LiveKernel, options: str) -> None:
    kernel.ok("context, answer = 'my context', 42")
    failed = kernel.run(
        f"environment = JupyterREPL('the text', {options})\n"
        "with environment.running(Echo()):\n"
        "    environment.execute_code('context = 1; kept = 2; 1 / 0')\n"
        "    raise KeyError('the run failed')"
    )
    assert "the run failed" in failed.error
    assert kernel.value("[context, answer, 'FINAL' in globals()]") == ["my context", 42, False]


def test_what_the_model_deleted_is_deleted(kernel: LiveKernel) -> None:
    """Mode C: deletions are the user's as well. Elsewhere only a name that the model gave can be taken back."""
    run(kernel, C, "del rows")
    assert "rows" not in users(kernel)
    assert run(kernel, A, "del secret", "made = 1", "other = 2; del made") == ["NameError", "", ""]
    assert users(kernel) == {"given": "{'a': 1}", "secret": "'api key'", "other": "2"}
    run(kernel, SEES_ALL, "del given")
    assert "given" in users(kernel)


def test_a_name_that_the_user_bound_meanwhile_is_not_taken_back(kernel: LiveKernel) -> None:
    kernel.ok(
        f"environment = JupyterREPL({A})\n"
        "with environment.running(Echo()):\n"
        "    environment.execute_code('made = 1')\n"
        "    made = 'the user has it now'\n"
        "    environment.execute_code('del made')"
    )
    assert users(kernel)["made"] == "'the user has it now'"


def test_a_function_sees_the_users_later_rebinding(kernel: LiveKernel) -> None:
    run(kernel, C, "def total(): return sum(rows)")
    kernel.ok("rows = [100]")
    assert kernel.value("total()") == 100


def test_the_model_sees_what_the_user_bound_between_runs(kernel: LiveKernel) -> None:
    for options in (B, C, SEES_ALL):
        kernel.ok(f"given = 1\nenvironment = JupyterREPL({options})\nrun_blocks(environment, 'y = given')")
        kernel.ok("given = 2\nresults = run_blocks(environment, 'print(given, y)')")
        assert kernel.value("results[0].stdout") == "2 1\n"


def test_a_name_that_the_user_deleted_between_runs_is_gone(kernel: LiveKernel) -> None:
    kernel.ok(f"environment = JupyterREPL({SEES_ALL})\nrun_blocks(environment, '1')\ndel secret")
    kernel.ok("results = run_blocks(environment, 'secret')")
    assert kernel.value("results[0].error.name") == "NameError"


def test_a_name_that_there_is_not_is_refused_before_anything_runs(kernel: LiveKernel) -> None:
    failed = kernel.run("run_blocks(JupyterREPL(sync_from_user_ns=True, sync_vars=['given', 'nothing']), 'x = 1')")
    assert failed.error == (
        "ConfigurationError: sync_vars names what the notebook does not define: nothing. Define it first."
    )


WRONG = {
    "sync_vars=['given']": "sync_vars names what the model sees, which needs sync_from_user_ns=True as well.",
    "sync_from_user_ns=True, sync_vars='given'": "sync_vars takes a list of names: write sync_vars=['given'].",
}


@pytest.mark.parametrize(("options", "message"), WRONG.items())
def test_options_that_say_nothing_sensible(kernel: LiveKernel, options: str, message: str) -> None:
    assert kernel.run(f"JupyterREPL({options})").error == f"ConfigurationError: {message}"


CHANGES: dict[str, tuple[str, dict[str, list[str]]]] = {
    "private": ("", {}),
    "A": (A, {"created": ["made"], "rebound": ["secret"]}),
    "B": (B, {"mutated": ["given"]}),
    "C": (C, {"created": ["made"], "rebound": ["secret"], "deleted": ["rows"], "mutated": ["given"]}),
}


@pytest.mark.parametrize(("options", "changes"), CHANGES.values(), ids=CHANGES.keys())
def test_what_changed_is_told(kernel: LiveKernel, options: str, changes: dict[str, list[str]]) -> None:
    run(kernel, options, "made = 1\nsecret = 2", "given['b'] = 1", "del rows")
    kinds = ("created", "rebound", "deleted", "mutated")
    told = kernel.value(f"{{k: getattr(environment.changes(), k) for k in {kinds!r}}}")
    told["created"] = [name for name in told["created"] if name not in ("environment", "results")]
    told["rebound"] = [name for name in told["rebound"] if name not in ("environment", "results")]
    assert {kind: names for kind, names in told.items() if names} == changes


def test_a_table_that_the_model_filled_in_place_is_told(kernel: LiveKernel) -> None:
    kernel.ok("import pandas as pd\ndf = pd.DataFrame({'a': [1, 2]})\nbefore = id(df)")
    run(kernel, C, "df['b'] = df['a'] * 2")
    assert kernel.value("[id(df) == before, list(df['b']), environment.changes().mutated]") == [True, [2, 4], ["df"]]


def test_an_environment_that_is_kept_keeps_the_models_names_to_itself(kernel: LiveKernel) -> None:
    kernel.ok("environment = JupyterREPL()\nrun_blocks(environment, 'x = 1')")
    kernel.ok("results = run_blocks(environment, 'print(x)')")
    assert kernel.value("[results[0].stdout, 'x' in globals()]") == ["1\n", False]


def test_custom_tools_are_laid_over_and_taken_away(kernel: LiveKernel) -> None:
    kernel.ok("rate = 'mine'")
    assert run(kernel, f"{C}, custom_tools={{'rate': 0.5}}", "print(rate)") == ["0.5"]
    assert users(kernel)["rate"] == "'mine'"


def test_a_large_context_is_handed_in_by_reference(kernel: LiveKernel) -> None:
    kernel.ok(
        "import tracemalloc\ntext = 'x' * 100_000_000\nrun_blocks(JupyterREPL(), '1')\ntracemalloc.start()\n"
        "results = run_blocks(JupyterREPL(text), 'y = context; len(context)')\n"
        "peak = tracemalloc.get_traced_memory()[1]\ntracemalloc.stop()"
    )
    assert kernel.value("[peak < 1_000_000, results[0].locals['y'] is text]") == [True, True]


LETS_GO = {"private": "", "A": A, "B": "sync_from_user_ns=True, sync_vars=['big']", "C": C, "sees all": SEES_ALL}


@pytest.mark.parametrize("options", LETS_GO.values(), ids=LETS_GO.keys())
def test_what_the_user_deletes_after_a_run_is_gone(kernel: LiveKernel, options: str) -> None:
    """The environment is kept; it used to keep the user's values with it."""
    kernel.ok(
        "import gc, weakref\nclass Big: pass\nbig = Big()\ngone = weakref.ref(big)\n"
        f"environment = JupyterREPL(big, {options})\nrun_blocks(environment, 'FINAL(context)')"
    )
    assert kernel.value("gone() is big")
    kernel.ok("environment.add_context(None, 0); del big; gc.collect();")
    assert kernel.value("gone() is None")
    assert kernel.value("environment.answer_so_far()[:15]") == "<__main__.Big o"


def test_what_was_handed_in_is_gone_after_the_environments_cleanup(kernel: LiveKernel) -> None:
    kernel.ok(
        "import gc, weakref\nclass Big: pass\nbig = Big()\ngone = weakref.ref(big)\n"
        "environment = JupyterREPL(big)\nrun_blocks(environment, 'context')\n"
        "environment.cleanup(); del big; gc.collect();"
    )
    assert kernel.value("[gone() is None, environment.get_context_count()]") == [True, 0]


def test_functions_that_were_handed_out_find_what_was_handed_in(kernel: LiveKernel) -> None:
    run(kernel, BOTH_WAYS, "def total(): return len(given)")
    kernel.ok("environment.cleanup()")
    assert kernel.value("total()") == 1


KEEPS_SOURCES = {"private": ("", False), "A": (A, True), "B": (B, False), "C": (C, True)}


@pytest.mark.parametrize(("options", "keeps"), KEEPS_SOURCES.values(), ids=KEEPS_SOURCES.keys())
def test_sources_are_kept_for_functions_that_live_on(kernel: LiveKernel, options: str, keeps: bool) -> None:
    kernel.ok("import linecache\nbefore = set(linecache.cache)")
    run(kernel, options, "def made():\n    return 1", "1", "2")
    kernel.ok("environment.cleanup()\nadded = [n for n in linecache.cache if n not in before and n[:5] == '<rlm ']")
    assert kernel.value("len(added) > 0") is keeps
    if keeps:
        assert kernel.value("__import__('inspect').getsource(made)") == "def made():\n    return 1\n"


def test_the_users_own_changes_are_not_looked_for_where_the_model_can_make_none(kernel: LiveKernel) -> None:
    kernel.ok("environment = JupyterREPL()\nwith environment.running(Echo()):\n    given['b'], made = 1, 2")
    assert kernel.value("bool(environment.changes())") is False


def test_what_changed_is_told_as_of_the_runs_end(kernel: LiveKernel) -> None:
    run(kernel, C, "made = 1")
    kernel.ok("later = 1\ndel made")
    assert kernel.value("[n in environment.changes().created for n in ('made', 'later')]") == [True, False]
