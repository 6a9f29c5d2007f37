"""Measure rlm-jupyter beside PyPI's rlms and dspy, and print one table.

    python tests/benchmarks/run.py [--only NAME ...] [--runs N] [--quick] [--write PAGE] [--peers FOLDER]

This is a report and not a test: a target that is missed is said in the table. What cannot be measured at all is said at
the end, and the exit code is then 1.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import machine, page
from benchmarks.bench import Bench
from benchmarks.figure import OURS, PEERS, Figure, Finding, Measure
from benchmarks.peers.packages import DISTRIBUTIONS
from benchmarks.scripted_model import ScriptedModel
from benchmarks.table import table

_MODULES = {"server": "server_load"}
_PEERS = Path(__file__).resolve().parents[2] / ".venv" / "peers"


def main() -> None:
    """Measure what is asked for, one thing at a time, and print what came of it."""
    arguments = _arguments()
    interpreters = _interpreters(arguments.peers)
    peers = [name for name in PEERS if name in interpreters]
    with ScriptedModel() as model:
        bench = Bench(model, interpreters, 1 if arguments.quick else arguments.runs, arguments.quick)
        about = machine.described(_versions(bench))
        found, failed = _measured(bench, arguments.only or list(page.TITLES))
    figures = [each for findings in found.values() for each in findings if isinstance(each, Figure)]
    print("\n" + "\n".join(f"{name}: {value}" for name, value in about.items()))
    print(f"medians of {bench.runs} runs\n\n{table(figures, peers)}")
    if arguments.write is not None:
        page.write(arguments.write, found, about, bench.runs, peers)
    if failed:
        print(f"\nNot measured: {', '.join(failed)}", file=sys.stderr)
        sys.exit(1)


def _measured(bench: Bench, names: Sequence[str]) -> tuple[Mapping[str, Sequence[Finding]], Sequence[str]]:
    """Return what was found, by measure, and the names of those that failed, whose errors are said.

    An interrupt ends the measuring, and loses nothing of what was found before.
    """
    found, failed = {}, []
    for name in names:
        began = time.perf_counter()
        print(f"{name} ...", end=" ", file=sys.stderr, flush=True)
        measure: Measure = import_module(f"benchmarks.{_MODULES.get(name, name)}").measure
        try:
            found[name] = measure(bench)
        except Exception:
            failed.append(name)
            traceback.print_exc()
        except KeyboardInterrupt:
            failed += names[names.index(name) :]
            break
        print(f"{time.perf_counter() - began:.0f} s", file=sys.stderr)
    return found, failed


def _interpreters(folder: Path) -> dict[str, Path]:
    """Return the Pythons of the packages that are installed; ours is this one."""
    theirs = {name: folder / name / "bin" / "python" for name in PEERS}
    return {OURS: Path(sys.executable), **{name: python for name, python in theirs.items() if python.exists()}}


def _versions(bench: Bench) -> dict[str, str]:
    versions = {}
    for name in bench.interpreters:
        with bench.peer(name) as peer:
            versions[DISTRIBUTIONS[name]] = str(peer.ask("version"))
    return versions


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure rlm-jupyter beside rlms and dspy.")
    names = ", ".join(page.TITLES)
    parser.add_argument("--only", nargs="+", choices=page.TITLES, metavar="NAME", help=f"some of: {names}")
    parser.add_argument("--runs", type=int, default=5, metavar="N", help="of how many runs the medians are (5)")
    parser.add_argument("--quick", action="store_true", help="one run of less, to see that everything works")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="write this page too, and its charts beside it")
    parser.add_argument(
        "--peers", type=Path, default=_PEERS, metavar="FOLDER", help="where the environments of rlms and dspy are"
    )
    arguments = parser.parse_args()
    if arguments.runs < 1:
        parser.error("--runs must be at least 1")
    return arguments


if __name__ == "__main__":
    main()
