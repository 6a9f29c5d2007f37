"""A server that refuses, drops and stalls."""

from __future__ import annotations

import json
from statistics import median

from benchmarks.bench import Bench
from benchmarks.figure import OURS, Figure, compared
from benchmarks.scripted_model import Troubles, answer

__all__ = ["measure"]

_CALLS = 1000
_WIDTH = 64
_LATENCY = 0.05  # seconds
_READ_TIMEOUT = 2.0  # seconds; less than the server stalls for


def measure(bench: Bench) -> list[Figure]:
    """Return how many of a thousand replies arrive, in which seconds, and how many calls are in flight at most.

    One request in five is refused (429, ``Retry-After: 0.2``), one in fifty dropped, one in a hundred stalls past the
    read timeout. What a client repeats meets the same troubles again.
    """
    calls = _CALLS // 10 if bench.quick else _CALLS
    troubled = bench.each(_troubled, calls)
    arrived, seconds, most = ({name: each and each[index] for name, each in troubled.items()} for index in range(3))
    return [
        Figure(f"replies of {calls:,}, with 429, lost connections and stalls", "", *compared(arrived), exactly=calls),
        Figure("  until all are there, or given up", "s", *compared(seconds)),
        Figure(f"  most in flight, {_WIDTH} allowed", "", most[OURS], limit=_WIDTH),
    ]


def _troubled(bench: Bench, name: str, calls: int) -> tuple[float, float, float]:
    code = (
        "import json, time",
        "began = time.perf_counter()",
        f"replies = llm_query_batched([f'prompt {{number}}' for number in range({calls})])",
        "took = time.perf_counter() - began",
        "arrived = sum(reply == f'reply to prompt {number}' for number, reply in enumerate(replies))",
    )
    script = answer(*code, result="json.dumps([arrived, took])")
    measured = []
    for _ in range(bench.runs):
        bench.model.play(script, package=name, delay=_LATENCY, troubles=Troubles())
        (completion,) = bench.complete(name, 1, iterations=1, width=_WIDTH, read_timeout=_READ_TIMEOUT)
        arrived, took = json.loads(completion.answer)
        measured.append((arrived, took, float(bench.model.counted().most_in_flight)))
    # The worst of the runs, where it is about loss; else what is usual.
    return min(each[0] for each in measured), median(each[1] for each in measured), max(each[2] for each in measured)
