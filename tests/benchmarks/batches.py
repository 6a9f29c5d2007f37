"""A thousand sub-calls at once."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import Sequence
from statistics import median
from typing import Any

from benchmarks.figure import Figure
from benchmarks.scripted_model import ScriptedModel
from benchmarks.subject import OURS, THEIRS, in_fresh_process, new_rlm
from scripts import code

__all__ = ["CALLS", "measure", "seconds"]

CALLS = 1000
_WIDTH = 64
_LATENCY = 0.05  # seconds
_BATCH = code(
    "import time",
    "began = time.perf_counter()",
    f"replies = llm_query_batched([f'prompt {{number}}' for number in range({CALLS})])",
    'answer["content"] = str(time.perf_counter() - began)',
    f'assert replies == ["a sub-call\'s reply"] * {CALLS}',
    'answer["ready"] = True',
)


def measure(model: ScriptedModel, packages: Sequence[str], runs: int) -> list[Figure]:
    """Return the seconds of a batch at two widths; rlms is always 16 wide."""
    wide = seconds(model, OURS, runs, max_concurrent_subcalls=_WIDTH)
    bare = median(in_fresh_process(_over_bare_aiohttp, model.base_url, runs))
    narrow = seconds(model, OURS, runs)
    theirs = [seconds(model, THEIRS, runs)] if THEIRS in packages else []
    what = f"{CALLS:,} llm_query_batched at 50 ms"
    ideal, ideal_of_16 = (math.ceil(CALLS / width) * _LATENCY for width in (_WIDTH, 16))
    return [
        Figure(f"{what}, {_WIDTH} in flight", "s", wide, *theirs, limit=1.3 * ideal, ideal=ideal),
        Figure("  to the same calls over bare aiohttp", "x", wide / bare),
        Figure(f"{what}, 16 in flight (default)", "s", narrow, *theirs, limit=1.3 * ideal_of_16, ideal=ideal_of_16),
    ]


def seconds(model: ScriptedModel, package: str, runs: int, **options: Any) -> float:
    """Return the median of the seconds that model code waits for its batch."""
    model.play(_BATCH, delay=_LATENCY)
    return median(in_fresh_process(_complete, package, model.base_url, runs, options))


def _complete(package: str, base_url: str, runs: int, options: dict[str, Any]) -> list[float]:
    rlm = new_rlm(package, base_url, max_iterations=1, **options)
    return [float(rlm.completion("How long does it take?").response) for _ in range(1 + runs)][1:]


def _over_bare_aiohttp(base_url: str, runs: int) -> list[float]:
    """Return the seconds that the calls take with no SDK and no package around them: the least that Python needs."""
    import aiohttp

    async def batch(session: aiohttp.ClientSession) -> float:
        room = asyncio.Semaphore(_WIDTH)

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
