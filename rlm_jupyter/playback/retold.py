"""Tells what the blocks of a run give now as their trace would, beside what it tells."""

from __future__ import annotations

from rlm_jupyter.core.results import REPLResult
from rlm_jupyter.runs.earlier import EarlierBlock, EarlierRun
from rlm_jupyter.runs.endings import code_end
from rlm_jupyter.trace.recorder import Recorder
from rlm_jupyter.trace.redaction import Redactor
from rlm_jupyter.trace.schema import CodeEnd, CodeStart, IterationStart

from .differences import Difference, differences_of
from .unrepeatable import Settled

__all__ = ["Retold", "place_of"]


class Retold:
    """Records the blocks of one run anew, redacted and bounded as they were."""

    def __init__(self, run: EarlierRun, redactor: Redactor) -> None:
        self._recorder = Recorder(redactor)
        self._recorder.start(run.start)

    def end(self, block: EarlierBlock, result: REPLResult) -> CodeEnd:
        """Return what a block gave, as a trace tells it."""
        span = self._recorder.start(CodeStart(code=block.start.code, index=block.start.index))
        self._recorder.end(span, code_end(result))
        end = self._recorder.trace.spans[span].end
        return end.payload if end is not None and isinstance(end.payload, CodeEnd) else CodeEnd()

    @staticmethod
    def differences(place: str, block: EarlierBlock, now: CodeEnd) -> list[Difference]:
        """Return how that differs from what was recorded; nothing of a block that had been cut."""
        if block.end is None or block.span.end is None:
            return []
        return list(differences_of(place, block, block.end, now, Settled(block.span.end.ended)))


def place_of(block: EarlierBlock, run: EarlierRun, place: str = "") -> str:
    """Return where a block stands, in words."""
    iteration = run.trace.spans.get(block.span.start.parent_id or "")
    start = iteration.start.payload if iteration is not None else None
    of = f" of iteration {start.number}" if isinstance(start, IterationStart) else ""
    return f"{place}, block {block.start.index}{of}".removeprefix(", ")
