"""The report as text."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.figure import Figure

__all__ = ["table"]

_HEADER = ("what", "ours", "rlms", "rlms / ours", "target", "met")


def table(figures: Sequence[Figure]) -> str:
    """Return the figures as aligned columns."""
    rows = [_HEADER, *(_row(figure) for figure in figures)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rows.insert(1, tuple("-" * width for width in widths))
    return "\n".join(_line(row, widths) for row in rows)


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    what, *numbers = row
    aligned = [number.rjust(width) for number, width in zip(numbers, widths[1:], strict=True)]
    return "  ".join([what.ljust(widths[0]), *aligned]).rstrip()


def _row(figure: Figure) -> tuple[str, ...]:
    ideal = "" if figure.ideal is None else f"(ideal {_number(figure.ideal)}) "
    return (
        figure.what,
        _amount(figure.ours, figure.unit),
        _amount(figure.theirs, figure.unit),
        _amount(figure.ratio, "x"),
        ideal + ("" if figure.limit is None else f"<= {_amount(figure.limit, figure.unit)}"),
        {None: "", True: "yes", False: "NO"}[figure.met],
    )


def _amount(value: float | None, unit: str) -> str:
    return "" if value is None else f"{_number(value)} {unit}".rstrip()


def _number(value: float) -> str:
    """Return the number with three digits that count."""
    size = abs(value)
    if value == int(value) or size >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if size >= 10 else f"{value:.2f}"
