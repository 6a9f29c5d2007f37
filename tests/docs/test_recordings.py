"""The recorded demos: they play in a kernel as they were recorded, and what makes them would make them again."""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from live_kernel import LiveKernel

from rlm_jupyter import Trace, read_traces
from rlm_jupyter.trace.schema import CodeEnd, ModelCallEnd, ModelCallStart, SubcallEnd, SubcallStart
from rlm_jupyter.trace.trace import Span
from rlm_jupyter.trace.verify.file import verify_file

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
RECORDINGS = EXAMPLES / "recordings"
DEMOS = ("documents", "log_lines", "recursion")
WITH_CHILDREN = ("documents", "recursion")

AGAIN = "The recordings are not current: run make recordings."


def recording(name: str) -> Trace:
    (trace,) = read_traces(RECORDINGS / f"{name}.jsonl.gz")
    return trace


def failed(run: Span) -> list[tuple[str, bool]]:
    """The errors of a run's own code, and whether a later block of the run went well."""
    blocks = [span for span in run.own() if isinstance(span.end and span.end.payload, CodeEnd)]
    errors = []
    for at, block in enumerate(blocks):
        end = block.end.payload if block.end is not None else None
        if isinstance(end, CodeEnd) and end.error is not None:
            errors.append((end.error.name, any(later.status == "ok" for later in blocks[at + 1 :])))
    return errors


@pytest.mark.parametrize("name", DEMOS)
def test_a_recording_shows_what_a_run_can_be(name: str) -> None:
    assert not verify_file(RECORDINGS / f"{name}.jsonl.gz")
    trace = recording(name)
    assert trace.root is not None
    assert trace.status == "ok"
    assert len(trace.iterations) >= 6
    assert [recovers for _, recovers in failed(trace.root)] == [True]
    batches = Counter(
        span.start.payload.batch for span in trace.subcalls if isinstance(span.start.payload, SubcallStart)
    )
    assert max(batches.values()) >= 12
    assert all(span.status == "ok" for span in trace.walk() if span.kind != "code")
    if name in WITH_CHILDREN:
        assert len(trace.children) >= 3
        assert any(recovers for child in trace.children for _, recovers in failed(child))


@pytest.mark.parametrize("name", DEMOS)
def test_whoever_sees_a_recording_sees_that_it_was_scripted(name: str) -> None:
    trace = recording(name)
    assert trace.run.model == "scripted-demo"
    assert set(trace.usage.model_usage_summaries) == {"scripted-demo"}
    assert "no model was asked" in (trace.answer or "")
    first = next(span for span in trace.walk() if isinstance(span.end and span.end.payload, ModelCallEnd))
    assert first.end is not None
    assert isinstance(first.end.payload, ModelCallEnd)
    assert "no model was asked" in trace.text(first.end.payload.reply)
    notebook = json.loads((EXAMPLES / f"{name}.ipynb").read_text("utf-8"))
    title = " ".join("".join(notebook["cells"][0]["source"]).split())
    assert "No model was asked for that run: its replies were written by hand." in title


def test_recordings_are_small_and_tell_nothing_of_the_machine_that_made_them() -> None:
    logs = [RECORDINGS / f"{name}.jsonl.gz" for name in DEMOS]
    assert sum(path.stat().st_size for path in logs) < 300_000
    for path in logs:
        text = gzip.decompress(path.read_bytes()).decode()
        assert not re.search(r"/(root|home|Users|tmp|work|opt)/|127\.0\.0\.1|localhost", text)


def said(trace: Trace) -> Iterator[tuple[list[dict[str, str]], str]]:
    """Each conversation with the model, and its reply."""
    for run in (span for span in trace.walk() if span.kind == "run"):
        messages: list[dict[str, str]] = []
        for span in run.own():
            start, end = span.start.payload, span.end.payload if span.end is not None else None
            if isinstance(start, ModelCallStart) and isinstance(end, ModelCallEnd):
                added = [{"role": each.role, "content": trace.text(each.digest)} for each in start.added]
                messages = [*messages[: start.kept], *added]
                yield messages, trace.text(end.reply)
            elif isinstance(start, SubcallStart) and isinstance(end, SubcallEnd):
                yield [{"role": "user", "content": trace.text(start.prompt)}], trace.text(end.reply)


@pytest.mark.parametrize("name", DEMOS)
def test_the_scripted_model_says_what_is_recorded(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    script: Any = import_module(f"recordings.{name}").SCRIPT
    for messages, reply in said(recording(name)):
        assert script.reply(messages) == reply, AGAIN


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveKernel]:
    """A kernel that finds the demos, as a notebook beside them does."""
    folder = str(tmp_path_factory.mktemp("kernel"))
    with LiveKernel({"IPYTHONDIR": folder, "PYTHONPATH": str(EXAMPLES)}, cwd=folder) as kernel:
        kernel.ok("import json\nfrom importlib import import_module\nfrom rlm_jupyter import read_traces")
        yield kernel


PLAY = """
demo, path = import_module("recordings.{name}"), {path!r}
(trace,) = read_traces(path)
try:
    context = trace.context()
except LookupError:
    context = demo.context()
question = demo.QUESTION
%config RLMMagics.backend = "recorded"
%config RLMMagics.backend_kwargs = dict(trace=path)
"""


@pytest.mark.parametrize("name", DEMOS)
def test_a_recording_plays_in_a_kernel_as_it_was_recorded(name: str, kernel: LiveKernel, tmp_path: Path) -> None:
    """Every request of the run is in the recording: the code does what it did, and the prompts are what they were."""
    kernel.ok(PLAY.format(name=name, path=str(RECORDINGS / f"{name}.jsonl.gz")))
    depth = 2 if name in WITH_CHILDREN else 1
    question = kernel.value("question")
    asked = kernel.run(f"%%rlm --fresh --context context --sync out --max-depth {depth} --out played\n{question}", 120)
    assert asked.status == "ok", f"{AGAIN}\n{asked.traceback}"
    log = tmp_path / "played.jsonl"
    kernel.ok(f"open({str(log)!r}, 'w').write(played.trace.to_jsonl())")
    (played,) = read_traces(log)
    then = recording(name)
    assert played.answer == then.answer
    assert Counter(reply for _, reply in said(played)) == Counter(reply for _, reply in said(then))
    assert printed(played) == printed(then)
    assert played.usage.total_calls == 0


def printed(trace: Trace) -> Counter[str]:
    """What the blocks printed and what errors they ended with."""
    ends = [span.end.payload for span in trace.walk() if span.end is not None]
    return Counter(
        json.dumps([end.outputs, end.error and [end.error.name, end.error.message]])
        for end in ends
        if isinstance(end, CodeEnd) and all(output["output_type"] != "error" for output in end.outputs)
    )
