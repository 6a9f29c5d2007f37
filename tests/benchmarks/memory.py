"""How much memory a process takes, with all that it starts."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left, bisect_right
from types import TracebackType

import psutil

__all__ = ["Memory"]

_EVERY = 0.005  # seconds
_FAMILY = 0.05  # seconds; looking for new processes takes longer than looking at those that are known


class Memory:
    """Looks at a process and those below it until the ``with`` block ends. What they share counts for each of them."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._times: list[float] = []
        self._sizes: list[int] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def gained(self, began: float, ended: float) -> int:
        """Return by how many bytes it grew at most between two moments of ``time.monotonic()``."""
        first, last = bisect_left(self._times, began), bisect_right(self._times, ended)
        if first in (0, last):
            return 0
        return max(self._sizes[first:last]) - self._sizes[first - 1]

    def _look(self) -> None:
        family, looked = [self._process], 0.0
        while not self._ended.wait(_EVERY):
            now = time.monotonic()
            if now - looked > _FAMILY:
                family, looked = self._all(), now
            self._sizes.append(sum(map(_resident, family)))
            self._times.append(time.monotonic())

    def _all(self) -> list[psutil.Process]:
        try:
            return [self._process, *self._process.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0
