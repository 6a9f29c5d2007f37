"""Ends a run from outside: the stop button, and the time limit."""

from __future__ import annotations

import _thread
import asyncio
import contextvars
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

from .errors import TimeoutExceededError
from .scope import Scope
from .thread_break import break_into, code_is_over

__all__ = ["attached", "interruptible", "model_code"]

_AGAIN = 0.2  # seconds between attempts on model code that swallows an interrupt

_running: contextvars.ContextVar[Scope | None] = contextvars.ContextVar("rlm_jupyter_scope", default=None)


@contextmanager
def interruptible(scope: Scope, seconds: float | None = None, task: asyncio.Task[Any] | None = None) -> Iterator[None]:
    """Let Ctrl-C, the stop button and, after ``seconds``, the time limit end the scope, also amid model code.

    ``task`` is the one that an asynchronous run runs in. Model code that catches the interrupt and goes on is
    interrupted again. Signals reach the main thread only: elsewhere, and where the program ignores them, the exception
    is raised in the thread, which a call into C (``time.sleep``) keeps out until it returns.
    """
    token = _running.set(scope)
    scope.owner = threading.get_ident()
    heard = _signals.enter(scope)
    if not heard:
        scope.thread = threading.get_ident()
    watcher = _Watcher(scope, seconds, task, heard=heard)
    try:
        yield
    finally:
        watcher.stop()
        if heard:
            _signals.leave(scope)
        _running.reset(token)


@contextmanager
def attached(scope: Scope) -> Iterator[None]:
    """Let what ends the root run end this child too, in whichever thread it runs: the root's watcher looks after it."""
    token = _running.set(scope)
    scope.owner = scope.thread = threading.get_ident()
    try:
        yield
    finally:
        scope.leave()
        _running.reset(token)


@contextmanager
def model_code() -> Iterator[None]:
    """Let the run that this code belongs to be broken into here, and only here: what stands around it is ours.

    For environments, which say by ``marks_model_code = True`` that they use it; of others, all that they do while they
    execute a block is taken for model code.
    """
    scope = _running.get()
    if scope is None or scope.running_code or scope.owner != threading.get_ident():
        yield
        return
    try:
        scope.running_code = True
        yield
    finally:
        code_is_over(scope)


class _Signals:
    """One handler for all the runs of the process: asynchronous runs do not end in the order in which they began."""

    def __init__(self) -> None:
        self._scopes: list[Scope] = []
        self._previous: Any = None

    def enter(self, scope: Scope) -> bool:
        """Return whether signals now reach the scope."""
        if threading.current_thread() is not threading.main_thread():
            return False
        current = signal.getsignal(signal.SIGINT)
        if current in (None, signal.SIG_IGN):
            return False
        if current != self._handle:
            self._previous = current
            signal.signal(signal.SIGINT, self._handle)
        self._scopes.append(scope)
        return True

    def leave(self, scope: Scope) -> None:
        """Take the scope out; the handler that was there before comes back after the last one."""
        self._scopes.remove(scope)
        if not self._scopes and signal.getsignal(signal.SIGINT) == self._handle:
            signal.signal(signal.SIGINT, self._previous)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        pressed = [scope for scope in self._scopes if scope.pressed]
        if pressed:  # the watcher's signal, and not the user's
            for scope in pressed:
                scope.pressed = False
            _raise_within(pressed)
            return
        for scope in self._scopes:
            scope.interrupt()
        unfinished = [scope for scope in self._scopes if not scope.closing]
        if self._scopes and not unfinished:
            return  # they are putting things back, and look at what came meanwhile when they have
        if callable(self._previous):
            self._previous(number, frame)
        elif self._previous == signal.SIG_DFL:
            raise KeyboardInterrupt
        for scope in unfinished:
            scope.wake()
        _raise_within(unfinished)


def _raise_within(scopes: Sequence[Scope]) -> None:
    """Raise ``KeyboardInterrupt`` if the signal broke into the model code of one of these.

    What it broke into is told by the context. While an asynchronous run awaits, that is the event loop's, and raising
    there would end the kernel.
    """
    current = _running.get()
    if current is not None and current in scopes and current.running_code and not current.closing:
        raise KeyboardInterrupt


class _Watcher:
    """Keeps the time of one run, and insists when model code swallows an interrupt."""

    def __init__(self, scope: Scope, seconds: float | None, task: asyncio.Task[Any] | None, *, heard: bool) -> None:
        self._scope = scope
        self._seconds = seconds
        self._task = task
        self._heard = heard
        self._cancels = 0
        self._over = threading.Event()
        scope.loop = task.get_loop() if task is not None else None
        self._thread = threading.Thread(target=self._watch, name="rlm-jupyter-watcher", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop watching, and take back the cancellations that stood for a limit.

        Children whose code goes on, because it began just when the run ended, are told to end until they do.
        """
        self._over.set()
        self._thread.join()
        if len(list(self._scope.walk())) > 1:
            name = "rlm-jupyter-insisting"
            threading.Thread(target=_insist, args=(self._scope,), name=name, daemon=True).start()
        if self._scope.failure is not None and self._task is not None and hasattr(self._task, "uncancel"):
            for _ in range(self._cancels):
                self._task.uncancel()

    def _watch(self) -> None:
        deadline = time.monotonic() + self._seconds if self._seconds is not None else float("inf")
        while not self._over.wait(max(0.0, min(_AGAIN, deadline - time.monotonic()))):
            if time.monotonic() >= deadline:
                deadline = float("inf")
                msg = f"The run has taken the {self._seconds:g} s that it may take. Raise max_timeout (--timeout)."
                self._scope.cancel("its time is up", TimeoutExceededError(msg))
            for scope in self._scope.walk():
                if scope.cancelled:
                    break_into(scope)
            if self._scope.cancelled:
                self._break_in()

    def _break_in(self) -> None:
        if self._scope.closing:
            return
        if self._scope.loop is not None:
            self._scope.loop.call_soon_threadsafe(self._cancel_task)
        if self._scope.running_code and self._heard:
            self._scope.pressed = True
            if hasattr(signal, "pthread_kill"):  # wakes a sleeping main thread as well
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            else:
                _thread.interrupt_main()

    def _cancel_task(self) -> None:
        if self._task is not None and not self._over.is_set() and not self._scope.closing and self._task.cancel():
            self._cancels += 1


def _insist(root: Scope) -> None:
    """Break into the code of children of a run that is over, until none is left."""
    while children := [scope for scope in root.walk() if scope is not root]:
        for scope in children:
            if scope.cancelled:
                break_into(scope)
        time.sleep(_AGAIN)


_signals = _Signals()
