"""``ipython`` in this process: IPython's cells in a private shell, which disturbs nothing and leaves nothing behind."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from live_kernel import LiveKernel
from model_code import arun_blocks, run_blocks

from rlm_jupyter.core.errors import ConfigurationError
from rlm_jupyter.core.results import REPLResult
from rlm_jupyter.environments import IPythonREPL
from rlm_jupyter.environments.private_ipython import PrivateIPythonREPL


@pytest.fixture
def private() -> Iterator[PrivateIPythonREPL]:
    repl = PrivateIPythonREPL()
    yield repl
    repl.cleanup()


def shown(result: REPLResult) -> list[dict[str, Any]]:
    """Return what the cell displayed, by MIME type."""
    assert result.error is None, result.error
    return [each["data"] for each in result.outputs if "data" in each]


def test_the_mode_chooses_the_class() -> None:
    with IPythonREPL() as repl:
        assert isinstance(repl, PrivateIPythonREPL)
        assert repl.kernel_mode == "in_process"
    with pytest.raises(ConfigurationError, match="'in_process', 'subprocess'"):
        IPythonREPL(kernel_mode="nonsense")
    with pytest.raises(ConfigurationError, match=r"kernel_name: only kernel_mode='subprocess' uses this"):
        IPythonREPL(kernel_name="python3")


def test_magics_and_shell_escapes(private: PrivateIPythonREPL) -> None:
    magic, escape, captured, script, unknown = run_blocks(
        private, "%time 1 + 1", "!echo from the shell", "lines = !echo a\nlines[0]", "%%bash\necho bash", "%nope"
    )
    assert "Wall time" in magic.stdout
    assert shown(magic)[-1]["text/plain"] == "2"
    assert escape.stdout.strip() == "from the shell"
    assert shown(captured)[-1]["text/plain"] == "'a'"
    assert script.stdout == "bash\n"
    assert unknown.error is not None
    assert unknown.error.name == "UsageError"


def test_top_level_await(private: PrivateIPythonREPL) -> None:
    (result,) = run_blocks(private, "import asyncio\nawait asyncio.sleep(0, 'waited')")
    assert shown(result)[-1]["text/plain"] == "'waited'"
    (result,) = asyncio.run(arun_blocks(private, "await asyncio.sleep(0, 'again')"))
    assert shown(result)[-1]["text/plain"] == "'again'"


def test_displays_reach_the_cell_with_no_other_shell_there(private: PrivateIPythonREPL) -> None:
    code = (
        "from IPython.display import HTML, display as show, clear_output\nprint('gone')\nclear_output()\n"
        "display({'a': 1})\nhandle = show(HTML('<b>x</b>'), display_id=True)\nhandle.update(HTML('<i>y</i>'))\n[1]"
    )
    (result,) = run_blocks(private, code)
    assert [next(reversed(each.values())) for each in shown(result)] == ["{'a': 1}", "<i>y</i>", "[1]"]
    assert result.stdout == ""


def test_help_is_shown_in_the_cell(private: PrivateIPythonREPL) -> None:
    (result,) = run_blocks(private, "len?")
    assert "Return the number of items in a container" in result.stdout
    assert "\x1b[" not in result.stdout


def test_inputs_and_outputs_are_kept(private: PrivateIPythonREPL) -> None:
    *_, outputs, before, inputs, history = run_blocks(
        private, "6 * 7", "'quiet';", "_ + 1", "Out[3], _1, __", "_i", "In[1], In[-1]", "%history -n 1-3"
    )
    assert shown(outputs)[-1]["text/plain"] == "(43, 42, 42)"
    assert shown(before)[-1]["text/plain"] == "'Out[3], _1, __'"
    assert shown(inputs)[-1]["text/plain"] == "('6 * 7', 'In[1], In[-1]')"
    assert history.stdout == "   1: 6 * 7\n   2: 'quiet';\n   3: _ + 1\n"


def test_a_reset_takes_the_variables_and_not_the_scaffold(private: PrivateIPythonREPL) -> None:
    private.load_context("the text")
    reset, after = run_blocks(private, "x = 1\n%reset -f", "print(context, 'x' in globals())\n%who")
    assert len(reset.notes) == 1
    assert after.stdout.startswith("the text False\n")
    assert after.error is None


def test_the_shell_that_code_finds_is_the_private_one(private: PrivateIPythonREPL) -> None:
    code = (
        "import IPython\nfrom concurrent.futures import ThreadPoolExecutor\nfrom threading import Thread\nfound = []\n"
        "t = Thread(target=lambda: found.append(IPython.get_ipython()))\nt.start()\nt.join()\n"
        "[each is get_ipython() for each in (IPython.get_ipython(), *found)]"
    )
    (result,) = run_blocks(private, code)
    assert shown(result)[-1]["text/plain"] == "[True, True]"
    from IPython.core.getipython import get_ipython

    assert get_ipython() is None


def test_a_cell_that_runs_a_cell(private: PrivateIPythonREPL) -> None:
    (result,) = run_blocks(private, "r = get_ipython().run_cell('1 + 1')\nprint(r.result)")
    assert result.stdout == "2\n"
    assert shown(result)[-1]["text/plain"] == "2"


def test_the_process_goes_on(private: PrivateIPythonREPL) -> None:
    asked, ended = run_blocks(private, "get_ipython().ask_exit()", "%exit_please\nexit()")
    assert asked.error is None
    assert ended.error is not None


def test_only_the_models_own_variables_are_listed(private: PrivateIPythonREPL) -> None:
    (result,) = run_blocks(private, "import math\nnumbers = [1, 2]\n_private = 1\nSHOW_VARS()")
    assert shown(result)[-1]["text/plain"] == "{'numbers': 'list, 2 items'}"


def test_two_shells_know_nothing_of_each_other() -> None:
    with IPythonREPL() as one, IPythonREPL() as other:
        one.execute_code("%alias hello echo hello\nx = 1\n_")
        assert "NameError" in other.execute_code("x").stderr
        assert "not found" in other.execute_code("%hello").stderr
        assert one.execute_code("get_ipython().execution_count").outputs[-1]["data"]["text/plain"] == "3"


def test_construction_that_fails_leaves_no_folder(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(ValueError, match="The setup_code failed"):
        IPythonREPL(setup_code="%nope")
    with pytest.raises(ValueError, match="reserved"):
        IPythonREPL(custom_tools={"FINAL": 1})
    assert list(tmp_path.iterdir()) == []


_LEAKS = """
import builtins, gc, os, sys, tempfile, threading, warnings
warnings.simplefilter("error")
from rlm_jupyter.environments import IPythonREPL

def use(number):
    with IPythonREPL(cell_timeout=60) as repl:
        assert repl.execute_code("%%bash\\necho bash").stdout == "bash\\n"
        waits = "import asyncio\\nawait asyncio.sleep(0)"
        for code in ("import json", "display(1)", "!true", "%time 1", waits, "1 + 1"):
            result = repl.execute_code(code)
            assert result.error is None, result.error
        assert repl.temp_dir

def state():
    gc.collect()
    from IPython.core.interactiveshell import InteractiveShell
    return {
        "main": sys.modules["__main__"],
        "modules": set(sys.modules),
        "shells": [each for each in gc.get_objects() if type(each).__name__ == "PrivateShell"],  # atexit would hold it
        "hooks": (sys.displayhook, sys.excepthook, sys.stdout, sys.stderr, sys.stdin, threading.Thread.start),
        "prompts": [name for name in ("ps1", "ps2", "ps3") if hasattr(sys, name)],
        "path": list(sys.path),
        "builtins": dict(vars(builtins)),
        "singleton": (InteractiveShell._instance, "instance" in vars(InteractiveShell)),
        "threads": threading.enumerate(),
        "files": len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0,
        "folders": os.listdir(tempfile.gettempdir()),
        "home": os.listdir(os.environ["HOME"]),
    }

use(0)
before = state()
for number in range(3):
    use(number)
thread = threading.Thread(target=use, args=[4])
thread.start()
thread.join()
after = state()
for name in before:
    assert before[name] == after[name], (name, before[name], after[name])
assert before["threads"] == [threading.main_thread()]
assert before["prompts"] == before["shells"] == before["home"] == before["folders"] == []
print("nothing left")
"""


def test_nothing_is_left_after_cleanup(tmp_path: Any) -> None:
    """In a process of its own, because pytest's has shells, threads and hooks of its own."""
    home, scratch = tmp_path / "home", tmp_path / "scratch"
    home.mkdir()
    scratch.mkdir()
    environment = {"HOME": str(home), "TMPDIR": str(scratch), "PYTHONPATH": ":".join(sys.path), "PATH": "/usr/bin:/bin"}
    ran = subprocess.run(
        [sys.executable, "-c", _LEAKS],
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (ran.stdout, ran.stderr) == ("nothing left\n", "")


_IN_A_KERNEL = """
from rlm_jupyter.environments import IPythonREPL
repl = IPythonREPL(cell_timeout=60)
shell = get_ipython()
def texts(result):
    return [each["data"]["text/plain"] for each in result.outputs if "data" in each]
"""


@pytest.fixture
def kernel(bare_kernel: LiveKernel) -> LiveKernel:
    """A notebook's kernel in which a private shell lives."""
    bare_kernel.ok(_IN_A_KERNEL)
    return bare_kernel


def test_a_live_kernels_shell_is_not_disturbed(kernel: LiveKernel) -> None:
    kernel.ok("mine = 'the user\\'s'\n41 + 1")
    told = kernel.ok(
        "count = shell.execution_count\n"
        "first = repl.execute_code('display(1)\\nmine = 3\\n%time 4\\nget_ipython().execution_count')\n"
        "second = repl.execute_code('_')\n"
        "import IPython\n"
        "print(texts(first), texts(second), IPython.get_ipython() is shell, get_ipython() is shell, mine)\n"
        "print(shell.execution_count == count, _)"
    )
    assert told.stdout == "['1', '2'] ['2'] True True the user's\nTrue 42\n"
    assert told.types.count("display_data") == 0
    assert told.types.count("execute_result") == 0
    after = kernel.ok("display('shown')\n'value'")
    assert after.text.splitlines()[1:] == ["'shown'", "'value'"]


def test_the_kernels_shell_is_its_own_again_after_cleanup(kernel: LiveKernel) -> None:
    kernel.ok("repl.execute_code('%%bash\\necho hi')\nrepl.cleanup()")
    told = kernel.ok(
        "import builtins\nfrom IPython.core.interactiveshell import InteractiveShell\n"
        "print(InteractiveShell.instance() is shell, 'instance' in vars(InteractiveShell), "
        "builtins.get_ipython() is shell, shell.user_ns is globals())\n%who_ls InteractiveShell\n"
    )
    assert told.stdout == "True False True True\n"


def test_a_private_shell_works_in_a_thread_beside_the_users_cells(kernel: LiveKernel) -> None:
    kernel.ok(
        "import threading\nresults = []\n"
        "def work():\n    for i in range(30): results.append(texts(repl.execute_code(f'display({i})\\n%time {i}')))\n"
        "thread = threading.Thread(target=work)\nthread.start()"
    )
    for number in range(5):
        own = kernel.ok(f"display({number})\nget_ipython() is shell")
        assert own.text.splitlines()[1:] == [str(number), "True"]
    kernel.ok("thread.join(30)")
    assert kernel.value("results") == [[str(number), str(number)] for number in range(30)]


def test_figures_are_shown(kernel: LiveKernel) -> None:
    drawn = "%matplotlib inline\\nimport matplotlib.pyplot as plt\\nplt.plot([1, 2])\\nNone"
    told = kernel.ok(f"r = repl.execute_code('{drawn}')\nprint(['image/png' in o['data'] for o in r.outputs], r.error)")
    assert told.stdout == "[True] None\n"


def test_a_thread_of_a_cell_is_counted_among_nothing_else(private: PrivateIPythonREPL) -> None:
    before = threading.active_count()
    run_blocks(private, "print(1)", "%time 1")
    assert threading.active_count() == before
