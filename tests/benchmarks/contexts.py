"""What a large context costs beyond a small one."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Sequence
from statistics import median
from typing import Any

from benchmarks.figure import Figure
from benchmarks.scripted_model import ScriptedModel
from benchmarks.subject import ANSWER, in_fresh_process, new_rlm
from scripts import code

__all__ = ["measure"]

_LINE = "All work and no play makes a dull context to read.\n"
_SMALL, _LARGE = 1_000, 100_000_000  # characters of one byte
_REQUESTS = 2  # of each completion


def measure(model: ScriptedModel, packages: Sequence[str], runs: int) -> list[Figure]:
    """Return the extra milliseconds and the extra megabytes of a completion over 100 MB of text."""
    whole, replied, peaks = [], [], []
    for package in packages:
        model.play(code("print(len(context))"), code(*ANSWER))
        times = in_fresh_process(_times, package, model.base_url, runs)
        last_replies = [each.replied or 0.0 for each in model.exchanges()[_REQUESTS - 1 :: _REQUESTS]]
        to_reply = [reply - began for (began, _), reply in zip(times, last_replies, strict=True)]
        whole.append(1000 * _extra([returned - began for began, returned in times]))
        replied.append(1000 * _extra(to_reply))
        peaks.append(in_fresh_process(_extra_peak, package, model.base_url, runs) / 1e6)
    return [
        Figure("100 MB context instead of 1 kB: extra time", "ms", whole[0], limit=5),
        # rlms ends each run by waiting for a thread that looks up every half second: only until then can one tell.
        Figure("  to the last reply", "ms", *replied),
        Figure("  extra peak memory", "MB", *peaks, limit=1),
    ]


def _extra(seconds: Sequence[float]) -> float:
    """Return the median of large less small, which follow each other; the first two are not counted."""
    return median(large - small for large, small in zip(seconds[2::2], seconds[3::2], strict=True))


def _times(package: str, base_url: str, runs: int) -> list[tuple[float, float]]:
    """Return when completions began and returned, large and small in turn, on the clock that processes share."""
    rlm, contexts = new_rlm(package, base_url), _contexts()
    times = []
    for _ in range(1 + runs):
        for context in contexts:
            began = time.monotonic()
            rlm.completion(context, "What is it?")
            times.append((began, time.monotonic()))
    return times


def _extra_peak(package: str, base_url: str, runs: int) -> float:
    """Return the median of the extra bytes."""
    rlm, (large, small) = new_rlm(package, base_url), _contexts()
    rlm.completion(small, "What is it?")
    tracemalloc.start()
    return median(_peak(rlm, large) - _peak(rlm, small) for _ in range(runs))


def _peak(rlm: Any, context: str) -> int:
    """Return by how many bytes what Python holds grows at most; the context itself is there before."""
    before, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    rlm.completion(context, "What is it?")
    return tracemalloc.get_traced_memory()[1] - before


def _contexts() -> tuple[str, str]:
    large, small = (_LINE * (size // len(_LINE)) for size in (_LARGE, _SMALL))
    return large, small
