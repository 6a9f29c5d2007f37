"""The traceback of model code, as its author should see it: with source lines, without our own frames."""

from __future__ import annotations

import os
import traceback

from rlm_jupyter.core.errors import RLMError
from rlm_jupyter.core.scope import CELL_FILE_PREFIX

__all__ = ["traceback_text"]

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def traceback_text(error: BaseException) -> str:
    """Return the traceback, with no frame of this package in it and no cause behind an error of ours."""
    told = traceback.TracebackException.from_exception(error)
    _trim(told, error)
    return "".join(told.format())


def _trim(told: traceback.TracebackException, error: BaseException) -> None:
    stack = list(told.stack)
    first_cell = next((i for i, frame in enumerate(stack) if frame.filename.startswith(CELL_FILE_PREFIX)), len(stack))
    in_cell = [frame for frame in stack[first_cell:] if not frame.filename.startswith(_PACKAGE)]
    if in_cell or isinstance(error, SyntaxError):
        told.stack = traceback.StackSummary.from_list(in_cell)
    if isinstance(error, RLMError):
        told.__cause__ = told.__context__ = None
        return
    for next_told, next_error in ((told.__cause__, error.__cause__), (told.__context__, error.__context__)):
        if next_told is not None and next_error is not None:
            _trim(next_told, next_error)
