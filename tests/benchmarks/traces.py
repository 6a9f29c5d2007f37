"""How large a trace gets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.figure import Figure
from benchmarks.scripted_model import ScriptedModel
from benchmarks.subject import ANSWER, OURS, in_fresh_process, new_logger, new_rlm
from scripts import code

__all__ = ["measure"]

_MANY, _FEW = 100, 20  # iterations
_LARGE, _SMALL = 1_000_000, 100_000  # characters of context; the model prints 1,000 of them in every iteration
_LINE = "A trace that holds its context over and over is no trace.\n"


def measure(model: ScriptedModel, packages: Sequence[str], runs: int) -> list[Figure]:
    """Return megabytes of JSONL, each of one run: they do not differ by more than the length of a number."""
    del runs
    many = [_megabytes(model, package, _MANY, _LARGE) for package in packages]
    few = _megabytes(model, OURS, _FEW, _LARGE)
    small = _megabytes(model, OURS, _MANY, _SMALL)
    return [
        Figure(f"log of {_MANY} iterations, 1 MB context", "MB", *many),
        Figure(f"  an iteration of it, to one of {_FEW}", "x", many[0] / _MANY * _FEW / few, limit=1.05),
        Figure("  the whole of it, to one over 0.1 MB", "x", many[0] / small, limit=1.05),
    ]


def _megabytes(model: ScriptedModel, package: str, iterations: int, size: int) -> float:
    looks = [f"print(context[{1000 * number} : {1000 * (number + 1)}])" for number in range(iterations - 1)]
    model.play(*(code(look) for look in looks), code(*ANSWER))
    return in_fresh_process(_log, package, model.base_url, iterations, size) / 1e6


def _log(package: str, base_url: str, iterations: int, size: int) -> int:
    """Return how many bytes a completion logs."""
    context = _LINE * (size // len(_LINE) + 1)
    with TemporaryDirectory() as folder:
        rlm = new_rlm(package, base_url, max_iterations=iterations, logger=new_logger(package, folder))
        rlm.completion(context, "What is it?")
        return sum(path.stat().st_size for path in Path(folder).glob("*.jsonl"))
