"""One line of the report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from benchmarks.scripted_model import ScriptedModel

__all__ = ["Figure", "Measure"]


@dataclass(frozen=True)
class Figure:
    """What was measured, in one unit. ``limit`` is the target, which what is ours must not be above."""

    what: str
    unit: str
    ours: float
    theirs: float | None = None
    limit: float | None = field(default=None, kw_only=True)
    ideal: float | None = field(default=None, kw_only=True)

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        return None if self.limit is None else self.ours <= self.limit

    @property
    def ratio(self) -> float | None:
        """How many times of ours theirs is; None where one of them is missing or 0."""
        return None if self.theirs is None or self.ours <= 0 else self.theirs / self.ours


Measure: TypeAlias = "Callable[[ScriptedModel, Sequence[str], int], list[Figure]]"
"""Takes the model, the packages that are there, and of how many runs to give the median."""
