"""The report as text."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.figure import PEERS, Figure

__all__ = ["columns", "number", "row", "table"]


def columns(peers: Sequence[str] = PEERS) -> tuple[str, ...]:
    """Return the names of the columns."""
    return ("what", "ours", *peers, *(f"{peer} / ours" for peer in peers), "target", "met")


def row(figure: Figure, peers: Sequence[str] = PEERS) -> tuple[str, ...]:
    """Return what the columns hold."""
    theirs = {"rlms": figure.rlms, "dspy": figure.dspy}
    return (
        figure.what,
        _amount(figure.ours, figure.unit),
        *(_amount(theirs[peer], figure.unit) for peer in peers),
        *(_amount(figure.ratio(peer), "x") for peer in peers),
        _target(figure),
        {None: "", True: "yes", False: "NO"}[figure.met],
    )


def table(figures: Sequence[Figure], peers: Sequence[str] = PEERS) -> str:
    """Return the figures as aligned columns."""
    rows = [columns(peers), *(row(figure, peers) for figure in figures)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rows.insert(1, tuple("-" * width for width in widths))
    return "\n".join(_line(each, widths) for each in rows)


def number(value: float) -> str:
    """Return the number with three digits that count."""
    size = abs(value)
    if value == int(value) or size >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if size >= 10 else f"{value:.2f}" if size >= 0.1 else f"{value:.2g}"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    what, *numbers = cells
    aligned = [cell.rjust(width) for cell, width in zip(numbers, widths[1:], strict=True)]
    return "  ".join([what.ljust(widths[0]), *aligned]).rstrip()


def _target(figure: Figure) -> str:
    targets = [] if figure.limit is None else [f"<= {_amount(figure.limit, figure.unit)}"]
    if figure.exactly is not None:
        targets.append(_amount(figure.exactly, figure.unit))
    targets += [f"{peer} >= {number(least)} x" for peer, least in figure.times.items()]
    ideal = "" if figure.ideal is None else f"(ideal {number(figure.ideal)}) "
    return ideal + ", ".join(targets)


def _amount(value: float | None, unit: str) -> str:
    return "" if value is None else f"{number(value)} {unit}".rstrip()
