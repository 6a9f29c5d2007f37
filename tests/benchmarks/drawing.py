"""Charts as SVG, for light and for dark pages: nothing is behind them, and their colours stand out from both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.figure import Chart

__all__ = ["draw"]

_INK = "#808080"
_COLOURS = {"ours": "#2f81f7", "rlms": "#db6d28", "dspy": "#3fa34d", "ideal": _INK}
_STYLES = (("-", "o"), ("--", "s"), (":", "^"), ("-.", "D"))

_SETTINGS: dict[str, Any] = {
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "rlm-jupyter",  # the same chart is the same file
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.alpha": 0.25,
    **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), _INK),
    "grid.color": _INK,
}


def draw(chart: Chart, path: Path) -> None:
    """Write the chart into the file."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure as Canvas
    from matplotlib.ticker import FuncFormatter, NullFormatter

    with mpl.rc_context(_SETTINGS):
        canvas = Canvas(figsize=(7.5, 4.0), layout="constrained")
        FigureCanvasSVG(canvas)
        axes = canvas.add_subplot()
        axes.set_xscale("log")
        axes.set_yscale("log")
        for line, (style, marker) in zip(chart.lines, _styles(chart), strict=True):
            x, y = zip(*line.points, strict=True)
            lifted = [max(value, chart.floor) for value in y]
            look: dict[str, Any] = (
                {"linewidth": 1.0, "marker": ""} if line.ideal else {"linewidth": 1.8, "marker": marker}
            )
            axes.plot(x, lifted, style, color=_COLOURS[line.package], label=line.label, markersize=4.5, **look)
        ticks = sorted({point[0] for line in chart.lines for point in line.points})
        axes.set_xticks(ticks, [f"{tick:,g}" for tick in ticks])
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value, chart.floor)))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.minorticks_off()
        axes.set_xlabel(chart.x)
        axes.set_ylabel(chart.y)
        axes.grid(visible=True)
        axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=9)
        canvas.savefig(path, format="svg", transparent=True, metadata={"Date": None, "Creator": None})


def _styles(chart: Chart) -> list[tuple[str, str]]:
    """Return each line's style: those of one package differ."""
    seen: dict[str, int] = {}
    styles = []
    for line in chart.lines:
        number = seen.get(line.package, 0)
        seen[line.package] = number + 1
        styles.append(_ideal(number) if line.ideal else _STYLES[number % len(_STYLES)])
    return styles


def _tick(value: float, floor: float) -> str:
    return f"≤ {value:,g}" if value <= floor else f"{value:,g}"


def _ideal(number: int) -> tuple[str, str]:
    return (_STYLES[number % len(_STYLES)][0], "")
