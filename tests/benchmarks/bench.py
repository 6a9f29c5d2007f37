"""What every measure is given: the scripted model, the packages, and how much is to be measured."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

from benchmarks.figure import OURS
from benchmarks.peer import Peer, PeerError
from benchmarks.scripted_model import ScriptedModel

__all__ = ["Bench", "Completion"]

T = TypeVar("T")


@dataclass(frozen=True)
class Completion:
    """One answer of a package: when it was asked for and when it was there, in seconds of ``time.monotonic()``."""

    began: float
    returned: float
    answer: str
    usage: Mapping[str, int]

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.returned - self.began


@dataclass(frozen=True)
class Bench:
    """``interpreters`` are the Pythons of the packages that are there, ours among them; medians are of ``runs``.

    A ``quick`` one measures as little as it takes to see that everything works.
    """

    model: ScriptedModel
    interpreters: Mapping[str, Path]
    runs: int
    quick: bool = False

    def peer(self, name: str = OURS) -> Peer:
        """Return the package in a fresh process, which starts with the ``with`` block."""
        return Peer(self.interpreters[name], name)

    def each(self, measure: Callable[..., T], *arguments: Any, without: Sequence[str] = ()) -> dict[str, T | None]:
        """Return what ``measure(bench, name, *arguments)`` gives for each package; None if it fails, which is said.

        What of ours fails is raised: it is a fault of the harness, or of what is measured.
        """
        measured: dict[str, T | None] = {}
        for name in self.interpreters:
            if name in without:
                continue
            try:
                measured[name] = measure(self, name, *arguments)
            except (AssertionError, PeerError, ValueError) as error:
                if name == OURS:
                    raise
                print(f"\n{error}", file=sys.stderr)
                measured[name] = None
        return measured

    def completions(self, name: str, **options: Any) -> list[Completion]:
        """Return the answers of a fresh process to the same question, without the first, which begins everything."""
        return self.complete(name, 1 + self.runs, **options)[1:]

    def complete(self, name: str, times: int, *, size: int = 0, **options: Any) -> list[Completion]:
        """Return so many answers of a fresh process; the context is ``size`` characters long."""
        with self.peer(name) as peer:
            answers = peer.ask("complete", base_url=self.model.base_url, times=times, options=options, sizes=[size])
        return [Completion(**answer) for answer in answers]

    def median(self, name: str, **options: Any) -> float:
        """Return the median of the seconds that model code measured and gave as its answer."""
        return median(float(each.answer) for each in self.completions(name, **options))
