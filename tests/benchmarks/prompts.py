"""One very long prompt."""

from __future__ import annotations

import asyncio
import time
from statistics import median

from benchmarks.bench import Bench
from benchmarks.figure import OURS, Figure, compared
from benchmarks.peers.program import LINE
from benchmarks.scripted_model import answer
from benchmarks.subject import in_fresh_process

__all__ = ["measure"]

_SIZE = 10_000_000  # characters of one byte
_ASK = answer(
    "import time",
    "began = time.perf_counter()",
    "reply = llm_query(context)",
    "took = time.perf_counter() - began",
    "assert reply.startswith('reply to '), reply",
    result="str(took)",
)


def measure(bench: Bench) -> list[Figure]:
    """Return the milliseconds of a call whose prompt has 10 MB, and how many times of the bare SDK's that is."""
    size = _SIZE // 10 if bench.quick else _SIZE
    taken = bench.each(_milliseconds, size)
    bare = 1000 * median(in_fresh_process(_over_sdk, bench.model.base_url, size, 1 + bench.runs)[1:])
    ratios = {name: took / bare if took is not None else None for name, took in taken.items()}
    return [
        Figure(f"a prompt of {size // 1_000_000} MB", "ms", *compared(taken)),
        Figure("  to the same call over the bare SDK", "x", *compared(ratios), limit=1.5),
    ]


def _milliseconds(bench: Bench, name: str, size: int) -> float:
    bench.model.play(_ASK, package=name)
    completions = bench.complete(name, 1 + bench.runs, size=size, iterations=1)[1:]
    return 1000 * median(float(each.answer) for each in completions)


def _over_sdk(base_url: str, size: int, times: int) -> list[float]:
    """Return the seconds of the same call through the SDK alone, with the transport that ours has."""
    import openai

    async def ask() -> list[float]:
        text, taken = LINE * (size // len(LINE)), []
        transport = openai.DefaultAioHttpClient()
        async with openai.AsyncOpenAI(base_url=base_url, api_key=OURS, http_client=transport) as sdk:
            for _ in range(times):
                began = time.perf_counter()
                await sdk.chat.completions.create(model="scripted", messages=[{"role": "user", "content": text}])
                taken.append(time.perf_counter() - began)
        return taken

    return asyncio.run(ask())
