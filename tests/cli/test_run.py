"""``jupyter rlm run``: a question is answered with no notebook."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest
from scripted_server import ChatRequest, Reply, ScriptedServer
from scripts import code, is_root, step
from terminal import Terminal

from rlm_jupyter.cli.contexts import ContextError, context_of
from rlm_jupyter.trace.files.opened import read_traces

KEY = "sk-test-0123456789abcdef"

ANSWERS = code("found = llm_query(f'Say it: {context}')", "FINAL(found)")


def script(request: ChatRequest) -> Reply | str:
    """Answer as the question wants it; what is asked below the root is said back."""
    if not is_root(request):
        return request.prompt.upper()
    question = str(request.messages[1]["content"])
    if "shop" in question:
        return code("import shop_prices", "FINAL(shop_prices.price(context))")
    if "obeys" in question:
        return code(r"FINAL('\x1b]0;owned\x07half \ud83d')")
    if "fails" in question and step(request):
        return Reply(status=400, body=b'{"error": {"message": "No more."}}')
    if "fails" in question:
        return code("answer['content'] = 'half of it'", "print(len(context))")
    return ANSWERS


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer(script) as running:
        yield running


@pytest.fixture
def terminal(tmp_path: Path, server: ScriptedServer) -> Terminal:
    terminal = Terminal(tmp_path)
    terminal.environment |= {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": server.base_url}
    (terminal.folder / "note.txt").write_text("a walrus")
    (terminal.config / "jupyter_rlm_config.py").write_text("c.RunApp.model = 'from-the-file'\nc.RunApp.max_depth = 1\n")
    return terminal


def test_the_answer_goes_to_stdout_the_steps_to_stderr_and_the_trace_to_a_file(
    terminal: Terminal, server: ScriptedServer
) -> None:
    done = terminal.run("run", "What is in the note?", "--context", "note.txt", "--sub-model=small")
    assert (done.returncode, done.stdout) == (0, "SAY IT: A WALRUS\n"), done.stderr
    assert "Iteration 1" in done.stderr
    assert "\x1b" not in done.stderr
    (path,) = terminal.folder.glob("what-is-in-the-note-*.rlm.jsonl")
    (trace,) = read_traces(path)
    assert (trace.answer, trace.status, trace.run.model) == ("SAY IT: A WALRUS", "ok", "from-the-file")
    assert path.name in done.stderr
    assert KEY not in path.read_text() + done.stderr
    assert [request.model for request in server.requests[-2:]] == ["from-the-file", "small"]
    again = terminal.run("run", "What is it?", f"--trace={path.name}")
    assert (again.returncode, "is not written over" in again.stderr) == (2, True)


def test_quiet_without_a_trace_says_nothing_but_the_answer(terminal: Terminal) -> None:
    arguments = ("run", "What?", "--context=-", "--model=m", "--quiet", "--no-trace")
    done = terminal.run(*arguments, stdin="piped")
    assert (done.returncode, done.stdout, done.stderr) == (0, "SAY IT: PIPED\n", "")
    assert [path.name for path in terminal.folder.iterdir()] == ["note.txt"]


def test_a_run_that_failed_keeps_what_there_is_and_says_how_it_goes_on(
    terminal: Terminal, server: ScriptedServer
) -> None:
    shutil.copy(terminal.folder / "note.txt", terminal.folder / "a note.txt")
    both = ("--model=m", "--context", "note.txt", "a note.txt")
    done = terminal.run("run", f"This fails.{'!' * 500}", *both, "--trace=kept it.jsonl")
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    assert "half of it" in done.stderr
    told = done.stderr.partition("jupyter rlm ")[2].splitlines()[0]
    assert told == "run '--resume=kept it.jsonl' --context=note.txt '--context=a note.txt' --model=m"
    (trace,) = read_traces(terminal.folder / "kept it.jsonl")
    assert (trace.status, trace.answer) == ("error", "half of it")
    asked = len(server.requests)
    (terminal.config / "jupyter_rlm_config.py").unlink()  # it names a model, and the trace another one
    resumed = terminal.run(*shlex.split(told.replace(" --model=m", "")))
    assert resumed.returncode == 1, resumed.stderr
    assert len(server.requests) == asked + 1  # the reply that was paid for is not asked for again
    assert server.requests[-1].model == "m"
    assert list(terminal.folder.glob("this-fails-*.rlm.jsonl"))
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        del terminal.environment[name]
    assert "key" in terminal.says(2, "run", "--resume=kept it.jsonl", "--context", "note.txt", "a note.txt")


def test_a_terminal_gets_nothing_that_it_would_obey_and_a_pipe_all_that_has_bytes(terminal: Terminal) -> None:
    arguments = ("run", "It obeys.", "--no-trace", "--progress=text")
    done = terminal.run(*arguments)
    assert (done.returncode, done.stdout) == (0, "\x1b]0;owned\x07half \\ud83d\n"), done.stderr
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "rlm_jupyter.cli", *arguments]
    process = subprocess.Popen(command, env=terminal.environment, cwd=terminal.folder, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = bytearray()
    with contextlib.suppress(OSError):  # which is how a terminal ends
        while piece := os.read(ours, 65_536):
            shown += piece
    os.close(ours)
    assert process.wait(60) == 0
    assert b"half" in shown
    assert b"\x1b" not in shown
    assert b"\x07" not in shown


def test_an_interrupt_ends_it(terminal: Terminal) -> None:
    def waits(request: ChatRequest) -> Reply | str:
        return Reply("never", delay=60)

    with ScriptedServer(waits) as server:
        environment = {**terminal.environment, "OPENAI_BASE_URL": server.base_url}
        arguments = [sys.executable, "-m", "rlm_jupyter.cli", "run", "What?", "--trace=cut.jsonl"]
        process = subprocess.Popen(
            arguments, env=environment, cwd=terminal.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        server.wait_for(1, 60)
        os.kill(process.pid, signal.SIGINT)
        told, errors = process.communicate(timeout=60)
        assert (process.returncode, told) == (130, ""), errors
        assert "Traceback" not in errors
        assert "--resume=cut.jsonl" in errors
        server.wait_idle()
    (trace,) = read_traces(terminal.folder / "cut.jsonl")
    assert trace.status == "interrupted"


def test_what_cannot_begin_says_what_to_do(terminal: Terminal) -> None:
    for arguments, said in (
        ((), "Which question?"),
        (("What?", "--context=nowhere"), "The context nowhere cannot be read"),
        (("What", "is", "it?"), "One question is wanted, in quotes"),
        (("--backend=nobody", "What?"), "There is no backend 'nobody'"),
        (("--max-iterations=0", "What?"), "max_iterations"),
        (("--resume=nowhere.jsonl",), "nowhere.jsonl cannot be opened"),
        (("What?", "--contxt=note.txt"), "There is no option --contxt.\nSee: jupyter rlm run --help"),
        (("What?", "--resume=kept.jsonl"), "leave 'What?' out"),
    ):
        assert said in terminal.says(2, "run", *arguments)
    assert not list(terminal.folder.glob("*.jsonl"))


def test_a_context_is_a_text_a_folder_or_several(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    (folder / ".git").mkdir()
    texts = {"a.txt": "über".encode(), "sub/b.json": json.dumps([1]).encode(), "c.bin": b"\0\1", ".git/config": b"x"}
    for name, content in texts.items():
        (folder / name).write_bytes(content)
    assert context_of([str(folder / "a.txt")]) == "über"
    assert context_of([str(folder / "c.bin")]) == b"\0\1"
    assert context_of([str(folder)]) == {"a.txt": "über", "sub/b.json": "[1]"}
    assert "1 file, which is no text" in capsys.readouterr().err
    both = [str(folder / "a.txt"), str(folder / "sub")]
    assert context_of(both) == {both[0]: "über", both[1]: {"b.json": "[1]"}}
    for paths, said in (([both[0], both[0]], "twice"), ([str(tmp_path / "no")], "cannot be read")):
        with pytest.raises(ContextError, match=said):
            context_of(paths)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ContextError, match="no text in the folder"):
        context_of([str(tmp_path / "empty")])


def test_code_finds_modules_of_the_working_folder_and_the_trace_holds_what_its_limit_allows(terminal: Terminal) -> None:
    terminal.command = [str(Path(sysconfig.get_path("scripts"), "jupyter-rlm"))]
    module = terminal.folder / "shop_prices.py"
    module.write_text("def price(text):\n    return 1234\n")
    (terminal.folder / "long.txt").write_text("a walrus\n" * 5_000)
    asked = ("run", "What is the price in the shop?", "--context=long.txt")
    assert "1234" in terminal.says(0, *asked, "--trace=whole.jsonl")
    assert "1234" in terminal.says(0, *asked, "--trace=less.jsonl", "--record-limit=0")
    assert "same as recorded" in terminal.says(0, "trace", "replay", "whole.jsonl")
    assert "record_limit" in terminal.says(2, "trace", "replay", "less.jsonl")
    module.write_text("def price(text):\n    return 56789\n")
    assert "56789" in terminal.says(1, "trace", "replay", "whole.jsonl")
