"""The stop button while sub-calls are in flight."""

from __future__ import annotations

import time
from collections.abc import Sequence
from statistics import median

from benchmarks.figure import Figure
from benchmarks.scripted_model import ScriptedModel
from benchmarks.subject import THEIRS, new_kernel
from live_kernel import LiveKernel
from scripts import code

__all__ = ["measure"]

_CALLS = 200
_LATENCY = 1.0  # seconds
_WATCHED = 1.5  # seconds; by then what was in flight would be answered, and what waits for room be sent
_BATCH = code(f"llm_query_batched([f'prompt {{number}}' for number in range({_CALLS})])")
_QUESTION = "%rlm What is it?"
_THEIRS = (
    "import rlm",
    "rlm.RLM(backend_kwargs={'model_name': 'scripted', 'base_url': %r, 'api_key': 'none'}).completion('What is it?')",
)


def measure(model: ScriptedModel, packages: Sequence[str], runs: int) -> list[Figure]:
    """Return milliseconds from the signal to the cell's end, and how many requests the server gets after the signal."""
    wide, narrow = (_interrupt_ours(model, width, runs) for width in (_CALLS, 16))
    # rlms is 16 wide, whatever one says.
    theirs = [_interrupt_theirs(model, runs)] if THEIRS in packages else []
    return [*_figures(_CALLS, wide), *_figures(16, narrow, *theirs)]


def _figures(width: int, *measured: tuple[float, float]) -> list[Figure]:
    ends, requests = zip(*measured, strict=True)
    what = f"interrupt, {_CALLS} sub-calls of 1 s, {width} in flight"
    return [
        Figure(f"{what}: cell ends after", "ms", *ends, limit=200),
        Figure(f"  requests in the {_WATCHED} s after it", "", *requests, limit=0),
    ]


def _interrupt_ours(model: ScriptedModel, width: int, runs: int) -> tuple[float, float]:
    env = {"OPENAI_API_KEY": "for-the-scripted-model", "OPENAI_BASE_URL": model.base_url}
    with new_kernel(env) as kernel:
        kernel.ok(f"%config RLMMagics.max_concurrent_subcalls = {width}")
        measured = [_interrupt(model, kernel, _QUESTION, 1 + width) for _ in range(runs)]
    return _medians(measured)


def _interrupt_theirs(model: ScriptedModel, runs: int) -> tuple[float, float]:
    measured = []
    for _ in range(runs):
        with new_kernel(extension=False) as kernel:  # a fresh one: an interrupted batch goes on
            kernel.ok(_THEIRS[0])
            measured.append(_interrupt(model, kernel, _THEIRS[1] % model.base_url, 1 + 16))
    return _medians(measured)


def _interrupt(model: ScriptedModel, kernel: LiveKernel, cell: str, requests: int) -> tuple[float, float]:
    """Press stop once so many requests are in flight."""
    model.play(_BATCH, delay=_LATENCY)
    message_id = kernel.send(cell)
    model.wait_for(requests)
    pressed = time.monotonic()
    kernel.interrupt()
    executed = kernel.finish(message_id)
    ended = time.monotonic()
    assert executed.status == "error", "the cell must fail when it is interrupted"
    time.sleep(max(0.0, pressed + _WATCHED - time.monotonic()))
    return 1000 * (ended - pressed), sum(each.arrived > pressed for each in model.exchanges())


def _medians(measured: Sequence[tuple[float, float]]) -> tuple[float, float]:
    ends, requests = zip(*measured, strict=True)
    return median(ends), median(requests)
