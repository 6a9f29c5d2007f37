"""The traceback of model code, as its author should see it: with source lines, without frames of ours."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from typing import Any

__all__ = ["OWN_FILES", "cell_name", "traceback_text"]

OWN_FILES = "<rlm kernel "
"""How the file names of what was sent into the kernel begin."""


def traceback_text(error: BaseException, cells: Mapping[str, Any]) -> str:
    """Return the traceback; ``cells`` are the numbers of the cells by the names of their files."""
    told = traceback.TracebackException.from_exception(error)
    _trim(told, error, cells)
    return "".join(told.format())


def _trim(told: traceback.TracebackException, error: BaseException, cells: Mapping[str, Any]) -> None:
    stack = list(told.stack)
    first_cell = next((i for i, frame in enumerate(stack) if frame.filename in cells), len(stack))
    in_cell = [frame for frame in stack[first_cell:] if not frame.filename.startswith(OWN_FILES)]
    if in_cell or isinstance(error, SyntaxError):
        told.stack = traceback.StackSummary.from_list(_named(in_cell, cells))
    if isinstance(error, SyntaxError) and told.filename in cells:
        told.filename = cell_name(cells[told.filename])
    if any(frame.filename.startswith(OWN_FILES) for frame in stack):  # what we raised says all there is to say
        told.__cause__ = told.__context__ = None
        return
    for next_told, next_error in ((told.__cause__, error.__cause__), (told.__context__, error.__context__)):
        if next_told is not None and next_error is not None:
            _trim(next_told, next_error, cells)


def _named(frames: list[traceback.FrameSummary], cells: Mapping[str, Any]) -> list[traceback.FrameSummary]:
    """Name cells by their number, and not by the file that the kernel pretends to have."""
    for frame in frames:
        if frame.filename in cells and frame.line is not None:  # the line is looked up under the old name, once
            frame.filename = cell_name(cells[frame.filename])
    return frames


def cell_name(number: Any) -> str:
    """Return how a cell of that number is named."""
    return f"<rlm cell {number}>"
