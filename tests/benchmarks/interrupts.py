"""The stop button, and Ctrl-C, while sub-calls are in flight."""

from __future__ import annotations

import time
from collections.abc import Sequence
from statistics import median

from benchmarks.bench import Bench
from benchmarks.figure import Figure, compared
from benchmarks.peer import PeerError
from benchmarks.scripted_model import ScriptedModel, answer
from benchmarks.subject import kernel_of
from live_kernel import LiveKernel

__all__ = ["measure"]

_CALLS = 200
_LATENCY = 1.0  # seconds
_WATCHED = 1.5  # seconds; by then what was in flight would be answered, and what waits for room be sent
_BATCH = answer(f"llm_query_batched([f'prompt {{number}}' for number in range({_CALLS})])")
_WIDTHS = {"ours": 16, "rlms": 16, "dspy": 8}


def measure(bench: Bench) -> list[Figure]:
    """Return milliseconds from the signal to the end, and how many requests the server gets after the signal."""
    scripts = bench.each(_scripts)
    figures = _figures("Ctrl-C in a script", 16, scripts)
    if not bench.quick:
        for width in (_CALLS, 16):
            figures += _figures("the stop button in a kernel", width, {"ours": _kernel(bench, width)})
    return figures


def _figures(what: str, width: int, measured: dict[str, tuple[float, float] | None]) -> list[Figure]:
    ends, requests = ({name: each and each[index] for name, each in measured.items()} for index in (0, 1))
    return [
        Figure(f"{what}, {width} calls of 1 s in flight: ends after", "ms", *compared(ends), limit=200),
        Figure(f"  requests in the {_WATCHED} s after it", "", *compared(requests), limit=0),
    ]


def _scripts(bench: Bench, name: str) -> tuple[float, float]:
    return _medians([_script(bench, name) for _ in range(bench.runs)])


def _script(bench: Bench, name: str) -> tuple[float, float]:
    """Interrupt a process; a fresh one each time, because an interrupted batch may go on."""
    bench.model.play(_BATCH, package=name, delay=_LATENCY)
    with bench.peer(name) as peer:
        width = _WIDTHS[name]
        peer.order("interrupted", base_url=bench.model.base_url, options={"iterations": 1, "width": width})
        bench.model.wait_for(1 + width)
        pressed = time.monotonic()
        peer.interrupt()
        ended = peer.answer()
        if ended is None:
            msg = f"{name} answers as if nothing had been interrupted."
            raise PeerError(msg)
        return _watched(bench.model, pressed, ended)


def _kernel(bench: Bench, width: int) -> tuple[float, float]:
    with kernel_of(bench.model.base_url) as kernel:
        kernel.ok(f"%config RLMMagics.max_concurrent_subcalls = {width}")
        return _medians([_cell(bench.model, kernel, width) for _ in range(bench.runs)])


def _cell(model: ScriptedModel, kernel: LiveKernel, width: int) -> tuple[float, float]:
    """Press stop once all that may be in flight is."""
    model.play(_BATCH, delay=_LATENCY)
    message_id = kernel.send("%rlm What is it?")
    model.wait_for(1 + width)
    pressed = time.monotonic()
    kernel.interrupt()
    executed = kernel.finish(message_id)
    ended = time.monotonic()
    assert executed.status == "error", "the cell must fail when it is interrupted"
    return _watched(model, pressed, ended)


def _watched(model: ScriptedModel, pressed: float, ended: float) -> tuple[float, float]:
    time.sleep(max(0.0, pressed + _WATCHED - time.monotonic()))
    return 1000 * (ended - pressed), sum(each.arrived > pressed for each in model.exchanges())


def _medians(measured: Sequence[tuple[float, float]]) -> tuple[float, float]:
    ends, requests = zip(*measured, strict=True)
    return median(ends), median(requests)
