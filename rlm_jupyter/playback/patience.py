"""How long a block may take that runs again: code that never ended then does not end now either."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from rlm_jupyter.environments.in_process import InProcessEnvironment
from rlm_jupyter.runs.earlier import EarlierBlock

__all__ = ["limited", "seconds_for"]

_PATIENCE = 10.0
"""How many times as long as it took a block may take, with no model to wait for and maybe on a slower machine, ..."""

_AT_LEAST = 60.0  # ... and how many seconds more

_LIMIT = re.compile(r"took longer than the (\d{1,9}(?:\.\d{1,9})?(?:e[+-]\d\d)?) s that it may take \(cell_timeout\)")


def seconds_for(block: EarlierBlock, told: float | None = None) -> float:
    """Return how many seconds a block may take: as ``told``, or by how long it took.

    One that had been cut may take as long as it took until then, one that was stopped by a limit, that limit.
    """
    start, end = block.span.start, block.span.end
    ended = end.ended if end is not None else getattr(block.trace.events[-1], "ended", start.started)
    took = max(ended - start.started, 1.0)
    if block.end is None:
        return took if told is None else min(took, told)
    if told is not None:
        return told
    patient = _PATIENCE * took + _AT_LEAST
    stopped = _LIMIT.search(block.end.error.message) if block.end.error is not None else None
    return min(float(stopped[1]), patient) if stopped is not None else patient


@contextmanager
def limited(environment: InProcessEnvironment, seconds: float) -> Iterator[None]:
    """Let a block take so many seconds, unless the REPL was made with a limit of its own."""
    own = environment.cell_timeout
    environment.cell_timeout = seconds if own is None else own
    try:
        yield
    finally:
        environment.cell_timeout = own
