"""Sixteen child runs at once."""

from __future__ import annotations

from benchmarks.bench import Bench
from benchmarks.figure import Figure, compared
from benchmarks.scripted_model import Step, answer

__all__ = ["CHILD", "fan_out", "measure"]

_CHILDREN = 16
_LATENCY = 0.05  # seconds

CHILD = (Step(("print(1)",)), answer(result="'its answer'"))
"""What a child says."""


def measure(bench: Bench) -> list[Figure]:
    """Return the seconds of 16 children of two iterations each, 16 wide."""
    ideal = 2 * _LATENCY
    seconds = compared(bench.each(_seconds))
    what = f"{_CHILDREN} children of 2 iterations at 50 ms, {_CHILDREN} wide"
    return [Figure(what, "s", *seconds, limit=1.5 * ideal, ideal=ideal)]


def fan_out(package: str, children: int) -> tuple[str, ...]:
    """Return lines of code that put the answers of child runs into ``answers``, which have the package's own way."""
    ask: tuple[str, ...] = ("answers = rlm_query_batched(prompts)",)
    if package == "dspy":
        ask = (
            "import dspy",
            "from concurrent.futures import ThreadPoolExecutor",
            "child = dspy.RLM('question -> answer')",
            f"with ThreadPoolExecutor({children}) as pool:",
            "    answers = list(pool.map(lambda prompt: child(question=prompt).answer, prompts))",
        )
    return (f"prompts = [f'question {{number}}' for number in range({children})]", *ask)


def _seconds(bench: Bench, name: str) -> float:
    code = (
        "import time",
        "began = time.perf_counter()",
        *fan_out(name, _CHILDREN),
        "took = time.perf_counter() - began",
        f"assert answers == ['its answer'] * {_CHILDREN}, answers",
    )
    bench.model.play(answer(*code, result="str(took)"), package=name, delay=_LATENCY, child=CHILD, children=_CHILDREN)
    return bench.median(name, iterations=3, depth=2, width=_CHILDREN)
