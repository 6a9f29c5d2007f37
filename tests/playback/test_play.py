"""A trace notebook runs from top to bottom with no key and no network, and gives what was recorded."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import papermill
import pytest
from family import asked, trace_of
from live_kernel import LiveKernel
from nbclient import NotebookClient
from papermill.exceptions import PapermillExecutionError
from replayed_runs import KINDS, trace_recorded
from replayed_runs import recorded as run_recorded
from scripted_server import ChatRequest, Reply, ScriptedServer
from scripts import code, says

import rlm_jupyter
from rlm_jupyter import RLM, ConfigurationError, RLMLogger
from rlm_jupyter.core.steering import Decision, ProposedBlock
from rlm_jupyter.trace.artifacts.notebook import notebook_of, run_cells
from rlm_jupyter.trace.artifacts.play_cell import PlayCell
from rlm_jupyter.trace.trace import Trace

SETUP = """\
import pandas as pd
from rlm_jupyter import RLM, enable_trace_notebook
logger, handle = enable_trace_notebook("logs", notebook_path="rich.trace.ipynb")
df = pd.DataFrame({"Name": ["A", "B"], "Score": [10, 20]})
shared = {"sync_to_user_ns": True, "sync_from_user_ns": True}
full = RLM(environment="jupyter", environment_kwargs=shared, max_depth=2, logger=logger)
full.completion("Add 5 to the Score column of df.")
session = RLM(environment="ipython", persistent=True, logger=logger).start_session()
session.chat("the first text", "Turn one?")
session.chat("the second text", "Turn two?")
"""

RICH = says(
    "I look.\n" + code("print('before')", "df['Score'] += 5", "df"),
    "A figure.\n" + code("import matplotlib.pyplot as plt", "plt.plot([1, 2, 3])", "plt.title('scores');"),
    "An error.\n" + code("kept = 1", "raise ValueError('no such thing')"),
    "No Python.\n" + code("x = = 1"),
    "Others.\n"
    + code("import sys", "answers = llm_query_batched(['one', 'two'])", "print(answers, file=sys.stderr)")
    + "\n"
    + code("rlm_query('the child?')"),
    "Await.\n"
    + code("import asyncio", "await asyncio.gather(*map(llm_query_async, ['three', 'four']))")
    + "\n"
    + code("!echo hello")
    + "\n"
    + code("%pwd"),
    "Done.\n" + code("answer['content'] = df.Score.sum()", "FINAL_VAR('kept')"),
    sub=lambda request: f"reply to {request.prompt}",
)
TURN_ONE = says(code("first = context.upper()", "context"), code("FINAL(first)"))
TURN_TWO = says(code("print(context_0, '|', context_1, '|', first)", "len(session_history)"), code("FINAL('b')"))
CHILD = says(code("print(llm_query('below'))"), code("FINAL('the answer of the child')"), sub="a reply")


def script(request: ChatRequest) -> Reply | str:
    said = json.dumps(request.messages)
    if "the child?" in json.dumps(request.messages[:2]):
        return CHILD(request)
    asked = (TURN_TWO if "Turn two?" in said else TURN_ONE) if "Turn one?" in said else RICH
    return asked(request)


@pytest.fixture(scope="module")
def rich(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The trace notebook of three runs in a kernel; the model behind them is gone."""
    folder = tmp_path_factory.mktemp("rich")
    with ScriptedServer(script) as server:
        env = {"OPENAI_API_KEY": "for-the-scripted-server", "OPENAI_BASE_URL": server.base_url}
        with LiveKernel(env, cwd=str(folder), extension=False) as kernel:
            kernel.ok(SETUP)
    return folder / "rich.trace.ipynb"


@pytest.fixture(scope="module")
def small() -> Trace:
    """The trace of a run of plain Python with a call of its code."""
    asks = says(code("x = llm_query('one')", "x"), code("{}['absent']"), code("FINAL(x)"), sub="a reply")
    with ScriptedServer(asks) as server:
        model = {"model_name": "m", "base_url": server.base_url, "api_key": "for-the-scripted-server"}
        with RLM(backend_kwargs=model) as rlm:
            trace = rlm.completion("a context that is small", "What?").trace
    assert isinstance(trace, Trace)
    return trace


def empty_environment(folder: Path) -> dict[str, str]:
    """The environment of somebody who has no key and no settings."""
    kept = ("PATH", "SYSTEMROOT", "TMP", "TEMP", "TMPDIR", "VIRTUAL_ENV", "LD_LIBRARY_PATH")
    return {**{name: os.environ[name] for name in kept if name in os.environ}, "HOME": str(folder)}


def executed(notebook: nbformat.NotebookNode, folder: Path) -> nbformat.NotebookNode:
    client = NotebookClient(
        copy.deepcopy(notebook), timeout=120, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    again: nbformat.NotebookNode = client.execute(env=empty_environment(folder))
    return again


def shown(cell: nbformat.NotebookNode) -> list[dict[str, Any]]:
    """What a cell put out, but for the numbers of cells."""
    return [{name: value for name, value in output.items() if name != "execution_count"} for output in cell.outputs]


def compare(recorded: nbformat.NotebookNode, again: nbformat.NotebookNode) -> int:
    """Return how many cells of code gave what was recorded, which all are to do."""
    cells = [cell for cell in again.cells if "papermill-error-cell-tag" not in cell.metadata.tags]
    pairs = [
        (before, after)
        for before, after in zip(recorded.cells, cells, strict=True)
        if "role-code" in before.metadata.tags
    ]
    for before, after in pairs:
        assert shown(after) == shown(before), before.source
    return len(pairs)


def notebook_with(trace: Trace, play: PlayCell | None = None) -> nbformat.NotebookNode:
    cells = run_cells(trace, 1, play if play is not None else PlayCell.of(trace))
    notebook: nbformat.NotebookNode = nbformat.from_dict(notebook_of(cells, "", "s", [trace.run_id]))
    return notebook


def played(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    found: nbformat.NotebookNode = next(cell for cell in notebook.cells if "rlm-resume" in cell.metadata.tags)
    return found


def test_all_that_a_run_can_put_out_is_put_out_again(rich: Path) -> None:
    recorded = nbformat.read(rich, as_version=4)
    nbformat.validate(recorded)
    again = executed(recorded, rich.parent)
    assert compare(recorded, again) == 14
    kinds = {kind for cell in recorded.cells for output in cell.get("outputs", []) for kind in output.get("data", {})}
    assert {"text/html", "image/png"} <= kinds
    (line,) = played(again).outputs
    assert line.text == "Playing “Add 5 to the Score column of df.”: 6 calls of its code are recorded.\n"


def test_jupyter_execute_and_papermill_run_it(small: Trace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = notebook_with(small)
    nbformat.write(recorded, tmp_path / "a.trace.ipynb")
    command = [sys.executable, "-m", "jupyter", "execute", "--output=again.ipynb", "a.trace.ipynb"]
    environment = empty_environment(tmp_path)
    environment["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), environment["PATH"]))
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert compare(recorded, nbformat.read(tmp_path / "again.ipynb", as_version=4)) == 3

    for name in set(os.environ) - set(environment):
        monkeypatch.delenv(name)
    with pytest.raises(
        PapermillExecutionError, match="KeyError: 'absent'"
    ):  # it says so of any error, once all has run
        papermill.execute_notebook(
            tmp_path / "a.trace.ipynb", tmp_path / "b.ipynb", cwd=tmp_path, progress_bar=False, log_output=False
        )
    assert compare(recorded, nbformat.read(tmp_path / "b.ipynb", as_version=4)) == 3


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveKernel]:
    with LiveKernel(cwd=str(tmp_path_factory.mktemp("kernel")), extension=False) as kernel:
        yield kernel


def test_cells_are_played_as_often_as_they_are_run_and_others_run_as_always(small: Trace, kernel: LiveKernel) -> None:
    cells = {cell.source: cell for cell in notebook_with(small).cells if cell.cell_type == "code"}
    play, asks, fails, answers, report = cells
    kernel.ok("context = 'mine'")
    kernel.ok(play)
    assert kernel.ok("context").result["text/plain"] == "'a context that is small'"
    for _ in range(2):
        assert kernel.ok(asks).result["text/plain"] == "'a reply'"
    assert kernel.value("[_, Out[max(Out)]]") == ["a reply", "a reply"]
    assert "1 code block of this run not run yet" not in kernel.ok(report).stdout
    assert kernel.run(fails).error == "KeyError: 'absent'"
    assert "1 code block of this run not run yet" in kernel.ok(report).stdout
    missing = kernel.run("llm_query('something else')")
    assert "not in the recording" in missing.error
    assert "live=True" in missing.error
    kernel.ok(answers)
    kernel.ok(play)  # it ends the one before
    assert kernel.ok(asks).result["text/plain"] == "'a reply'"
    kernel.ok("__import__('rlm_jupyter.playback.play', fromlist=['_last'])._last.pop().end()")
    assert kernel.ok("context").result["text/plain"] == "'mine'"
    assert kernel.value("'llm_query' in globals()") is False
    assert "No run is played here" in kernel.ok(report).stdout


def test_a_call_that_is_not_recorded_asks_a_model_where_that_is_wanted(small: Trace, kernel: LiveKernel) -> None:
    play = played(notebook_with(small)).source
    with ScriptedServer(says("unused", sub="a live reply")) as server:
        live = ("openai", {"model_name": "m", "base_url": server.base_url, "api_key": "for-the-scripted-server"})
        kernel.ok(f"{play.removesuffix(')')}, live={live!r})")
        assert kernel.ok("llm_query('one'), llm_query('two')").result["text/plain"] == "('a reply', 'a live reply')"
        assert len(server.requests) == 1


def test_every_kind_of_run_is_played_as_it_was(tmp_path: Path) -> None:
    def reviewer(block: ProposedBlock) -> Decision:
        return Decision("edited", "print('changed')") if "first" in block.code else Decision("rejected", reason="no")

    traces = [trace_recorded(kind) for kind in KINDS]
    with ScriptedServer(says(code("print('first')"), code("print('second')"), "FINAL(done)")) as server:
        rlm = asked(server)
        rlm.reviewer = reviewer
        with rlm:
            traces.append(trace_of(rlm.completion("parent")))
    cells: list[dict[str, Any]] = []
    for trace in traces:
        cells += run_cells(trace, 1, PlayCell.of(trace))
    recorded = nbformat.from_dict(notebook_of(cells, "", "s", [trace.run_id for trace in traces]))
    again = executed(recorded, tmp_path)
    assert compare(recorded, again) > 30
    assert "print('changed')" in [cell.source for cell in recorded.cells]
    reports = [cell.outputs[0].text for cell in again.cells if "rlm-report" in cell.metadata.tags]
    assert len(reports) == len(traces)
    for report in reports:
        assert report.startswith("The same as recorded"), report
        assert "not run yet" not in report


def test_what_comes_out_otherwise_is_told_at_the_end(kernel: LiveKernel) -> None:
    shows = code("import sys", "print(object())", "print('there' if 'elsewhere' in sys.modules else 'gone')")
    sys.modules["elsewhere"] = sys
    try:
        trace = run_recorded(says(shows, "FINAL(done)"))
    finally:
        del sys.modules["elsewhere"]
    play, block, report = [cell.source for cell in notebook_with(trace).cells if cell.cell_type == "code"]
    kernel.ok(play)
    kernel.ok(block)
    told = kernel.ok(report).stdout
    assert told.startswith("1 difference. 1 code block of 1 run")
    assert "  -there\n" in told
    assert "  +gone\n" in told


def test_a_cell_that_fails_before_its_block_runs_leaves_the_next_one_alone(small: Trace, kernel: LiveKernel) -> None:
    play, asks, *_ = [cell.source for cell in notebook_with(small).cells if cell.cell_type == "code"]
    kernel.ok(play)
    kernel.ok(
        "hooks = get_ipython().input_transformers_post\n"
        "def refuse(lines):\n    if 'llm_query' in str(lines):\n        raise SyntaxError('refused')\n    return lines"
    )
    kernel.ok("hooks.append(refuse)")
    assert kernel.run(asks).status == "error"
    kernel.finish(kernel.send("after = 'mine'", silent=True))
    assert kernel.value("after") == "mine"
    kernel.ok("hooks.remove(refuse)")


def test_what_is_not_recorded_is_asked_for_and_can_be_given(kernel: LiveKernel) -> None:
    with ScriptedServer(says(code("print(context[-3:], len(table))"), code("FINAL('done')"))) as server:
        model = {"model_name": "m", "base_url": server.base_url, "api_key": "for-the-scripted-server"}
        with RLM(backend_kwargs=model, custom_tools={"table": object}, record_limit=0) as rlm:
            trace = rlm.completion("x" * 10_000 + "end", "What?").trace
    assert isinstance(trace, Trace)
    notebook = notebook_with(trace)
    play = played(notebook).source
    assert "context=VALUE" in kernel.run(play).error
    kernel.ok(f"{play.removesuffix(')')}, context='x' * 10_000 + 'end')")
    block = next(cell.source for cell in notebook.cells if "role-code" in cell.metadata.tags)
    assert "values={'table': VALUE}" in kernel.run(block).error
    given = kernel.ok(f"{play.removesuffix(')')}, context='another', values={{'table': [1, 2]}})")
    assert "another value than the recorded one" in "".join(m["content"]["text"] for m in given.of("stream"))
    assert kernel.ok(block).stdout == "her 2\n"


def test_a_large_recording_stands_beside_the_notebook(small: Trace, kernel: LiveKernel, tmp_path: Path) -> None:
    cell = PlayCell.of(small, inside=10)
    assert cell.aside is not None
    name = cell.aside.file_name
    assert f'file="{name}", digest="{cell.aside.digest}"' in cell.source
    assert "neither in the working directory" in kernel.run(cell.source).error
    (tmp_path / name).write_bytes(cell.aside.data)
    kernel.ok(f"__vsc_ipynb_file__ = {str(tmp_path / 'a.trace.ipynb')!r}")
    assert "1 call of its code is recorded" in kernel.ok(cell.source).stdout
    assert "holds no such run" in kernel.run(f"{cell.source.removesuffix(')')}, run='another')").error
    (tmp_path / name).write_bytes(cell.aside.data[:-1])
    assert "not the recording of this run" in kernel.run(cell.source).error


def test_a_run_that_is_not_all_there_says_so(small: Trace, kernel: LiveKernel, tmp_path: Path) -> None:
    small.damage = "The log is damaged at line 3."
    source = PlayCell.of(small).source
    small.damage = None
    assert "damaged at line 3" in source
    assert "Export it as JSONL" in kernel.run(source).error
    (tmp_path / "run.jsonl").write_text(small.to_jsonl(), encoding="utf-8")
    call = source.replace("play(", f"play(file={str(tmp_path / 'run.jsonl')!r}, ")
    assert "1 call of its code is recorded" in kernel.ok(call).stdout


def test_that_a_notebook_was_edited_is_said(small: Trace, tmp_path: Path) -> None:
    path = Path(small.export("notebook", tmp_path / "a.trace.ipynb"))
    assert rlm_jupyter.replay(path).notes == []
    path.write_text(path.read_text("utf-8").replace("FINAL(x)", "FINAL(x + x)"), "utf-8")
    report = rlm_jupyter.replay(path)
    assert report.same
    assert report.notes == ["a.trace.ipynb was edited after it had been written: what was recorded is replayed."]


def test_outside_ipython_it_is_a_clear_error(tmp_path: Path) -> None:
    assert RLMLogger(tmp_path) is not None
    with pytest.raises(ConfigurationError, match="Jupyter or IPython"):
        rlm_jupyter.play("")
