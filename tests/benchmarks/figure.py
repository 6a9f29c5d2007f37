"""What a report is made of: figures, and charts of how something grows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from benchmarks.bench import Bench

__all__ = ["OURS", "PACKAGES", "PEERS", "Chart", "Figure", "Finding", "Line", "Measure", "compared"]

OURS = "ours"
PEERS = ("rlms", "dspy")
PACKAGES = (OURS, *PEERS)


@dataclass(frozen=True)
class Figure:
    """What was measured, in one unit; None where a package has no counterpart, or could not do it.

    Of targets, ``limit`` is what ours must not be above, ``exactly`` what it must be, and ``times`` how many times of
    ours those of other packages must be at least. ``ideal`` is what no package can be below.
    """

    what: str
    unit: str
    ours: float | None
    rlms: float | None = None
    dspy: float | None = None
    limit: float | None = field(default=None, kw_only=True)
    exactly: float | None = field(default=None, kw_only=True)
    times: Mapping[str, float] = field(default_factory=dict, kw_only=True)
    ideal: float | None = field(default=None, kw_only=True)

    @property
    def met(self) -> bool | None:
        """Whether the targets are met; None where there is none. What could not be measured is not met."""
        if self.limit is None and self.exactly is None and not self.times:
            return None
        if self.ours is None:
            return False
        ratios = [(self.ratio(peer), least) for peer, least in self.times.items()]
        return (
            (self.limit is None or self.ours <= self.limit)
            and (self.exactly is None or self.ours == self.exactly)
            and all(ratio is None or ratio >= least for ratio, least in ratios)
        )

    def ratio(self, peer: str) -> float | None:
        """How many times of ours the peer's is; None where one is missing or not above 0, and where it says nothing."""
        if self.unit == "x" or self.exactly is not None:
            return None
        theirs = self.rlms if peer == "rlms" else self.dspy
        return None if theirs is None or theirs < 0 or self.ours is None or self.ours <= 0 else theirs / self.ours


@dataclass(frozen=True)
class Line:
    """One line of a chart: whose it is, and its points. ``ideal`` is what no package can be below."""

    label: str
    package: str
    points: Sequence[tuple[float, float]]
    ideal: bool = False


@dataclass(frozen=True)
class Chart:
    """How something grows, on logarithmic axes. ``name`` is its file's; what is below ``floor`` is drawn there."""

    name: str
    title: str
    x: str
    y: str
    lines: Sequence[Line]
    floor: float = 0.0


Finding: TypeAlias = "Figure | Chart"

Measure: TypeAlias = "Callable[[Bench], Sequence[Finding]]"


def compared(measured: Mapping[str, float | None]) -> tuple[float | None, float | None, float | None]:
    """Return the packages' values in the order in which a figure takes them."""
    return measured.get("ours"), measured.get("rlms"), measured.get("dspy")
