"""The benchmarks' harness: it measures over the real path, and says what it found, also what was missed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from benchmarks import page
from benchmarks.figure import Chart, Figure, Line
from benchmarks.peer import Peer, PeerError
from benchmarks.scripted_model import Step, answer
from benchmarks.table import table
from scripted_server import ChatRequest, ScriptedServer
from scripts import says, step

import rlm_jupyter

RUN = Path(__file__).parent / "benchmarks" / "run.py"
OURS = Path(sys.executable)


def test_a_quick_run_measures_ours_and_writes_its_page(tmp_path: Path) -> None:
    written = tmp_path / "benchmarks.md"
    ran = subprocess.run(
        [OURS, RUN, "--quick", "--only", "iterations", "batches", "--write", written, "--peers", tmp_path],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert ran.returncode == 0, ran.stderr
    text = written.read_text(encoding="utf-8")
    assert text.startswith("# Benchmarks\n")
    assert f"| rlm-jupyter | {rlm_jupyter.__version__} |" in text
    assert re.search(r"\| machine \| \d+ cores, .+ GiB of memory \|", text)
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        "## What a run costs besides the model",
        "## Many calls at once",
    ]
    for what in ("10 iterations, 0 ms model, `local`", "64 calls of 50 ms in a batch, 64 in flight"):
        assert re.search(rf"^\| {re.escape(what)} \| [\d.,]+ (ms|s) \|", text, re.MULTILINE), text
        assert what in ran.stdout
    for picture in re.findall(r"!\[.+\]\((.+)\)", text):
        assert ET.parse(tmp_path / picture).getroot().tag.endswith("svg")
    assert sorted(path.name for path in (tmp_path / "benchmarks").iterdir()) == ["batches.svg", "iterations.svg"]


def test_a_package_answers_in_an_interpreter_of_its_own() -> None:
    replies = [each.written("ours") for each in (Step(("print(len(context))",)), answer(result="str(len(context))"))]
    with ScriptedServer(says(*replies)) as server, Peer(OURS, "ours") as peer:
        assert peer.ask("version") == rlm_jupyter.__version__
        asked = {"base_url": server.base_url, "times": 2, "options": {"iterations": 3}, "sizes": [51, 510]}
        peer.order("complete", **asked)
        completions = peer.answer()
    assert [each["answer"] for each in completions] == ["51", "510", "51", "510"]
    assert all(each["began"] < each["returned"] for each in completions)
    assert all(each["usage"]["calls"] == 2 for each in completions)
    assert len(server.requests) == 8


def test_the_other_packages_are_told_the_same_in_their_own_form() -> None:
    asks = answer("x = 1", result="str(x)")
    assert asks.written("rlms") == asks.written("ours")
    assert "```repl\nx = 1\n" in asks.written("rlms")
    assert "```python\nx = 1\nSUBMIT(answer=str(x))\n```" in asks.written("dspy")


def test_what_a_package_cannot_do_is_said_and_does_not_end_it() -> None:
    with Peer(OURS, "ours") as peer:
        with pytest.raises(PeerError, match="no_such_environment"):
            peer.ask(
                "complete",
                base_url="http://127.0.0.1:9/v1",
                times=1,
                options={"environment": "no_such_environment"},
                sizes=[0],
            )
        assert peer.ask("version") == rlm_jupyter.__version__
    with Peer(OURS, "no such package") as peer, pytest.raises(PeerError, match="no such package"):
        peer.ask("version")


def test_an_interrupted_package_says_when_it_ended() -> None:
    def script(request: ChatRequest) -> str:
        waits = Step(("import time", "while True: time.sleep(0.01)")).written("ours")
        return waits if step(request) == 0 else answer().written("ours")

    with ScriptedServer(script) as server, Peer(OURS, "ours") as peer:
        peer.order("interrupted", base_url=server.base_url, options={"iterations": 2})
        (request,) = server.wait_for(1)
        server.wait_idle()
        peer.interrupt()
        assert peer.answer(60) > request.arrived
        assert len(server.requests) == 1


def test_a_target_that_is_missed_is_shown_as_missed(tmp_path: Path) -> None:
    figures = [
        Figure("quick enough", "ms", 5.0, 50.0, 4.0, limit=10),
        Figure("too slow", "ms", 20.0, 5.0, limit=10),
        Figure("not ten times faster", "s", 1.0, 9.0, times={"rlms": 10}),
        Figure("not all of them", "", 999, exactly=1000),
        Figure("  could not be measured", "s", None, limit=1),
        Figure("no target", "MB", 3.5),
    ]
    assert [figure.met for figure in figures] == [True, False, False, False, False, None]
    told = table(figures)
    assert [line.split()[-1] for line in told.splitlines()[2:7]] == ["yes", "NO", "NO", "NO", "NO"]
    assert re.search(r"quick enough +5 ms +50 ms +4 ms +10 x +0.80 x +<= 10 ms +yes", told)

    chart = Chart("growth", "How it grows", "calls", "seconds", [Line("ours", "ours", [(1.0, 0.5), (2.0, 0.6)])])
    page.write(tmp_path / "found.md", {"batches": [*figures, chart]}, {"machine": "a machine"}, 5, ["rlms", "dspy"])
    text = (tmp_path / "found.md").read_text(encoding="utf-8")
    assert "1 of 5 targets are met." in text
    assert "\n- not all of them: could not be measured\n" in text
    assert "| too slow | 20 ms | 5 ms |  | 0.25 x |  | <= 10 ms | **NO** |" in text
    assert "](found/growth.svg)" in text
    assert "| ours | 0.50 | 0.60 |" in text
    first = (tmp_path / "found" / "growth.svg").read_bytes()
    page.write(tmp_path / "found.md", {"batches": [chart]}, {"machine": "a machine"}, 5, [])
    assert (tmp_path / "found" / "growth.svg").read_bytes() == first
