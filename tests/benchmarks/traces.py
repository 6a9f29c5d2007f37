"""How large a trace gets."""

from __future__ import annotations

from tempfile import TemporaryDirectory

from benchmarks.bench import Bench
from benchmarks.figure import OURS, Chart, Figure, Finding, Line, compared
from benchmarks.scripted_model import Step, answer

__all__ = ["measure"]

_COUNTS = (10, 30, 100)  # iterations; in each the model prints 100 characters of its context
_LIMITS = {100: 1.0}  # megabytes
_SIZES = {"10 kB": 10_000, "1 MB": 1_000_000}  # of the context, in characters


def measure(bench: Bench) -> list[Finding]:
    """Return megabytes of JSONL, each of one run: they do not differ by more than the length of a number."""
    counts = _COUNTS[:1] if bench.quick else _COUNTS
    sizes = {
        (count, kind): bench.each(_megabytes, count, size, without=["dspy"])
        for count in counts
        for kind, size in _SIZES.items()
    }
    figures = [
        Figure(f"log of {count} iterations, {kind} context", "MB", *compared(measured), limit=_LIMITS.get(count))
        for (count, kind), measured in sizes.items()
    ]
    if not bench.quick:
        figures += _growth({key: measured[OURS] or 0.0 for key, measured in sizes.items()})
    return [*figures, _chart(sizes)]


def _growth(ours: dict[tuple[int, str], float]) -> list[Figure]:
    few, many = min(_COUNTS), max(_COUNTS)
    small, large = _SIZES
    of_few, of_many = ours[few, large] / few, ours[many, large] / many
    over_small = ours[many, large] / ours[many, small]
    return [
        # A run has its own beginning and end, which count for more where there are few iterations.
        Figure(f"  an iteration of {many}, to one of {few}", "x", of_many / of_few, limit=1.05),
        Figure(f"  {many} iterations over {large}, to as many over {small}", "x", over_small, limit=1.05),
    ]


def _chart(sizes: dict[tuple[int, str], dict[str, float | None]]) -> Chart:
    lines = []
    for name in (OURS, "rlms"):
        for kind in _SIZES:
            found = [(count, measured.get(name)) for (count, of), measured in sizes.items() if of == kind]
            points = [(float(count), megabytes) for count, megabytes in found if megabytes is not None]
            if points:
                lines.append(Line(f"{name}, {kind} context", name, points))
    return Chart("traces", "The log of a run over its iterations", "iterations", "megabytes", lines)


def _megabytes(bench: Bench, name: str, iterations: int, size: int) -> float:
    looks = [Step((f"print(context[{80 * number} : {80 * number + 100}])",)) for number in range(iterations - 1)]
    bench.model.play(*looks, answer(), package=name)
    with TemporaryDirectory() as folder, bench.peer(name) as peer:
        options = {"iterations": iterations + 1, "log": folder}
        logged: int = peer.ask("logged", base_url=bench.model.base_url, options=options, size=size)
    return logged / 1e6
