"""Asks the host: a message on the kernel's own connection, and an answer on its control channel.

The control channel is served by a thread of its own, so that an answer arrives while the cell that waits for it runs.
"""

from __future__ import annotations

import itertools
import json
import os
import threading
import time
from collections.abc import Mapping
from contextvars import ContextVar, copy_context
from typing import Any

from .scaffold import ScaffoldError

__all__ = ["Asking", "carry_cell_into_threads", "current_cell", "send"]

current_cell: ContextVar[str | None] = ContextVar("rlm_jupyter_cell", default=None)
"""The cell that the calling code belongs to; threads that a cell starts belong to it, too."""

_SLICE = 0.5  # seconds; a wait without an end cannot be interrupted on every platform


class QueryError(Exception):
    """The host could not answer; subclasses carry the name of what was raised there."""


class _Waiting:
    def __init__(self) -> None:
        self.answered = threading.Event()
        self.answer: dict[str, Any] = {}


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

    def llm_query(self, prompt: str, model: str | None = None) -> str:
        """Ask a language model, and return its reply."""
        return str(self._ask("llm_query", prompt, model))

    def llm_query_batched(self, prompts: list[str], model: str | None = None) -> list[str]:
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
        if os.getpid() != self._process:
            msg = f"{kind} works in the kernel's own process, and this is a fork of it. Use threads, or a batch."
            raise ScaffoldError(msg)
        number = str(next(self._numbers))
        waiting = self._waiting[number] = _Waiting()
        try:
            text = _json({"prompt": prompt, "model": model})
            send(self._kernel, "rlm_query", {"query": number, "kind": kind, "cell": current_cell.get()}, text)
            self._wait(waiting)
        finally:
            del self._waiting[number]
        error = waiting.answer.get("error")
        if error is not None:
            raise self._error(error["name"])(error["message"])
        return waiting.answer["reply"]

    def _wait(self, waiting: _Waiting) -> None:
        deadline = float("inf") if self._timeout is None else time.monotonic() + self._timeout
        while not waiting.answered.wait(max(0.0, min(_SLICE, deadline - time.monotonic()))):
            if time.monotonic() >= deadline:
                msg = f"No answer came within the {self._timeout:g} s that a query may take (subcall_timeout)."
                raise TimeoutError(msg)

    def _answered(self, stream: Any, ident: Any, message: Mapping[str, Any]) -> None:
        """Take an answer, in the control channel's thread. One that nobody waits for any more is dropped."""
        waiting = self._waiting.get(message["content"]["query"])
        if waiting is not None:
            waiting.answer = json.loads(bytes(message["buffers"][0]).decode("ascii"))
            waiting.answered.set()

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


def _json(asked: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(asked).encode("ascii")
    except (TypeError, ValueError):
        prompt = asked["prompt"]
        wrong = prompt
        if isinstance(prompt, list):
            wrong = next((each for each in prompt if not isinstance(each, str)), prompt)
        msg = f"A prompt is a string, and this one is of type {type(wrong).__name__}: put it into an f-string."
        raise ScaffoldError(msg) from None
