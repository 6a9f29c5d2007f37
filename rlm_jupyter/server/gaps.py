"""Which runs lack numbers, and when a kernel is to be asked for them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = ["Gaps"]

_PATIENCE = 1.0
"""Seconds for which a number may come later than those after it."""

_ATTEMPTS = 6
"""How often the same numbers are asked for, each time after twice as long."""

_RUNS = 1_000
"""Runs of a kernel that are watched; a hostile kernel may begin any number."""


@dataclass(slots=True)
class _Run:
    expected: int = 0
    last: int = -1
    due: float | None = None
    asked: int = 0
    failed: int = 0
    ranges: Sequence[tuple[int, int]] = ()


class Gaps:
    """Watches the numbers of every run's events; times are a clock's that the caller reads."""

    def __init__(self) -> None:
        self.asked = 0
        self.given_up = 0
        self._kernels: dict[str, OrderedDict[str, _Run]] = {}

    def heard(self, kernel_id: str, run_id: str, numbers: Iterable[int], now: float) -> None:
        """Note which numbers came, in the order in which they came."""
        run = self._run(kernel_id, run_id)
        for number in numbers:
            if number == run.expected:
                run.expected += 1
            elif number > run.expected and run.due is None and not run.asked:
                run.due = now + _PATIENCE
            run.last = max(run.last, number)

    def lost(self, kernel_id: str, run_id: str, now: float) -> None:
        """Note that something of the run came and could not be kept."""
        run = self._run(kernel_id, run_id)
        run.due = now + 2 * _PATIENCE if run.due is None else run.due

    def ended(self, kernel_id: str, run_id: str, now: float) -> None:
        """Note that the run has ended and is not whole: what is missing now will not come by itself."""
        run = self._run(kernel_id, run_id)
        if run.due is None or not run.asked:
            run.due, run.asked = now, 0

    def done(self, kernel_id: str, run_id: str) -> None:
        """Note that nothing is missing from the run, which has ended."""
        runs = self._kernels.get(kernel_id)
        if runs is not None:
            runs.pop(run_id, None)

    def gone(self, kernel_id: str) -> None:
        """Note that the kernel cannot be asked any more."""
        self._kernels.pop(kernel_id, None)

    def wait(self, now: float) -> float | None:
        """Return after how many seconds the next run is to be looked at; None when there is none."""
        due = [run.due for runs in self._kernels.values() for run in runs.values() if run.due is not None]
        return max(0.0, min(due) - now) if due else None

    def due(self, now: float) -> list[tuple[str, str]]:
        """Return the kernels and runs that are to be looked at now."""
        return [
            (kernel_id, run_id)
            for kernel_id, runs in self._kernels.items()
            for run_id, run in runs.items()
            if run.due is not None and run.due <= now
        ]

    def found(self, kernel_id: str, run_id: str, missing: Sequence[tuple[int, int]], now: float) -> bool:
        """Note what is missing from the run, and say whether the kernel is to be asked for it."""
        run = self._run(kernel_id, run_id)
        run.failed = 0
        if not missing:
            run.expected, run.due, run.asked = run.last + 1, None, 0
            return False
        if list(run.ranges) != list(missing):
            run.asked, run.ranges = 0, missing
        if run.asked == _ATTEMPTS:
            self.given_up += 1
            run.due = None
            return False
        self.asked += 1
        run.asked += 1
        run.due = now + _PATIENCE * 2**run.asked
        return True

    def unknown(self, kernel_id: str, run_id: str, now: float) -> None:
        """Note that what is missing cannot be found out just now: the run is looked at again, each time later."""
        run = self._run(kernel_id, run_id)
        run.due = now + _PATIENCE * 2**run.failed
        run.failed = min(run.failed + 1, _ATTEMPTS)

    def _run(self, kernel_id: str, run_id: str) -> _Run:
        runs = self._kernels.setdefault(kernel_id, OrderedDict())
        run = runs.get(run_id)
        if run is None:
            run = runs[run_id] = _Run()
            if len(runs) > _RUNS:
                runs.popitem(last=False)
        return run
