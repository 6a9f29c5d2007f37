"""The process behind ``ipython`` in subprocess mode: it is interrupted, killed, outlived, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from model_code import Echo, run_blocks

from rlm_jupyter.core.errors import ConfigurationError
from rlm_jupyter.core.results import REPLResult
from rlm_jupyter.environments.cells.interrupted import CellInterrupted
from rlm_jupyter.environments.subprocess import SubprocessREPL
from rlm_jupyter.environments.subprocess.failures import KernelStartError

LOST = "The kernel is gone and the variables with it. The next block gets a new one, with contexts and tools."
NEW = "A new kernel was started: contexts, histories and tools are there again, variables are not."


@pytest.fixture
def repl() -> Iterator[SubprocessREPL]:
    repl = SubprocessREPL("the text", custom_tools={"double": lambda x: 2 * x})
    yield repl
    repl.cleanup()


def shown(result: REPLResult) -> str:
    assert result.error is None, result.error
    return str(result.outputs[-1]["data"]["text/plain"])


def process_of(repl: SubprocessREPL) -> psutil.Process:
    return psutil.Process(int(shown(repl.execute_code("import os\nos.getpid()"))))


def folder_of(repl: SubprocessREPL) -> Path:
    return Path(repl.execute_code("import os\nprint(os.getcwd(), end='')").stdout).parent


def eventually(condition: Callable[[], bool], what: str) -> None:
    """Wait until it is so; generous, for it only tells an end from none."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, what
        threading.Event().wait(0.02)


class Signalling(Echo):
    """Does something when the code asks for it: by then it is running."""

    def __init__(self, act: Callable[[], object]) -> None:
        self._act = act

    def llm_query(self, prompt: str, model: str | None = None) -> str:
        self._act()
        return "done"


def test_a_cell_may_take_so_long_and_its_variables_stay() -> None:
    with SubprocessREPL(cell_timeout=0.5) as repl:
        result = repl.execute_code("x = 1\nprint('begun')\nimport time\ntime.sleep(60)")
        after = repl.execute_code("x")
    assert result.error is not None
    assert result.error.name == "TimeoutError"
    assert (
        "TimeoutError: The cell took longer than the 0.5 s that it may take (cell_timeout) and was stopped."
        in result.stderr
    )
    assert "time.sleep(60)" in result.stderr
    assert result.stdout == "begun\n"
    assert shown(after) == "1"


def test_a_cell_that_awaits_may_take_so_long() -> None:
    with SubprocessREPL(cell_timeout=0.5) as repl:
        result = repl.execute_code("x = 1\nimport asyncio\nawait asyncio.sleep(60)")
        after = repl.execute_code("x")
    assert result.error is not None
    assert result.error.name == "TimeoutError"
    assert shown(after) == "1"


def test_a_cell_that_does_not_stop_is_killed_and_the_next_has_a_new_kernel() -> None:
    code = "import time\nx = 1\nwhile True:\n    try:\n        time.sleep(60)\n    except KeyboardInterrupt: pass"
    with SubprocessREPL("the text", cell_timeout=0.5, custom_tools={"double": lambda x: 2 * x}) as repl:
        result = repl.execute_code(code)
        after = repl.execute_code("context, double(2), 'x' in globals()")
    assert result.error is not None
    assert result.error.name == "TimeoutError"
    assert "it did not stop by itself, and the kernel was killed" in result.stderr
    assert result.notes == [LOST]
    assert result.locals == {}
    assert shown(after) == "('the text', 4, False)"
    assert after.notes == [NEW]


def test_a_kernel_that_is_killed_amid_a_cell(repl: SubprocessREPL) -> None:
    repl.add_history([{"role": "user", "content": "Hi"}])
    process = process_of(repl)
    with repl.running(Signalling(lambda: process.is_running() and process.kill())):
        repl.execute_code("answer['content'] = 'so far'")
        result = repl.execute_code("print('begun', flush=True)\nllm_query('now')\nprint('not reached')")
        assert repl.answer_so_far() == "so far"
        after = repl.execute_code(
            "context, double(2), history[0]['content'], answer['content'], llm_query_batched(['a'])"
        )
    assert result.error is not None
    assert result.error.name == "DeadKernelError"
    assert "DeadKernelError: The kernel died: its process ended." in result.stderr
    assert result.notes == [LOST]
    assert shown(after) == "('the text', 4, 'Hi', 'so far', ['done'])"
    assert after.notes == [NEW]
    assert repl.execute_code("1").notes == []


def test_a_kernel_that_ends_itself_between_cells_is_noticed(repl: SubprocessREPL) -> None:
    process = process_of(repl)
    repl.execute_code("import os, threading\nthreading.Timer(0.1, lambda: os._exit(3)).start()")
    eventually(lambda: not repl._kernel.alive, "the end of the kernel was not noticed")
    assert not process.is_running()
    assert shown(repl.execute_code("context")) == "'the text'"


def test_ctrl_c_interrupts_the_cell_and_keeps_its_variables(repl: SubprocessREPL) -> None:
    def press() -> None:
        os.kill(os.getpid(), signal.SIGINT)

    with repl.running(Signalling(press)):
        with pytest.raises(CellInterrupted) as caught:
            repl.execute_code("x = 1\nllm_query('now')\nimport time\ntime.sleep(60)")
        assert shown(repl.execute_code("x")) == "1"
    result = caught.value.result
    assert result.error is not None
    assert result.error.name == "KeyboardInterrupt"


def test_a_cancellation_interrupts_the_cell(repl: SubprocessREPL) -> None:
    async def main() -> REPLResult:
        task = asyncio.current_task()
        loop = asyncio.get_running_loop()
        assert task is not None
        with repl.running(Signalling(lambda: loop.call_soon_threadsafe(task.cancel))):
            try:
                await repl.aexecute_code("x = 1\nllm_query('now')\nimport time\ntime.sleep(60)")
            except CellInterrupted as interrupted:
                return interrupted.result
            finally:
                getattr(task, "uncancel", lambda: None)()
        raise AssertionError

    result = asyncio.run(main())
    assert result.error is not None
    assert result.error.name == "KeyboardInterrupt"
    assert shown(repl.execute_code("x")) == "1"


def test_cleanup_ends_the_kernel_its_programs_and_its_folder() -> None:
    repl = SubprocessREPL()
    kernel, folder = process_of(repl), folder_of(repl)
    repl.execute_code("import subprocess\nsleeper = subprocess.Popen(['sleep', '600'])\nopen('file', 'w').close()")
    (sleeper,) = kernel.children()
    assert (folder / "work" / "file").exists()
    repl.cleanup()
    repl.cleanup()
    assert not kernel.is_running()
    eventually(lambda: not sleeper.is_running() or sleeper.status() == psutil.STATUS_ZOMBIE, "a program goes on")
    assert not folder.exists()
    with pytest.raises(RuntimeError, match=r"cleaned up\. Make a new one"):
        repl.execute_code("1")


def test_cleanup_ends_a_cell_that_runs(repl: SubprocessREPL) -> None:
    results: list[REPLResult] = []
    with repl.running(Signalling(repl.cleanup)):
        thread = threading.Thread(target=lambda: results.append(repl.execute_code("llm_query('now')")))
        thread.start()
        thread.join(60)
    assert results[0].error is not None
    assert results[0].error.name == "DeadKernelError"


def test_a_repl_that_is_forgotten_ends_its_kernel() -> None:
    repl = SubprocessREPL()
    kernel, folder = process_of(repl), folder_of(repl)
    del repl
    eventually(lambda: not kernel.is_running() and not folder.exists(), "the kernel goes on")


FAILURES = {
    "setup code": ({"setup_code": "1 / 0"}, ConfigurationError),
    "a tool": ({"custom_tools": {"lock": threading.Lock()}}, ConfigurationError),
    "a context": ({"context_payload": threading.Lock()}, ConfigurationError),
    "no time to start": ({"startup_timeout": 0.01}, KernelStartError),
    "no such kernel": ({"kernel_name": "nosuch"}, ConfigurationError),
}


@pytest.mark.parametrize(("arguments", "raised"), FAILURES.values(), ids=FAILURES.keys())
def test_a_construction_that_fails_leaves_nothing_behind(
    arguments: dict[str, object], raised: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    threads = threading.active_count()
    with pytest.raises(raised):
        SubprocessREPL(**arguments)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
    assert threading.active_count() == threads
    assert psutil.Process().children() == []


@pytest.fixture
def kernelspecs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where kernelspecs are looked for first."""
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    return tmp_path / "kernels"


def install(kernelspecs: Path, name: str, *argv: str, env: dict[str, str] | None = None) -> None:
    (kernelspecs / name).mkdir(parents=True)
    spec = {"argv": list(argv), "display_name": name, "language": "python", "env": env or {}}
    (kernelspecs / name / "kernel.json").write_text(json.dumps(spec))


def test_a_kernelspec_is_chosen_by_name(kernelspecs: Path) -> None:
    launcher = ("-m", "ipykernel_launcher", "-f", "{connection_file}")
    install(kernelspecs, "mine", sys.executable, *launcher, env={"MINE": "yes"})
    with SubprocessREPL({"a": 1}, kernel_name="mine", subcall_fn=lambda prompt, model: f"<{prompt}>") as repl:
        result = repl.execute_code("import os\nos.environ['MINE'], context, rlm_query('a')")
    assert shown(result) == "('yes', {'a': 1}, '<a>')"


def test_a_kernel_that_interrupts_by_message(kernelspecs: Path) -> None:
    (kernelspecs / "polite").mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": argv, "display_name": "polite", "language": "python", "interrupt_mode": "message"}
    (kernelspecs / "polite" / "kernel.json").write_text(json.dumps(spec))
    with SubprocessREPL(kernel_name="polite", cell_timeout=0.5) as repl:
        result = repl.execute_code("x = 1\nimport time\ntime.sleep(60)")
        assert result.error is not None
        assert result.error.name == "TimeoutError"
        assert shown(repl.execute_code("x")) == "1"


def test_a_kernel_that_cannot_start_says_why(kernelspecs: Path) -> None:
    install(kernelspecs, "broken", sys.executable, "-c", "raise SystemExit('no such thing here')")
    with pytest.raises(KernelStartError, match=r"died while it was starting. It said:\n(.*\n)*no such thing here"):
        SubprocessREPL(kernel_name="broken")
    install(kernelspecs, "absent", "/no/such/program", "{connection_file}")
    with pytest.raises(KernelStartError, match="could not be started"):
        SubprocessREPL(kernel_name="absent")
    install(kernelspecs, "deaf", sys.executable, "-c", "import time; print('waiting', flush=True); time.sleep(600)")
    with pytest.raises(KernelStartError, match=r"not ready within startup_timeout=1 s. It said:\nwaiting"):
        SubprocessREPL(kernel_name="deaf", startup_timeout=1)


def test_nothing_grows_over_twenty_kernels() -> None:
    def cycle() -> None:
        with SubprocessREPL("x") as repl:
            assert run_blocks(repl, "print(llm_query(context))")[0].stdout == "echo: x\n"

    cycle()
    process = psutil.Process()
    threads, before = threading.active_count(), process.num_fds()
    for _ in range(20):
        cycle()
    eventually(lambda: threading.active_count() <= threads, "threads go on")
    assert process.num_fds() <= before
    assert process.children() == []


HOST = """
import sys
from rlm_jupyter.environments.subprocess import SubprocessREPL
repl = SubprocessREPL()
code = "import os, subprocess; s = subprocess.Popen(['sleep', '600']); print(os.getpid(), s.pid, os.getcwd())"
print(repl.execute_code(code).stdout, end="", flush=True)
repl.execute_code({code!r})
print("survived", flush=True)
"""


def start_host(code: str) -> tuple[subprocess.Popen[str], psutil.Process, psutil.Process, Path]:
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": root}
    source = HOST.format(code=code)
    host = subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE, text=True, env=environment)
    assert host.stdout is not None
    kernel, sleeper, folder = host.stdout.readline().split()
    return host, psutil.Process(int(kernel)), psutil.Process(int(sleeper)), Path(folder).parent


@pytest.mark.parametrize("code", ["import time\ntime.sleep(600)", "while True: pass"], ids=["asleep", "busy"])
def test_a_host_that_is_killed_leaves_nothing_behind(code: str) -> None:
    host, kernel, sleeper, folder = start_host(code)
    host.kill()
    host.communicate()
    eventually(lambda: not kernel.is_running() or kernel.status() == psutil.STATUS_ZOMBIE, "the kernel goes on")
    eventually(lambda: not sleeper.is_running() or sleeper.status() == psutil.STATUS_ZOMBIE, "its program goes on")
    eventually(lambda: not folder.exists(), "its folder is left")


def test_a_host_that_just_ends_leaves_nothing_behind() -> None:
    host, kernel, _, folder = start_host("1")
    assert host.communicate(timeout=60)[0] == "survived\n"
    assert host.returncode == 0
    with contextlib.suppress(psutil.NoSuchProcess):
        kernel.wait(10)
    assert not folder.exists()
