"""Measure rlm-jupyter, beside PyPI's rlms where it has a counterpart, and print one table.

    python tests/benchmarks/run.py [--only NAME] [--runs N]

This is a report and not a test: a target that is missed is said in the table, and the exit code stays 0.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import batches, children, contexts, interrupts, iterations, recording, server_load, startup, traces
from benchmarks.figure import Measure
from benchmarks.scripted_model import ScriptedModel
from benchmarks.subject import OURS, THEIRS
from benchmarks.table import table

MEASURES: dict[str, Measure] = {
    "startup": startup.measure,
    "iterations": iterations.measure,
    "batches": batches.measure,
    "children": children.measure,
    "contexts": contexts.measure,
    "interrupts": interrupts.measure,
    "traces": traces.measure,
    "recording": recording.measure,
    "server": server_load.measure,
}


def main() -> None:
    """Measure what is asked for, one thing at a time, and print what came of it."""
    arguments = _arguments()
    # On a busy machine the figures are those of the machine.
    busy = f", load {os.getloadavg()[0]:.1f} before it began" if hasattr(os, "getloadavg") else ""
    packages = (OURS, THEIRS) if find_spec(THEIRS) else (OURS,)
    figures = []
    with ScriptedModel() as model:
        for name, measure in MEASURES.items():
            if arguments.only in (None, name):
                began = time.perf_counter()
                print(f"{name} ...", end=" ", file=sys.stderr, flush=True)
                figures += measure(model, packages, arguments.runs)
                print(f"{time.perf_counter() - began:.0f} s", file=sys.stderr)
    theirs = f"rlms {version('rlms')}" if THEIRS in packages else "no rlms, which needs Python 3.11"
    print(f"\nrlm-jupyter {version('rlm-jupyter')} and {theirs}; medians of {arguments.runs} runs")
    print(f"Python {platform.python_version()}, {platform.system()}, {os.cpu_count()} cores{busy}\n")
    print(table(figures))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure rlm-jupyter beside rlms.")
    parser.add_argument("--only", choices=MEASURES, metavar="NAME", help=f"one of: {', '.join(MEASURES)}")
    parser.add_argument("--runs", type=int, default=5, metavar="N", help="of how many runs the medians are (5)")
    arguments = parser.parse_args()
    if arguments.runs < 1:
        parser.error("--runs must be at least 1")
    return arguments


if __name__ == "__main__":
    main()
