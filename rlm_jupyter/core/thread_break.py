"""Breaks into model code in a thread that no signal reaches."""

from __future__ import annotations

import ctypes
from typing import Any

from .scope import Scope

__all__ = ["break_into", "code_is_over", "take_in"]

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
    """Say, in the thread itself, that its model code has ended, and take in what has not arrived by then."""
    if scope.thread is None:
        scope.running_code = False
        return
    while scope.running_code:
        try:
            with scope.breaking:
                scope.running_code = False
        except KeyboardInterrupt:  # it arrived here
            continue
    take_in(KeyboardInterrupt)


def take_in(error: type[BaseException]) -> None:
    """Let what was raised in this thread, and has not arrived yet, arrive here, where it does nothing.

    It cannot be taken back: in Python 3.11 that leaves a flag behind for good, with which a traced or profiled function
    never gets past its first instruction.
    """
    try:
        for _ in range(100):  # it arrives when a loop goes round
            pass
    except error:
        return
