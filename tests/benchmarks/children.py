"""Sixteen child runs at once."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

from benchmarks.figure import Figure
from benchmarks.scripted_model import ScriptedModel
from benchmarks.subject import OURS, THEIRS, in_fresh_process, new_rlm
from scripts import code

__all__ = ["measure"]

_CHILDREN = 16
_LATENCY = 0.05  # seconds
_FAN_OUT = code(
    "import time",
    f"prompts = [f'question {{number}}' for number in range({_CHILDREN})]",
    "began = time.perf_counter()",
    "answers = rlm_query_batched(prompts)",
    'answer["content"] = str(time.perf_counter() - began)',
    f"assert answers == ['its answer'] * {_CHILDREN}, answers",
    'answer["ready"] = True',
)
_CHILD = (code("print(len(context))"), code('answer["content"] = "its answer"', 'answer["ready"] = True'))


def measure(model: ScriptedModel, packages: Sequence[str], runs: int) -> list[Figure]:
    """Return the seconds of 16 children of two iterations each, 16 wide."""
    ideal = 2 * _LATENCY
    ours, *theirs = [_seconds(model, package, runs) for package in (OURS, THEIRS) if package in packages]
    what = f"{_CHILDREN} children of 2 iterations at 50 ms, {_CHILDREN} wide"
    return [Figure(what, "s", ours, *theirs, limit=1.5 * ideal, ideal=ideal)]


def _seconds(model: ScriptedModel, package: str, runs: int) -> float:
    model.play(_FAN_OUT, delay=_LATENCY, child=_CHILD, children=_CHILDREN)
    return median(in_fresh_process(_complete, package, model.base_url, runs))


def _complete(package: str, base_url: str, runs: int) -> list[float]:
    options: dict[str, Any] = {"max_depth": 2, "max_iterations": 3, "max_concurrent_subcalls": _CHILDREN}
    rlm = new_rlm(package, base_url, **options)
    return [float(rlm.completion("How long does it take?").response) for _ in range(1 + runs)][1:]
