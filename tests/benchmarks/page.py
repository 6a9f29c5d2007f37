"""``docs/benchmarks.md``: what a run of the benchmarks found, and its charts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.drawing import draw
from benchmarks.figure import Chart, Figure, Finding
from benchmarks.table import columns, number, row

__all__ = ["TITLES", "write"]

TITLES = {
    "startup": "To begin",
    "iterations": "What a run costs besides the model",
    "batches": "Many calls at once",
    "children": "Child runs",
    "contexts": "A large context",
    "prompts": "A long prompt",
    "traces": "Traces",
    "interrupts": "To stop",
    "usage": "Usage",
    "troubles": "A server that refuses, drops and stalls",
    "event_loop": "The kernel's event loop",
    "recording": "Recording",
    "server": "The Jupyter server",
}

_NOTES = {
    "iterations": "The model replies at once: all that is left is the package, and the HTTP call under it.",
    "batches": "rlms always has 16 calls in flight, dspy 8. Each batch is the second or a later one of its process.",
    "contexts": "Beyond a context of 1 kB. Memory is the most that a process and those below it hold in a question, "
    "beyond what they held before; the context itself is there already. dspy's code runs in a process of its own.",
    "interrupts": "200 calls are asked for; dspy has 8 of them in flight.",
    "traces": "JSONL; dspy has no log of this kind.",
    "troubles": "One request in five is refused with 429 and `Retry-After: 0.2`, one connection in fifty lost, and one "
    "request in a hundred stalls for 4 s where 2 s are allowed. Each package repeats requests as it does by default.",
    "usage": "Of what the server counted, in per cent. dspy counts tokens, not calls.",
}

_INTRODUCTION = """\
# Benchmarks

Written by `make bench`; change nothing here by hand. rlm-jupyter, [rlms](https://pypi.org/project/rlms/) and
[dspy](https://pypi.org/project/dspy/) (`dspy.RLM`) are measured in turn in the same run, each in its own environment,
with the same scripted model, which is a process of its own. dspy's code runs in its local worker, a Python like that of
the others, and not in its sandbox, which is one in WebAssembly. An empty cell has no counterpart, or could not be
measured. What is marked **NO** misses its target.
"""


def write(
    page: Path, found: Mapping[str, Sequence[Finding]], machine: Mapping[str, str], runs: int, peers: Sequence[str]
) -> None:
    """Write the page, and its charts into a folder beside it that has its name. What was there is replaced."""
    pictures = page.with_suffix("")
    pictures.mkdir(parents=True, exist_ok=True)
    parts = [_INTRODUCTION, _machine(machine, runs), _summary(found)]
    for name, findings in found.items():
        parts.append(f"## {TITLES[name]}\n")
        if name in _NOTES:
            parts.append(f"{_NOTES[name]}\n")
        parts.append(_table([each for each in findings if isinstance(each, Figure)], peers))
        for chart in findings:
            if isinstance(chart, Chart):
                draw(chart, pictures / f"{chart.name}.svg")
                parts.append(_picture(chart, pictures.name))
    page.write_text("\n".join(parts), encoding="utf-8")


def _machine(machine: Mapping[str, str], runs: int) -> str:
    lines = [f"| {name} | {value} |" for name, value in machine.items()]
    return "\n".join(["| | |", "|---|---|", *lines, f"| medians of | {runs} runs |", ""])


def _summary(found: Mapping[str, Sequence[Finding]]) -> str:
    figures = [each for findings in found.values() for each in findings if isinstance(each, Figure)]
    missed, above = [], ""
    for figure in figures:
        above = above if figure.what.startswith(" ") else figure.what
        if figure.met is False:
            missed.append(figure.what if figure.what == above else f"{above}: {figure.what.strip()}")
    targets = sum(figure.met is not None for figure in figures)
    said = [f"{targets - len(missed)} of {targets} targets are met."]
    if missed:
        said += ["Missed:", "", *(f"- {what}" for what in missed)]
    return "\n".join([*said, ""])


def _table(figures: Sequence[Figure], peers: Sequence[str]) -> str:
    head = columns(peers)
    lines = ["| " + " | ".join(head) + " |", "|---|" + "--:|" * (len(head) - 1)]
    for figure in figures:
        what, *cells = row(figure, peers)
        indented = what.replace("  ", "&emsp;", 1) if what.startswith("  ") else what
        cells[-1] = cells[-1].replace("NO", "**NO**")
        lines.append("| " + " | ".join([indented, *cells]) + " |")
    return "\n".join([*lines, ""])


def _picture(chart: Chart, folder: str) -> str:
    """Return the picture, and its numbers for those who cannot see it or want to know exactly."""
    at = sorted({x for line in chart.lines for x, _ in line.points})
    head = [chart.x, *(f"{x:,g}" for x in at)]
    rows = [[line.label, *(_point(dict(line.points).get(x)) for x in at)] for line in chart.lines]
    return "\n".join(
        [
            f"![{chart.title}: {chart.y} over {chart.x}]({folder}/{chart.name}.svg)",
            "",
            f"<details><summary>{chart.title}: {chart.y}</summary>",
            "",
            "| " + " | ".join(head) + " |",
            "|---|" + "--:|" * len(at),
            *("| " + " | ".join(cells) + " |" for cells in rows),
            "",
            "</details>",
            "",
        ]
    )


def _point(value: float | None) -> str:
    return "" if value is None else number(value)
