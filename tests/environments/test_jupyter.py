"""``jupyter`` in a real kernel: cells behave as a notebook's, and nothing of them shows in the user's."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from live_kernel import LiveKernel

SETUP = """\
%reset -f
from model_code import Echo, run_blocks
from rlm_jupyter import JupyterREPL
"""

OWN = {"status", "execute_input"}
"""What a cell publishes that prints nothing, shows nothing and does not fail."""


@pytest.fixture
def kernel(bare_kernel: LiveKernel) -> LiveKernel:
    """The module's kernel, with nothing in it but the tools of these tests."""
    bare_kernel.ok(SETUP)
    return bare_kernel


def run(kernel: LiveKernel, *blocks: str, options: str = "") -> list[dict[str, Any]]:
    """Run the blocks in a run of their own, in one user's cell that must show nothing, and return the results."""
    executed = kernel.ok(f"_r = run_blocks(JupyterREPL({options}), *{blocks!r})")
    assert set(executed.types) == OWN, executed.messages
    parts = "'stdout', 'stderr', 'outputs', 'final_answer', 'notes'"
    results: list[dict[str, Any]] = kernel.value(
        f"[{{**{{k: getattr(r, k) for k in [{parts}]}}, 'error': r.error and r.error.name,"
        " 'traceback': r.error and r.error.traceback} for r in _r]"
    )
    return results


def data(result: dict[str, Any]) -> list[dict[str, Any]]:
    assert result["error"] is None, result["traceback"]
    return [each["data"] for each in result["outputs"] if "data" in each]


SHARED = "sync_from_user_ns=True, sync_to_user_ns=True"
PLACES = {"private": "", "the user's": SHARED}

VALUES = {
    "an expression": ("x = 20\nx + 1", "21"),
    "a trailing semicolon": ("1 + 1;", None),
    "a line magic": ("%time 6 * 7", "42"),
    "a magic's value": ("x = %pwd\nx.upper() == x", "False"),
    "a shell's output": ("x = !echo one two\nx", "['one two']"),
    "a top-level await": ("import asyncio\nasync def f(): return 7\nawait f()", "7"),
    "a task": ("import asyncio\nt = asyncio.create_task(asyncio.sleep(0, 7))\nawait t", "7"),
    "a prompt copied along": (">>> x = 7\n>>> x", "7"),
    "an indented block": ("    x = 7\n    x", "7"),
}


@pytest.mark.parametrize("options", PLACES.values(), ids=PLACES.keys())
@pytest.mark.parametrize(("code", "shown"), VALUES.values(), ids=VALUES.keys())
def test_values(kernel: LiveKernel, code: str, shown: str | None, options: str) -> None:
    (result,) = run(kernel, code, options=options)
    assert [each["text/plain"] for each in data(result)] == ([] if shown is None else [shown])


PRINTED = {
    "print": ("print('hello')", "hello\n", ""),
    "stderr": ("import sys\nprint('hello', file=sys.stderr)", "", "hello\n"),
    "a shell escape": ("!echo hello", "hello\n", ""),
    "a cell magic": ("%%bash\necho hello\necho there", "hello\nthere\n", ""),
    "a warning": ("import warnings\nwarnings.warn('careful')", "", "careful"),
    "a help text": ("len?", "Return the number of items in a container.", ""),
    "a thread": (
        "import threading\nt = threading.Thread(target=print, args=['hello'])\nt.start()\nt.join()",
        "hello\n",
        "",
    ),
    "an exception that a magic caught": ("%run nothing_there.py", "", "nothing_there.py"),
    "a display that failed": (
        "class A:\n    def _repr_html_(self): raise ValueError('bad html')\ndisplay(A())",
        "",
        "bad html",
    ),
    "a request to end the kernel": ("get_ipython().ask_exit()", "", "The kernel is the user's"),
    "the next cell's text": ("get_ipython().set_next_input('x = 1')", "", "The front end is the user's"),
}


@pytest.mark.parametrize(("code", "stdout", "stderr"), PRINTED.values(), ids=PRINTED.keys())
def test_what_is_printed_stays_with_the_model(kernel: LiveKernel, code: str, stdout: str, stderr: str) -> None:
    (result,) = run(kernel, code)
    assert stdout in result["stdout"].replace("\r\n", "\n")
    assert stderr in result["stderr"]
    if not stderr:
        assert result["error"] is None, result["traceback"]


def test_rich_displays_stay_with_the_model(kernel: LiveKernel) -> None:
    """Defect 14 of the field: they went straight to the user's cell."""
    (result,) = run(
        kernel,
        "from IPython.display import HTML, Markdown, JSON, SVG\n"
        "display(HTML('<b>bold</b>'), Markdown('# Title'))\ndisplay(JSON({'a': [1]}))\n"
        "display({'text/plain': 'raw'}, raw=True)\nSVG('<svg xmlns=\"http://www.w3.org/2000/svg\"/>')",
    )
    html, markdown, json, raw, svg = data(result)
    assert html["text/html"] == "<b>bold</b>"
    assert markdown["text/markdown"] == "# Title"
    assert json["application/json"] == {"a": [1]}
    assert raw == {"text/plain": "raw"}
    assert svg["image/svg+xml"].startswith("<svg")
    assert [each["output_type"] for each in result["outputs"]] == ["display_data"] * 4 + ["execute_result"]


def test_clearing_and_updating(kernel: LiveKernel) -> None:
    (result,) = run(
        kernel,
        "from IPython.display import clear_output, display\nprint('gone')\nclear_output()\nprint('stays')\n"
        "h = display('one', display_id=True)\nh.update('two')\nclear_output(wait=True)",
    )
    assert result["stdout"] == "stays\n"
    assert data(result) == [{"text/plain": "'two'"}]


HOOKED = {
    "a cell in a cell": "print(get_ipython().run_cell('6 * 7').result);",
    "Python's own hook": "exec(compile('6 * 7', 'code', 'single'))\nprint(42)",
}


@pytest.mark.parametrize("code", HOOKED.values(), ids=HOOKED.keys())
def test_results_stay_with_the_model_whoever_shows_them(kernel: LiveKernel, code: str) -> None:
    """They became the result of the user's cell."""
    kernel.ok("'mine'")
    (result,) = run(kernel, code)
    assert data(result) == [{"text/plain": "42"}]
    assert result["stdout"] == "42\n"
    assert kernel.value("'42' not in map(repr, Out.values())")
    assert kernel.ok("6 * 8").result["text/plain"] == "48"
    assert kernel.value("_") == 48


def test_a_table_has_its_html(kernel: LiveKernel) -> None:
    (result,) = run(kernel, "import pandas as pd\npd.DataFrame({'a': [1, 2]})")
    (table,) = data(result)
    assert "<table" in table["text/html"]
    assert table["text/plain"].split() == ["a", "0", "1", "1", "2"]


class TestFigures:
    def test_are_shown_to_the_model(self, kernel: LiveKernel) -> None:
        drawn, again, failed = run(
            kernel,
            "import matplotlib.pyplot as plt\nplt.plot([1, 2]);",
            "plt.figure()\nplt.plot([3])\nplt.show()\nprint('below')",
            "plt.plot([4])\n1 / 0",
        )
        for result in (drawn, again, failed):
            (image,) = (each["data"] for each in result["outputs"] if each["output_type"] == "display_data")
            assert image["image/png"].startswith("iVBOR")
        assert again["outputs"][-1]["text"] == "below\n"
        assert failed["error"] == "ZeroDivisionError"
        assert set(kernel.ok("pass").types) == OWN

    def test_of_the_user_stay_the_users(self, kernel: LiveKernel) -> None:
        kernel.ok("import matplotlib.pyplot as plt")
        block = "import matplotlib.pyplot as plt\nplt.plot([3])\nplt.show()\nplt.plot([4])\nplt.close('all')"
        executed = kernel.ok(
            f"fig = plt.figure()\n_r = run_blocks(JupyterREPL(), {block!r})\nplt.plot([1, 2])\n_n = plt.gcf() is fig"
        )
        (image,) = executed.of("display_data")
        assert "image/png" in image["content"]["data"]
        assert kernel.value("[_n, sum('data' in each for each in _r[0].outputs)]") == [True, 1]


def test_the_history_is_as_if_the_models_cells_had_never_been(kernel: LiveKernel) -> None:
    first = kernel.ok("'mine'")
    number = first.reply["content"]["execution_count"]
    for options in PLACES.values():
        run(kernel, "'a value'", "%time 1", "!echo shell", "x = 1;", "1 / 0", options=options)
        run(kernel, "for _ in range(3): pass", "a, _, __ = 1, 2, 3", "In = Out = None", options=options)
    after = kernel.ok("_, __ == 2, _i[:5]")
    assert after.reply["content"]["execution_count"] == number + 5
    assert after.result["text/plain"] == "('mine', False, '_r = ')"
    assert kernel.value(f"[k for k in Out if k >= {number}]") == [number, number + 5]
    assert kernel.value(f"[text[:5] for text in In[{number}:]]") == ["'mine", *["_r = "] * 4, "_, __"]


def test_an_error_shows_its_lines_and_leaks_nothing(kernel: LiveKernel) -> None:
    failed, magic, syntax = run(kernel, "def f():\n    return 1 / 0\nf()", "x = 1\n%no_such_magic", "for x in\n")
    assert failed["error"] == "ZeroDivisionError"
    assert "line 3, in <module>" in failed["traceback"]
    assert "return 1 / 0" in failed["traceback"]
    assert magic["error"] == "UsageError" or "no_such_magic" in magic["stderr"]
    assert syntax["error"] == "SyntaxError"
    for result in (failed, magic, syntax):
        assert "/rlm_jupyter/" not in (result["traceback"] or "")


@pytest.mark.parametrize("code", ["exit()", "quit()", "exit", "import sys; sys.exit()", "raise SystemExit(1)"])
@pytest.mark.parametrize("options", PLACES.values(), ids=PLACES.keys())
def test_nothing_ends_or_blocks_the_kernel(kernel: LiveKernel, code: str, options: str) -> None:
    pid = kernel.value("__import__('os').getpid()")
    (result,) = run(kernel, code, options=options)
    assert code == "exit" or result["error"] is not None
    assert kernel.value("__import__('os').getpid()") == pid
    assert set(kernel.ok("pass").types) == OWN


ASKS = ["input('?')", "import builtins; builtins.input('?')", "import getpass; getpass.getpass()", "%debug"]


@pytest.mark.parametrize("code", ASKS)
def test_the_user_is_asked_for_nothing(kernel: LiveKernel, code: str) -> None:
    """Also where the front end could ask: nobody who started a run expects that its code waits for typing."""
    kernel.run("1 / 0")  # for the debugger
    cell = f"_r = run_blocks(JupyterREPL(), {code!r})"
    assert kernel.finish(kernel.client.execute(cell, allow_stdin=True)).status == "ok"
    assert kernel.value("_r[0].error.name") == "ScaffoldError"


def test_magics_see_the_models_names(kernel: LiveKernel) -> None:
    kernel.ok("users = 1")
    bound, listed, timed, shell = run(
        kernel, "models = 2", "%who", "%time y = models + 1", "n = 'there'\n!echo $n {models}"
    )
    assert bound["error"] is None
    assert "models" in listed["stdout"]
    assert "users" not in listed["stdout"]
    assert timed["error"] is None
    assert shell["stdout"].split() == ["there", "2"]
    assert kernel.value("[n for n in ('models', 'y', 'n') if n in globals()]") == []
    assert "users" in kernel.ok("%who").stdout


def test_source_and_pickles_in_the_users_namespace(kernel: LiveKernel) -> None:
    *_, last = run(
        kernel,
        "from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int = 1\ndef f():\n    return 'me'",
        "import inspect, pickle\nprint(pickle.loads(pickle.dumps(P(2))))\nprint(inspect.getsource(f))",
        options=SHARED,
    )
    assert last["stdout"] == "P(x=2)\ndef f():\n    return 'me'\n\n", last["traceback"]


def test_the_guide_says_where_the_code_runs(kernel: LiveKernel) -> None:
    kernel.ok(f"shared, private = JupyterREPL({SHARED}).guide(), JupyterREPL().guide()")
    assert kernel.value("['own notebook' in shared, 'of your own' in private]") == [True, True]


def test_the_guide_says_how_another_programs_output_is_seen(kernel: LiveKernel) -> None:
    """What goes to the file descriptors goes to the user's cell: the model is told to ask for it."""
    kernel.ok("guide = JupyterREPL().guide()")
    assert kernel.value("['capture_output=True' in guide, '!command' in guide]") == [True, True]
    (result,) = run(kernel, "import subprocess\nsubprocess.run(['echo', 'a'], capture_output=True, text=True).stdout")
    assert data(result) == [{"text/plain": r"'a\n'"}]


def test_variables_are_the_users_own(kernel: LiveKernel) -> None:
    """What the model is told of: no modules, nothing that IPython put there, nothing private."""
    kernel.ok("import math\nnumbers = [1]\n_hidden = 2\ndef f(): pass")
    known = kernel.value(f"sorted(JupyterREPL({SHARED}).variables())")
    assert known == ["Echo", "JupyterREPL", "f", "numbers", "run_blocks"]


def test_several_awaiting_runs_share_the_kernels_loop(kernel: LiveKernel) -> None:
    kernel.ok(
        "import asyncio\n"
        "async def one(name):\n"
        "    environment = JupyterREPL()\n"
        "    with environment.running(Echo()):\n"
        "        return await environment.aexecute_code("
        "f'import asyncio\\nfor i in range(20):\\n    print({name!r}, i)\\n    await asyncio.sleep(0)')\n"
    )
    executed = kernel.ok("rs = await asyncio.gather(*(one(n) for n in 'abcd'))")
    assert set(executed.types) == OWN
    assert (
        kernel.value("[r.stdout == ''.join(f'{n} {i}\\n' for i in range(20)) for n, r in zip('abcd', rs)]")
        == [True] * 4
    )


class TestInterrupts:
    @pytest.fixture
    def fifo(self, tmp_path: Path) -> Path:
        """A pipe on which model code says that it has come so far."""
        path = tmp_path / "fifo"
        os.mkfifo(path)
        return path

    @pytest.mark.parametrize(
        "waits",
        [
            "open(pipe, 'w').close()\nwhile True: pass",
            "import time\nopen(pipe, 'w').close()\ntime.sleep(3600)",
            "import asyncio\nopen(pipe, 'w').close()\nawait asyncio.sleep(3600)",
        ],
    )
    def test_end_the_cell_and_put_all_back(self, kernel: LiveKernel, fifo: Path, waits: str) -> None:
        kernel.ok("context, answer, x = 'my context', 'my answer', 0")
        block = f"print('begun')\nx = 1\ncontext = 'lost'\npipe = {str(fifo)!r}\n{waits}"
        begin = f"environment = JupyterREPL('the text', {SHARED})\nwith environment.running(Echo()):\n"
        cell = f"{begin}    environment.execute_code({block!r})"
        message = kernel.send(cell)
        with fifo.open() as pipe:
            pipe.read()
        kernel.interrupt()
        executed = kernel.finish(message)
        assert executed.status == "error"
        assert "CellInterrupted" in executed.error
        assert "begun" not in executed.stdout
        assert kernel.value("[context, answer, x]") == ["my context", "my answer", 1]
        kernel.ok("import sys; _error = sys.last_value.result")
        assert kernel.value("[_error.stdout, _error.error.name]") == ["begun\n", "KeyboardInterrupt"]
        assert kernel.ok("print('the next cell works')").stdout == "the next cell works\n"

    def test_end_a_shell_command_and_are_heard_although_ipython_keeps_them(
        self, kernel: LiveKernel, fifo: Path
    ) -> None:
        kernel.ok(
            "from rlm_jupyter.core.interrupts import interruptible\n"
            "from rlm_jupyter.core.scope import Scope\nscope = Scope()"
        )
        block = f"!echo > {fifo}; sleep 3600"
        message = kernel.send(f"with interruptible(scope):\n    _r = run_blocks(JupyterREPL(), {block!r})")
        with fifo.open() as pipe:
            pipe.read()
        kernel.interrupt()
        assert kernel.finish(message).status == "ok"
        assert kernel.value("scope.cancelled")
