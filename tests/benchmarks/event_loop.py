"""Whether the kernel's event loop goes on while a cell awaits an answer."""

from __future__ import annotations

from statistics import median

from benchmarks.bench import Bench
from benchmarks.figure import Figure
from benchmarks.scripted_model import Step, answer
from benchmarks.subject import kernel_of

__all__ = ["measure"]

_TICK = 0.002  # seconds
_LATENCY = 0.2  # seconds, of each reply
_STEPS = (Step(("print(1)",)), Step(("print(2)",)), answer())
_SETUP = f"""
import asyncio, time
from rlm_jupyter import RLM
rlm = RLM(backend_kwargs={{"model_name": "scripted"}}, environment="local")

async def ticks(gaps):
    last = time.perf_counter()
    while True:
        await asyncio.sleep({_TICK})
        now = time.perf_counter()
        gaps.append(now - last)
        last = now
"""
_CELL = """
gaps = []
ticking = asyncio.ensure_future(ticks(gaps))
answered = await rlm.acompletion("nothing", "What is it?")
ticking.cancel()
assert answered.response == "42", answered
"""


def measure(bench: Bench) -> list[Figure]:
    """Return the longest milliseconds between two ticks of a kernel's loop, while an answer is awaited."""
    bench.model.play(*_STEPS, root_delay=_LATENCY)
    with kernel_of(bench.model.base_url, extension=False) as kernel:
        kernel.ok(_SETUP)
        gaps = []
        for _ in range(1 + bench.runs):
            kernel.ok(_CELL)
            gaps.append(1000 * float(kernel.value("max(gaps)")))
    what = "longest silence of a kernel's event loop during `await rlm.acompletion`"
    return [
        Figure(what, "ms", median(gaps[1:]), limit=20),
        Figure("  the first time, with all that is imported then", "ms", gaps[0]),
    ]
