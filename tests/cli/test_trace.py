"""``jupyter rlm trace``: recorded runs from a terminal."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from jupyter_core.application import NoStart
from recorded_runs import record, recorded
from terminal import Terminal
from traitlets.config import Application

from rlm_jupyter.cli.app import RLMApp
from rlm_jupyter.trace.artifacts.formats import FORMATS
from rlm_jupyter.trace.trace import Trace


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a log of one run, one of two, a trace notebook, and a log that is damaged."""
    folder = tmp_path_factory.mktemp("traces")
    one = Trace(recorded("Where does the walrus live?"))
    (folder / "one.jsonl").write_text(one.to_jsonl())
    (folder / "two.jsonl").write_text(record("First?").to_jsonl() + record("Second?\x1b[2J", "7").to_jsonl())
    (folder / "one.trace.ipynb").write_text(json.dumps(one.to_notebook()))
    (folder / "damaged.jsonl").write_text(one.to_jsonl()[:-200])
    return folder


@pytest.fixture
def here(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder, in which this process is, with nobody's configuration."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [*sys.path])  # a command that runs code appends the folder
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("JUPYTER_NO_CONFIG", "1")
    return folder


def says(code: int, *arguments: str) -> str:
    """What the command says that exits with this code: in this process, since a new one takes its time."""
    told, exited = io.StringIO(), 0
    with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
        try:
            app = RLMApp()
            app.initialize(["trace", *arguments])
            with contextlib.suppress(NoStart):
                app.start()
        except SystemExit as ended:
            exited = ended.code if isinstance(ended.code, int) else 0 if ended.code is None else 1
        finally:
            while Application.initialized():
                type(Application.instance()).clear_instance()
    assert exited == code, told.getvalue()
    return told.getvalue()


def test_a_run_is_shown_as_text(here: Path) -> None:
    told = says(0, "show", "one.jsonl")
    assert told.startswith("# Where does the walrus live?")
    assert "## Iteration 1" in told
    assert ">>> " in told
    assert "The walrus lives in the bath." in told
    assert says(0, "show", "one.trace.ipynb") == told


def test_of_several_runs_one_is_named(here: Path) -> None:
    listed = says(0, "show", "two.jsonl")
    assert ["First?" in line or "Second?" in line for line in listed.splitlines()] == [True, True]
    assert "\x1b" not in listed + says(0, "show", "two.jsonl", "--run=2")
    run_id = listed.splitlines()[1].split()[1]
    assert says(0, "show", "two.jsonl", f"--run={run_id}").startswith("# Second?")
    assert "holds 2 runs. Name one with --run" in says(1, "export", "two.jsonl", "--format=markdown")
    assert "has no run '3'" in says(1, "show", "two.jsonl", "--run", "3")


def test_every_format_is_exported_and_nothing_is_written_over(here: Path) -> None:
    for name, form in FORMATS.items():
        path = Path(says(0, "export", "one.jsonl", f"--format={name}", f"--out=out{form.extension}").splitlines()[-1])
        assert path.read_text(encoding="utf-8")
    Path("out.md").write_text("mine")
    assert "is there already; --force" in says(1, "export", "one.jsonl", "--out=out.md")
    assert Path("out.md").read_text() == "mine"
    says(0, "export", "one.jsonl", "--out=out.md", "--force")
    assert "walrus" in Path("out.md").read_text()
    assert "one.jsonl is there already" in says(1, "export", "one.trace.ipynb", "--format=jsonl")
    Path("two.jsonl").chmod(0o600)
    assert says(0, "export", "two.jsonl", "--run=1", "--format=html") == "two.html\n"
    assert Path("two.html").stat().st_mode & 0o777 == 0o600


def test_an_export_goes_to_the_terminal_too(here: Path) -> None:
    told = says(0, "export", "one.jsonl", "--format=jsonl", "--out=-")
    assert told == Path("one.jsonl").read_text()
    assert "There is no format" in says(2, "export", "one.jsonl", "--format=pdf")
    assert "Which format?" in says(2, "export", "one.jsonl")
    assert "has no option" in says(2, "export", "one.jsonl", "--format=html", "--option=wings=true")


def test_two_runs_are_compared(here: Path) -> None:
    assert "did the same" in says(0, "diff", "one.jsonl", "one.trace.ipynb")
    told = says(1, "diff", "two.jsonl", "two.jsonl", "--run=1", "--other-run=2")
    assert "-42" in told
    assert "+7" in told
    assert json.loads(says(1, "diff", "two.jsonl", "one.jsonl", "--run=1", "--other-run=1", "--json"))["same"] is False


def test_files_are_checked(here: Path) -> None:
    assert says(0, "verify", "one.jsonl", "two.jsonl", "one.trace.ipynb").count("sound") == 3
    told = says(2, "verify", "one.jsonl", "damaged.jsonl", "nowhere.jsonl")
    assert "could not be read" in told
    assert "cannot be opened" in told
    assert json.loads(says(1, "verify", "damaged.jsonl", "--json"))["damaged.jsonl"][0]["severity"] == "error"


def test_a_run_is_replayed(here: Path) -> None:
    assert "same as recorded" in says(0, "replay", "one.trace.ipynb")
    assert len(json.loads(says(1, "replay", "two.jsonl", "--json"))["runs"]) == 2
    assert len(json.loads(says(1, "replay", "two.jsonl", "--json", "--run=2"))["runs"]) == 1
    assert "cannot be opened" in says(2, "replay", "nowhere.jsonl")
    assert "cannot be opened" in says(2, "diff", "one.jsonl", "nowhere.jsonl")
    changed = Path("one.jsonl").read_text().replace("walrus lives in the bath", "walrus sits in the bath")
    Path("changed.jsonl").write_text(changed)
    assert json.loads(says(1, "replay", "changed.jsonl", "--json"))["differences"]


def test_bad_input_is_answered_with_what_to_do(here: Path) -> None:
    assert "One file is wanted" in says(2, "show")
    assert "2 files are wanted" in says(2, "diff", "one.jsonl")
    assert "cannot be opened" in says(1, "show", "nowhere.jsonl")
    assert "show|export|replay|diff|verify" in says(2)
    assert "There is no 'shows'" in says(2, "shows")
    assert "There is no 'run'" in says(2, "run", "--help")
    assert "There is no option --modl" in says(2, "show", "--modl=3", "one.jsonl")


def test_each_command_says_what_it_does(here: Path) -> None:
    for name in ("show", "export", "replay", "diff", "verify"):
        told = says(0, name, "--help")
        assert "--run" in told
        assert "Examples" in told
        assert "Exits" in told or name in ("show", "export")
    assert all(name in says(0, "export", "--help") for name in FORMATS)
    assert "--force" in says(0, "export", "--help-all")


def test_the_command_starts_at_once_and_ends_with_its_reader(folder: Path, tmp_path: Path) -> None:
    terminal = Terminal(tmp_path)
    code = (
        "import sys; from rlm_jupyter.cli import app\n"
        "try: app.RLMApp.launch_instance(['--help'])\n"
        "except SystemExit: pass\n"
        "print(*sorted({'jupyter_server', 'openai', 'IPython', 'nbformat', 'pydantic'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=terminal.environment, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.splitlines()[-1] == ""
    reading, writing = os.pipe()
    os.close(reading)
    arguments = [sys.executable, "-m", "rlm_jupyter.cli", "trace", "show", str(folder / "one.jsonl")]
    closed = subprocess.run(
        arguments, env=terminal.environment, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60, check=False
    )
    os.close(writing)
    assert (closed.returncode, closed.stderr) == (1, "")
