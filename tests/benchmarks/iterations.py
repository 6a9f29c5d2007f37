"""What a run costs besides the model: per iteration, and at its end."""

from __future__ import annotations

import http.client
import json
import time
from dataclasses import dataclass
from statistics import median
from typing import Any
from urllib.parse import urlsplit

from benchmarks.bench import Bench
from benchmarks.figure import PACKAGES, Chart, Figure, Finding, Line, compared
from benchmarks.scripted_model import Step, answer
from benchmarks.subject import in_fresh_process

__all__ = ["measure"]

_ITERATIONS = 10
_MORE = (2, 30, 100)


@dataclass(frozen=True)
class _Cost:
    """Seconds of a run: the whole, what of it is the package's own, and what of that its end takes."""

    whole: float
    own: float
    end: float


def measure(bench: Bench) -> list[Finding]:
    """Return milliseconds of ten iterations with a model that replies at once, and how more of them cost more."""
    ten = bench.each(_cost, _ITERATIONS)
    figures = [
        Figure(
            f"{_ITERATIONS} iterations, 0 ms model, `local`",
            "ms",
            *compared({name: 1000 * cost.whole if cost else None for name, cost in ten.items()}),
            times={"rlms": 10, "dspy": 1},
        ),
        Figure(
            "  an iteration, beyond a plain HTTP call",
            "ms",
            *compared({name: 1000 * cost.own / _ITERATIONS if cost else None for name, cost in ten.items()}),
            limit=2,
        ),
        Figure(
            "  end of the run: last reply to return",
            "ms",
            *compared({name: 1000 * cost.end if cost else None for name, cost in ten.items()}),
            limit=10,
        ),
    ]
    counts = () if bench.quick else _MORE
    more = {count: bench.each(_cost, count) for count in counts}
    return [*figures, _chart({**more, _ITERATIONS: ten})]


def _chart(measured: dict[int, dict[str, _Cost | None]]) -> Chart:
    lines = []
    for name in PACKAGES:
        costs = [(count, costs.get(name)) for count, costs in sorted(measured.items())]
        points = [(float(count), 1000 * cost.own) for count, cost in costs if cost is not None]
        if points:
            lines.append(Line(name, name, points))
    title = "Own cost of a run over its iterations, 0 ms model"
    return Chart("iterations", title, "iterations", "milliseconds beyond plain HTTP calls", lines, floor=1.0)


def _cost(bench: Bench, name: str, iterations: int) -> _Cost:
    steps = [Step((f"x = {number}", "print(x)")) for number in range(1, iterations)]
    bench.model.play(*steps, answer(), package=name)
    completions = bench.completions(name, iterations=iterations + 1)
    last_replies = [each.replied or 0.0 for each in bench.model.exchanges()[iterations - 1 :: iterations]][1:]
    bodies = [_plain(body) for body in bench.model.bodies()[-iterations:]]
    # Of the reply that is about to go out: what the socket takes is counted as the package's.
    ends = [each.returned - reply for each, reply in zip(completions, last_replies, strict=True)]
    whole = median(each.seconds for each in completions)
    plain = in_fresh_process(_over_socket, bench.model.base_url, bodies, bench.runs)
    return _Cost(whole, whole - plain, median(ends))


def _plain(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in {"stream", "stream_options"}}


def _over_socket(base_url: str, bodies: list[dict[str, Any]], runs: int) -> float:
    """Return the median of the seconds that the same requests take one after the other on one connection."""
    split = urlsplit(base_url)
    connection = http.client.HTTPConnection(split.netloc)
    times = []
    for _ in range(1 + runs):
        began = time.perf_counter()
        for body in bodies:
            sent = json.dumps(body)
            connection.request("POST", f"{split.path}/chat/completions", sent, {"Content-Type": "application/json"})
            json.loads(connection.getresponse().read())
        times.append(time.perf_counter() - began)
    connection.close()
    return median(times[1:])
