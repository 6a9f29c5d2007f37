"""Many sub-calls at once."""

from __future__ import annotations

import asyncio
import json
import math
import time
from statistics import median

from benchmarks.bench import Bench
from benchmarks.figure import OURS, Chart, Figure, Finding, Line
from benchmarks.scripted_model import Step, answer
from benchmarks.subject import in_fresh_process

__all__ = ["CALLS", "measure", "seconds"]

CALLS = 1000
_COUNTS = (64, 256, CALLS)
_WIDTHS = (16, 64)
_OWN_WIDTHS = {"rlms": 16, "dspy": 8}  # whatever one asks for
_LATENCY = 0.05  # seconds


def measure(bench: Bench) -> list[Finding]:
    """Return the seconds that model code waits for batches, at two widths where the package has the choice."""
    counts = _COUNTS[:1] if bench.quick else _COUNTS
    ours = {(count, width): seconds(bench, OURS, count, width=width) for count in counts for width in _WIDTHS}
    theirs = {count: bench.each(seconds, count, without=[OURS]) for count in counts}
    figures = []
    for (count, width), took in ours.items():
        ideal = math.ceil(count / width) * _LATENCY
        last = count == CALLS
        figures.append(
            Figure(
                f"{count:,} calls of 50 ms in a batch, {width} in flight",
                "s",
                took,
                theirs[count].get("rlms"),
                theirs[count].get("dspy"),
                ideal=ideal,
                limit=1.3 * ideal if last else None,
                times={"rlms": 3} if last and width == max(_WIDTHS) else {},
            )
        )
    if not bench.quick:
        bare = median(in_fresh_process(_over_bare_aiohttp, bench.model.base_url, bench.runs))
        figures.append(Figure("  the last of these, to the same calls over bare aiohttp", "x", ours[_last()] / bare))
    return [*figures, _chart(ours, theirs)]


def _last() -> tuple[int, int]:
    return CALLS, max(_WIDTHS)


def _chart(ours: dict[tuple[int, int], float], theirs: dict[int, dict[str, float | None]]) -> Chart:
    counts = sorted(theirs)
    lines = [
        Line(f"ours, {width} in flight", OURS, [(float(count), ours[count, width]) for count in counts])
        for width in _WIDTHS
    ]
    for name, width in _OWN_WIDTHS.items():
        points = [(float(count), seconds) for count in counts if (seconds := theirs[count].get(name)) is not None]
        if points:
            lines.append(Line(f"{name}, {width} in flight", name, points))
    for width in _WIDTHS:
        ideal = [(float(count), math.ceil(count / width) * _LATENCY) for count in counts]
        lines.append(Line(f"ideal, {width} in flight", "ideal", ideal, ideal=True))
    return Chart("batches", "A batch of calls that take 50 ms each", "calls in the batch", "seconds", lines)


def _batch(count: int) -> Step:
    """Return a step that answers with the seconds of a batch, whose replies must all be there and in order."""
    return answer(
        "import time",
        "began = time.perf_counter()",
        f"replies = llm_query_batched([f'prompt {{number}}' for number in range({count})])",
        "took = time.perf_counter() - began",
        f"assert replies == [f'reply to prompt {{number}}' for number in range({count})], replies",
        result="str(took)",
    )


def seconds(bench: Bench, name: str, count: int, **options: int) -> float:
    """Return the median of the seconds that model code waits for a batch of so many calls."""
    bench.model.play(_batch(count), package=name, delay=_LATENCY)
    return bench.median(name, iterations=1, **options)


def _over_bare_aiohttp(base_url: str, runs: int) -> list[float]:
    """Return the seconds that the calls take with no SDK and no package around them: the least that Python needs."""
    import aiohttp

    async def batch(session: aiohttp.ClientSession) -> float:
        room = asyncio.Semaphore(max(_WIDTHS))

        async def call(number: int) -> None:
            body = {"model": "scripted", "messages": [{"role": "user", "content": f"prompt {number}"}]}
            async with room, session.post(f"{base_url}/chat/completions", json=body) as response:
                json.loads(await response.read())

        began = time.perf_counter()
        await asyncio.gather(*map(call, range(CALLS)))
        return time.perf_counter() - began

    async def batches() -> list[float]:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            return [await batch(session) for _ in range(1 + runs)][1:]

    return asyncio.run(batches())
