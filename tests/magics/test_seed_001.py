"""The integration notebook of the seed, in a real kernel, through the real SDK, against a scripted server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from live_kernel import LiveKernel
from scripted_server import ChatRequest, ScriptedServer
from seed_001 import CELLS
from sound_trace import assert_sound

from rlm_jupyter import read_traces, replay


def model(request: ChatRequest) -> str:
    """What a model might say; each reply follows from what it was sent."""
    said = "\n".join(message["content"] for message in request.messages[1:])
    question = [m["content"] for m in request.messages if m["content"].startswith("## Question")][-1]
    question = question.split("## Context")[0]
    step = len(request.messages) - max(
        i for i, m in enumerate(request.messages) if m["content"].startswith("## Question")
    )
    observed = request.messages[-1]["content"]
    if "Generate a random number" in question:
        return "```repl\nrandom_number = 15\nrandom_number\n```" if step == 1 else "FINAL(random_number)"
    if "the number you just generated" in question:
        return "FINAL(it was random_number)" if "Generate a random number" in said else "FINAL(15)"
    if "Pick a color" in question:
        if step == 1:
            return "I will look at `session_context_0`.\n\n```repl\nprint(session_context_0)\n```"
        return 'FINAL("Blue")' if "Pick a color." in observed else "FINAL(saw nothing)"
    if "Why did you pick that one" in question:
        return "FINAL(I pick the color blue.)" if '"Blue"' in said else "FINAL(I know of no color.)"
    if "Set x = 500" in question:
        return "```repl\nx = 500\n```" if step == 1 else "FINAL(x is set)"
    if "set x to the double" in question:
        return "```repl\nx = x * 2\nx\n```" if step == 1 else f"FINAL({observed.split()[-1]})"
    if "computed_value" in question:
        return "```repl\ncomputed_value = 12345 * 6789\n```" if step == 1 else "FINAL_VAR(computed_value)"
    if "Check if 'user_data'" in question:
        if step == 1:
            return "```repl\n[name in globals() for name in ('user_data', 'api_key')]\n```"
        right = "[True, False]" in observed
        return f'FINAL("user_data is {"" if right else "not "}defined, but api_key is not defined.")'
    if "Add 5 to the Score" in question:
        return "```repl\ndf['Score'] += 5\ndf\n```" if step == 1 else "FINAL(Done.)"
    raise AssertionError(question)


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer(model) as server:
        yield server


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("seed")


@pytest.fixture(scope="module")
def kernel(server: ScriptedServer, folder: Path) -> Iterator[LiveKernel]:
    env = {"OPENAI_API_KEY": "for-the-scripted-server", "OPENAI_BASE_URL": server.base_url}
    with LiveKernel(env, cwd=str(folder), extension=False) as kernel:
        yield kernel


@pytest.fixture(scope="module")
def printed(kernel: LiveKernel) -> list[str]:
    """What each cell printed and showed, in order."""
    shown = []
    for number, cell in enumerate(CELLS):
        if number == 7:
            kernel.ok("id_before = id(df)")
        executed = kernel.ok(cell)
        markdown = [m["content"]["data"].get("text/markdown", "") for m in executed.of("display_data")]
        shown.append("\n".join([executed.stdout, *markdown]))
    return shown


def test_completions_forget(printed: list[str]) -> None:
    assert printed[1].splitlines() == ["Result 1: random_number", "Result 2: 15"]


def test_sessions_remember_and_show_the_trace_of_all_turns(printed: list[str]) -> None:
    assert printed[2].splitlines()[:2] == ['Turn 1: "Blue"', "Turn 2: I pick the color blue."]
    trace = printed[2]
    assert trace.count("## Run Context") == 2
    assert trace.index("Pick a color.") < trace.index("Why did you pick that one?")
    for part in ("## Iteration 1", "### Model Response", "### Code Block 1", "print(session_context_0)", "**stdout**"):
        assert part in trace


def test_a_persistent_repl_keeps_its_variables(printed: list[str], kernel: LiveKernel) -> None:
    assert printed[3].strip() == "1000"
    assert not kernel.value("'x' in globals()")


def test_mode_a_hands_out_what_the_model_computed(printed: list[str]) -> None:
    assert printed[4].strip() == "Value from RLM: 83810205"


def test_mode_b_shows_the_model_the_named_variable_only(printed: list[str], server: ScriptedServer) -> None:
    assert printed[5].strip() == '"user_data is defined, but api_key is not defined."'
    assert not any("sk-12345" in str(request.messages) for request in server.requests)


def test_mode_c_changes_the_data_frame_in_place(printed: list[str], kernel: LiveKernel) -> None:
    assert printed[7].split() == "Modified DataFrame (in Notebook): Name Score 0 A 15 1 B 25".split()
    assert kernel.value("id(df) == id_before")


def test_the_log_and_its_trace_notebook_are_written(printed: list[str], folder: Path) -> None:
    logs = list((folder / "logs").glob("rlm_*.jsonl"))
    notebooks = list((folder / "logs").glob("*.trace.ipynb"))
    assert len(logs) == len(notebooks) == 1
    notebook = nbformat.read(notebooks[0], as_version=4)
    nbformat.validate(notebook)
    assert "print(session_context_0)" in [cell.source for cell in notebook.cells]


def test_its_traces_are_sound_and_replay_as_they_were(printed: list[str], folder: Path, tmp_path: Path) -> None:
    (log,) = (folder / "logs").glob("rlm_*.jsonl")
    traces = read_traces(log)
    assert len(traces) == 6
    for trace in traces:
        (aside := tmp_path / trace.run_id).mkdir()
        assert_sound(trace, aside)
    report = replay(log)
    assert report.same, str(report)
    assert len(report.runs) == 6
