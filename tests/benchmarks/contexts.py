"""What a large context costs beyond a small one, in each place where model code runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, TypeAlias

from benchmarks.bench import Bench
from benchmarks.figure import OURS, Chart, Figure, Finding, Line, compared
from benchmarks.memory import Memory
from benchmarks.peers.program import LINE
from benchmarks.scripted_model import Step, answer
from benchmarks.subject import kernel_of

__all__ = ["measure"]

_SMALL = 1_000  # characters of one byte
_SIZES = (1_000_000, 10_000_000, 100_000_000)
_STEPS = (Step(("print(len(context))",)), answer())

_LOCAL, _IN_PROCESS, _SUBPROCESS, _JUPYTER = "local", "ipython, in process", "ipython, subprocess", "jupyter"
_OPTIONS: dict[str, dict[str, Any]] = {
    _LOCAL: {"environment": "local"},
    _IN_PROCESS: {"environment": "ipython", "environment_kwargs": {"kernel_mode": "in_process"}},
    _SUBPROCESS: {"environment": "ipython", "environment_kwargs": {"kernel_mode": "subprocess"}},
}
_PLACES = {
    OURS: (_LOCAL, _IN_PROCESS, _SUBPROCESS, _JUPYTER),
    "rlms": (_LOCAL, _IN_PROCESS, _SUBPROCESS),
    "dspy": (_SUBPROCESS,),  # its code runs in a process of its own, always
}
_IN_KERNEL = (_LOCAL, _IN_PROCESS, _JUPYTER)
"""Where model code runs in the process that holds the context already."""


_Measured: TypeAlias = tuple[list[tuple[float, float]], list[int]]
"""When completions began and returned, over contexts of each size in turn, and the bytes that they gained."""


@dataclass(frozen=True)
class _Extra:
    """What a context costs beyond one of 1 kB: seconds of the whole, seconds up to the last reply, and bytes."""

    whole: float
    replied: float
    memory: float


def measure(bench: Bench) -> list[Finding]:
    """Return the extra milliseconds and the extra megabytes of a completion over 100 MB of text."""
    sizes = _SIZES[:1] if bench.quick else _SIZES
    places = {
        place: bench.each(
            _extras, place, sizes, without=[name for name in bench.interpreters if place not in _PLACES[name]]
        )
        for place in _PLACES[OURS]
    }
    figures = [figure for place, measured in places.items() for figure in _figures(place, measured, max(sizes))]
    return [*figures, *_charts(places)]


def _figures(place: str, measured: Mapping[str, dict[int, _Extra] | None], size: int) -> list[Figure]:
    def of(take: Callable[[_Extra], float]) -> dict[str, float | None]:
        return {name: take(extras[size]) if extras else None for name, extras in measured.items()}

    ours = of(lambda extra: 1000 * extra.whole)[OURS]
    here = place in _IN_KERNEL
    return [
        Figure(f"{size // 1_000_000} MB context, `{place}`: extra time", "ms", ours, limit=5 if here else None),
        # rlms ends each run by waiting for a thread that looks up every half second: only until then can one tell.
        Figure("  to the last reply", "ms", *compared(of(lambda extra: 1000 * extra.replied))),
        Figure("  extra peak memory", "MB", *compared(of(lambda extra: extra.memory / 1e6)), limit=1 if here else None),
    ]


def _charts(places: Mapping[str, Mapping[str, dict[int, _Extra] | None]]) -> list[Chart]:
    times, memory = [], []
    for place, measured in places.items():
        for name, extras in measured.items():
            if extras:
                label = f"{name}, {place}" if name != "dspy" else "dspy, worker process"
                times.append(Line(label, name, [(size / 1e6, 1000 * each.replied) for size, each in extras.items()]))
                memory.append(Line(label, name, [(size / 1e6, each.memory / 1e6) for size, each in extras.items()]))
    x = "megabytes of context"
    return [
        Chart("context-time", "Time that a context takes, beyond one of 1 kB", x, "milliseconds", times, floor=1.0),
        Chart("context-memory", "Peak memory that a context takes, beyond itself", x, "megabytes", memory, floor=0.1),
    ]


def _extras(bench: Bench, name: str, place: str, sizes: Sequence[int]) -> dict[int, _Extra]:
    bench.model.play(*_STEPS, package=name)
    rounds = (_SMALL, *sizes)
    times, gained = (_in_kernel if place == _JUPYTER else _in_peer)(bench, name, place, rounds)
    last_replies = [each.replied or 0.0 for each in bench.model.exchanges()[1::2]]
    wholes = [returned - began for began, returned in times]
    replied = [reply - began for (began, _), reply in zip(times, last_replies, strict=True)]
    extras = {}
    for index, size in enumerate(rounds):
        # The first round is not counted.
        whole, to_reply, memory = (_extra(values, index, len(rounds)) for values in (wholes, replied, gained))
        extras[size] = _Extra(whole, to_reply, memory)
    del extras[_SMALL]
    return extras


def _extra(values: Sequence[float], index: int, width: int) -> float:
    """Return the median of what rounds have at an index, less what they have at the first."""
    return median(
        large - small for small, large in zip(values[width::width], values[width + index :: width], strict=True)
    )


def _in_peer(bench: Bench, name: str, place: str, sizes: Sequence[int]) -> _Measured:
    """Return what is measured of completions in a fresh process."""
    options = {} if name == "dspy" else _OPTIONS[place]
    with bench.peer(name) as peer, Memory(peer.pid) as memory:
        completions = peer.ask(
            "complete", base_url=bench.model.base_url, times=1 + bench.runs, options=options, sizes=sizes
        )
    times = [(each["began"], each["returned"]) for each in completions]
    return times, [memory.gained(*span) for span in times]


def _in_kernel(bench: Bench, name: str, place: str, sizes: Sequence[int]) -> _Measured:
    """Return what is measured of cells in a kernel, as a front end sees them."""
    times = []
    with kernel_of(bench.model.base_url) as kernel, Memory(kernel.value("__import__('os').getpid()")) as memory:
        for size in sizes:
            kernel.ok(f"text_{size} = {LINE!r} * {size // len(LINE)}")
        for _ in range(1 + bench.runs):
            for size in sizes:
                began = time.monotonic()
                kernel.ok(f"%%rlm --fresh --context text_{size}\nWhat is it?")
                times.append((began, time.monotonic()))
        time.sleep(0.01)  # for the last look
    return times, [memory.gained(*span) for span in times]
