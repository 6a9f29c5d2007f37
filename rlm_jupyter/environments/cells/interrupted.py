"""The interrupt of a cell, with what the cell had put out by then."""

from __future__ import annotations

from rlm_jupyter.core.results import REPLResult

__all__ = ["CellInterrupted"]


class CellInterrupted(KeyboardInterrupt):
    """The user interrupted a cell; ``result`` is what it had put out, and the place where it was."""

    def __init__(self, result: REPLResult) -> None:
        super().__init__("interrupted")
        self.result = result
