"""Asks the host: a message on the kernel's own connection, and an answer on its control channel.

The control channel is served by a thread of its own, so that an answer arrives while the cell that waits for it runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextvars import ContextVar, copy_context
from typing import Any

from .prompts import packed
from .scaffold import ScaffoldError

__all__ = ["QUERIES", "Asking", "carry_cell_into_threads", "current_cell", "send"]

current_cell: ContextVar[str | None] = ContextVar("rlm_jupyter_cell", default=None)
"""The cell that the calling code belongs to; threads that a cell starts belong to it, too."""

QUERIES = (
    "llm_query",
    "llm_query_batched",
    "llm_query_async",
    "rlm_query",
    "rlm_query_batched",
    "rlm_query_async",
)
"""The scaffold's names by which model code asks models."""

_SLICE = 0.5  # seconds; a wait without an end cannot be interrupted on every platform


class QueryError(Exception):
    """The host could not answer; subclasses carry the name of what was raised there."""


class _Waiting:
    """For an answer: in a thread, or with a ``loop`` on that."""

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self.answered = threading.Event()
        self.answer: dict[str, Any] = {}
        self._loop = loop
        self._woken: asyncio.Future[None] | None = loop.create_future() if loop is not None else None

    def take(self, answer: dict[str, Any]) -> None:
        self.answer = answer
        self.answered.set()
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop was closed
                self._loop.call_soon_threadsafe(self._wake)

    async def wait(self, seconds: float | None) -> None:
        """Wait for the answer on the loop, for so many seconds at most."""
        if self._woken is not None:
            await asyncio.wait([self._woken], timeout=seconds)

    def _wake(self) -> None:
        if self._woken is not None and not self._woken.done():
            self._woken.set_result(None)


class Asking:
    """The queries of the scaffold. ``timeout`` is in seconds, for one call; None waits for as long as it takes."""

    def __init__(self, kernel: Any, timeout: float | None) -> None:
        self._kernel = kernel
        self._timeout = timeout
        self._process = os.getpid()
        self._numbers = itertools.count(1)
        self._waiting: dict[str, _Waiting] = {}
        self._errors: dict[str, type[QueryError]] = {}
        kernel.control_handlers["rlm_answer"] = self._answered

    async def llm_query_async(self, prompt: Any, model: str | None = None) -> str:
        """Ask a language model, and return its reply, when it is awaited."""
        return str(await self._ask_async("llm_query_async", prompt, model))

    async def rlm_query_async(self, prompt: Any, model: str | None = None) -> str:
        """Ask a child that works as you do, and return its answer, when it is awaited."""
        return str(await self._ask_async("rlm_query_async", prompt, model))

    def llm_query(self, prompt: Any, model: str | None = None) -> str:
        """Ask a language model, and return its reply."""
        return str(self._ask("llm_query", prompt, model))

    def llm_query_batched(self, prompts: list[Any], model: str | None = None) -> list[str]:
        """Ask about all the prompts at once; a call that failed gives a string that begins with ``Error:``."""
        return self._batch("llm_query_batched", prompts, model)

    def rlm_query(self, prompt: Any, model: str | None = None) -> str:
        """Ask a child that works as you do, and return its answer."""
        return str(self._ask("rlm_query", prompt, model))

    def rlm_query_batched(self, prompts: list[Any], model: str | None = None) -> list[str]:
        """Ask children about all the prompts at once."""
        return self._batch("rlm_query_batched", prompts, model)

    def _batch(self, kind: str, prompts: Any, model: str | None) -> list[str]:
        listed = prompts if isinstance(prompts, str) else list(prompts)
        try:
            return [str(reply) for reply in self._ask(kind, listed, model)]
        except TimeoutError as error:
            return [f"Error: {error}" for _ in listed]

    def _ask(self, kind: str, prompt: Any, model: str | None) -> Any:
        with self._asked(kind, prompt, model, _Waiting()) as (_, waiting):
            self._wait(waiting)
        return self._answer(waiting)

    async def _ask_async(self, kind: str, prompt: Any, model: str | None) -> Any:
        with self._asked(kind, prompt, model, _Waiting(asyncio.get_running_loop())) as (number, waiting):
            try:
                await waiting.wait(self._timeout)
            finally:
                if not waiting.answered.is_set():  # the task was cancelled, or the time is up: nobody waits any more
                    send(self._kernel, "rlm_query", {"query": number, "kind": "cancel", "cell": None}, b"")
            if not waiting.answered.is_set():
                self._time_is_up()
        return self._answer(waiting)

    @contextlib.contextmanager
    def _asked(self, kind: str, prompt: Any, model: str | None, waiting: _Waiting) -> Iterator[tuple[str, _Waiting]]:
        """Send the query, and let its answer find who waits for it."""
        if os.getpid() != self._process:
            msg = f"{kind} works in the kernel's own process, and this is a fork of it. Use threads, or a batch."
            raise ScaffoldError(msg)
        text = packed(kind, prompt, model)
        number = str(next(self._numbers))
        self._waiting[number] = waiting
        try:
            send(self._kernel, "rlm_query", {"query": number, "kind": kind, "cell": current_cell.get()}, text)
            yield number, waiting
        finally:
            del self._waiting[number]

    def _answer(self, waiting: _Waiting) -> Any:
        error = waiting.answer.get("error")
        if error is not None:
            raise self._error(error["name"])(error["message"])
        return waiting.answer["reply"]

    def _wait(self, waiting: _Waiting) -> None:
        deadline = float("inf") if self._timeout is None else time.monotonic() + self._timeout
        while not waiting.answered.wait(max(0.0, min(_SLICE, deadline - time.monotonic()))):
            if time.monotonic() >= deadline:
                self._time_is_up()

    def _time_is_up(self) -> None:
        msg = f"No answer came within the {self._timeout:g} s that a query may take (subcall_timeout)."
        raise TimeoutError(msg)

    def _answered(self, stream: Any, ident: Any, message: Mapping[str, Any]) -> None:
        """Take an answer, in the control channel's thread. One that nobody waits for any more is dropped."""
        waiting = self._waiting.get(message["content"]["query"])
        if waiting is not None:
            waiting.take(json.loads(bytes(message["buffers"][0]).decode("ascii")))

    def _error(self, name: str) -> type[QueryError]:
        if name == "ScaffoldError":
            return ScaffoldError  # type: ignore[return-value]
        return self._errors.setdefault(name, type(name, (QueryError,), {"__module__": "builtins"}))


def carry_cell_into_threads() -> None:
    """Let the threads that a cell starts ask, print and display as that cell."""
    start = threading.Thread.start

    def start_in_context(thread: threading.Thread) -> None:
        if current_cell.get() is not None:
            context, run = copy_context(), thread.run
            thread.run = lambda: context.run(run)  # type: ignore[method-assign]
        start(thread)

    threading.Thread.start = start_in_context  # type: ignore[assignment, method-assign]


def send(kernel: Any, kind: str, content: Mapping[str, Any], text: bytes) -> None:
    """Publish a message of ours, from any thread; the text goes beside it, out of the reach of message packers."""
    kernel.session.send(kernel.iopub_socket, kind, dict(content), buffers=[text])
