"""``jupyter`` used by hand: cells outside any run, in a namespace of its own and in the user's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from live_kernel import LiveKernel

_MADE = """
from rlm_jupyter.environments import JupyterREPL, SupportsPersistence
def texts(result):
    return [each["data"]["text/plain"] for each in result.outputs if "data" in each]
"""


@pytest.fixture
def kernel(bare_kernel: LiveKernel) -> Iterator[LiveKernel]:
    bare_kernel.ok(_MADE)
    yield bare_kernel
    bare_kernel.ok("repl.cleanup()\n%reset -f")


def test_a_namespace_of_its_own(kernel: LiveKernel) -> None:
    kernel.ok("x = 'mine'\nrepl = JupyterREPL(context_payload='hello', setup_code='y = 2', persistent=True)")
    told = kernel.ok(
        "r = repl.execute_code('x = 10\\nprint(len(context), y)\\n%time x + 1')\n"
        "print(r.stdout.splitlines()[0], r.stderr == '', texts(r), repl.locals['x'], x)\n"
        "print(repl.add_context('next'), repl.locals['session_context_1'], isinstance(repl, SupportsPersistence))\n"
        "print(repl.execute_code('print(llm_query(1))').stdout, end='')"
    )
    assert told.stdout.startswith("5 2 True ['11'] 10 mine\n1 next True\nError: No language model is attached")


def test_the_users_namespace_is_lent_for_each_cell(kernel: LiveKernel) -> None:
    kernel.ok(
        "context, answer = 'my context', 42\nasked = []\n"
        "def subcall(prompt, model):\n    asked.append(prompt)\n    return prompt.upper()\n"
        "repl = JupyterREPL('given', sync_from_user_ns=True, sync_to_user_ns=True, subcall_fn=subcall)"
    )
    told = kernel.ok(
        "r = repl.execute_code('made = llm_query(context)\\nFINAL_VAR(\"made\")')\n"
        "print(made, context, answer, 'input' in globals(), 'llm_query' in globals())\n"
        "print(r.final_answer, [call.response for call in r.rlm_calls], repl.changes().created)"
    )
    assert told.stdout == "GIVEN my context 42 False False\nGIVEN ['GIVEN'] ('made',)\n"


def test_the_users_names_come_back_also_after_an_error(kernel: LiveKernel) -> None:
    kernel.ok("answer = 42\nrepl = JupyterREPL(sync_from_user_ns=True, sync_to_user_ns=True, cell_timeout=0.05)")
    told = kernel.ok(
        "first = repl.execute_code('1 / 0')\nsecond = repl.execute_code('while True: pass')\n"
        "print(first.error.name, second.error.name, answer, 'FINAL' in globals())"
    )
    assert told.stdout == "ZeroDivisionError TimeoutError 42 False\n"


def test_names_are_handed_in_and_out_for_each_cell(kernel: LiveKernel) -> None:
    kernel.ok("a, b = [1], [2]\nrepl = JupyterREPL(sync_from_user_ns=True, sync_vars=['a'], sync_to_user_ns=True)")
    told = kernel.ok(
        "r = repl.execute_code('c = a + [3]\\nd = \"b\" in globals()')\nprint(c, d)\n"
        "a.append(9)\nrepl.execute_code('c = a')\nprint(c is a, repl.changes().rebound)"
    )
    assert told.stdout == "[1, 3] False\nTrue ('c',)\n"


def test_a_cell_that_is_interrupted_gives_everything_back(kernel: LiveKernel) -> None:
    kernel.ok("answer = 42\nrepl = JupyterREPL(sync_from_user_ns=True, sync_to_user_ns=True)")
    cut_off = kernel.run("repl.execute_code('import signal\\nsignal.raise_signal(signal.SIGINT)\\nwhile True: pass')")
    assert "CellInterrupted" in cut_off.error or "KeyboardInterrupt" in cut_off.error
    assert kernel.ok("print(answer, 'FINAL' in globals())").stdout == "42 False\n"
