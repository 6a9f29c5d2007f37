"""Breaks into model code in a thread that no signal reaches."""

from __future__ import annotations

import ctypes
from typing import Any

from .scope import Scope

__all__ = ["break_into", "code_is_over"]

# The one door that CPython has to another thread: it raises at the thread's next bytecode.
_raise_in: Any = ctypes.pythonapi.PyThreadState_SetAsyncExc


def break_into(scope: Scope) -> None:
    """Raise ``KeyboardInterrupt`` in the scope's thread, if that has no signals and runs model code."""
    if scope.thread is None:
        return
    with scope.breaking:
        if scope.running_code and not scope.closing:
            _raise_in(ctypes.c_ulong(scope.thread), ctypes.py_object(KeyboardInterrupt))


def code_is_over(scope: Scope) -> None:
    """Say, in the thread itself, that its model code has ended, and take back what has not arrived by then."""
    if scope.thread is None:
        scope.running_code = False
        return
    while scope.running_code:
        try:
            with scope.breaking:
                _raise_in(ctypes.c_ulong(scope.thread), None)
                scope.running_code = False
        except KeyboardInterrupt:  # it arrived here
            continue
