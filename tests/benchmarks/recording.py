"""What it costs to write a run down."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from benchmarks.batches import CALLS, seconds
from benchmarks.bench import Bench
from benchmarks.figure import OURS, Figure
from benchmarks.subject import in_fresh_process

if TYPE_CHECKING:
    from rlm_jupyter.trace.files.jsonl import JSONLFile

__all__ = ["measure"]

_WIDTHS = {16: 2.0, 64: None}
"""How many calls are in flight, 16 unless the user says otherwise; and how many per cent of the run it may take."""

_TEXT = "The quick brown fox jumps over the lazy dog. " * 20  # 900 characters, as a slice of a context may have


def measure(bench: Bench) -> list[Figure]:
    """Return microseconds per sub-call (its span's start and end, prompt and reply), and how much of a run they are."""
    memory, file = in_fresh_process(_record, bench.runs)
    return [
        Figure("recording a sub-call, in memory", "us", 1e6 * memory / CALLS, limit=50.0),
        Figure("recording a sub-call, to a log too", "us", 1e6 * file / CALLS),
        *(_share(bench, width, limit) for width, limit in _WIDTHS.items()),
    ]


def _share(bench: Bench, width: int, limit: float | None) -> Figure:
    """Return how much of a run's time its recording is; both are measured in turn, so that a busy moment tells less."""
    pairs = [
        (in_fresh_process(_record, 1)[0], seconds(replace(bench, runs=1), OURS, CALLS, width=width))
        for _ in range(bench.runs)
    ]
    shares = [100 * memory / run for memory, run in pairs]
    return Figure(f"  of a run of {CALLS:,} sub-calls, {width} in flight", "%", median(shares), limit=limit)


def _record(runs: int) -> tuple[float, float]:
    """Return the seconds that the sub-calls of a batch take to be recorded, in memory and to a file too."""
    from rlm_jupyter.trace.files.jsonl import JSONLFile

    memory, file = [], []
    with TemporaryDirectory() as folder:
        for run in range(1 + runs):
            memory.append(_record_batch([]))
            file.append(_record_batch([JSONLFile(Path(folder) / f"{run}.jsonl")]))
    return median(memory[1:]), median(file[1:])


def _record_batch(sinks: list[JSONLFile]) -> float:
    from rlm_jupyter.runs.subcalls import PROMPT_LIMIT
    from rlm_jupyter.trace.recorder import Recorder
    from rlm_jupyter.trace.redaction import Redactor
    from rlm_jupyter.trace.schema import RunEnd, RunStart, SubcallEnd, SubcallStart, UsageRecord

    recorder = Recorder(Redactor(["a-key-that-is-looked-for"]), sinks)
    begin = RunStart(question="What is it?", model="scripted", backend="openai", environment="local", max_iterations=1)
    root = recorder.start(begin)
    began = time.thread_time()  # recording waits for nothing, and others on the machine are not to count
    for number in range(CALLS):
        prompt = recorder.blob(f"{number}: {_TEXT}", PROMPT_LIMIT)
        span = recorder.start(SubcallStart(model="scripted", prompt=prompt, batch="b1", index=number), root)
        reply = recorder.blob(f"{_TEXT} {number}", PROMPT_LIMIT)
        usage = UsageRecord(input_tokens=200, output_tokens=200)
        recorder.end(span, SubcallEnd(reply=reply, response_model="scripted", finish_reason="stop", usage=usage))
    took = time.thread_time() - began
    recorder.end(root, RunEnd(answer="42"))
    return took
