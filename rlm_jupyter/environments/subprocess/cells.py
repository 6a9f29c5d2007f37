"""Runs cells in a kernel: one that died is started anew, and names are brought up to date before each cell."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Mapping
from typing import Any

from rlm_jupyter.core.errors import ConfigurationError
from rlm_jupyter.core.protocols import Queries
from rlm_jupyter.core.results import REPLResult, RLMChatCompletion
from rlm_jupyter.environments.cells.interrupted import CellInterrupted

from .bootstrap import RECEIVE
from .failures import DeadKernelError
from .kernel import Kernel
from .layout import Layout
from .listening import Listening
from .outcome import Outcome
from .questions import Questions
from .report import Report
from .request import Request
from .waiting import Ending, await_end

__all__ = ["Cells"]

_NEW_KERNEL = "A new kernel was started: contexts, histories and tools are there again, variables are not."


class Cells:
    """Cells of one REPL, which sees to it that they run one after another.

    ``cell_timeout`` is in seconds; ``setup_code`` runs first in every kernel. ``report`` is what the kernel told after
    the last cell, and ``answer`` what is still to be told it of the ``answer`` dict.
    """

    def __init__(
        self,
        kernel: Kernel,
        listening: Listening,
        questions: Questions,
        *,
        cell_timeout: float | None,
        setup_code: str | None,
    ) -> None:
        self._kernel = kernel
        self._listening = listening
        self._questions = questions
        self._cell_timeout = cell_timeout
        self._setup_code = setup_code
        self.layout = Layout()
        self.report = Report()
        self.answer: dict[str, Any] | None = None

    def make_ready(self, names: Mapping[str, Any], queries: Queries) -> bool:
        """Let there be a kernel that has these names, and no others of ours, and return whether it is a new one.

        ``queries`` answer the setup code. Raises ``ConfigurationError`` for what cannot be carried or loaded, and for
        setup code that fails; ``KernelStartError`` and ``DeadKernelError`` when there is no kernel.
        """
        is_new = not self._kernel.alive
        if is_new:
            self.answer = {"content": self.report.so_far or "", "ready": False, **(self.answer or {})}
            self.layout.forget()
            self._kernel.start()
        self._bring(names)
        if is_new and self._setup_code is not None:
            request = Request(self._setup_code, by_hand=True)
            error = self._run(request, queries, [], [], threading.Event()).error
            if error is not None:
                msg = f"The setup_code failed:\n{error.traceback}"
                raise ConfigurationError(msg)
        return is_new

    def run(
        self,
        request: Request,
        names: Mapping[str, Any],
        queries: Queries,
        calls: list[RLMChatCompletion],
        stop: threading.Event,
    ) -> REPLResult:
        """Run a cell in a kernel that is made ready; what it asks is answered in a copy of this context.

        ``calls`` are those of the result; ``stop`` ends it. Raises ``CellInterrupted``.
        """
        try:
            notes = [_NEW_KERNEL] if self.make_ready(names, queries) else []
        except DeadKernelError as error:
            return self._result(request, Ending(dead=error), [], 0.0, calls)
        except KeyboardInterrupt as interrupt:
            raise CellInterrupted(self._result(request, Ending(interrupt=interrupt), [], 0.0, calls)) from interrupt
        return self._run(request, queries, notes, calls, stop)

    def _run(
        self,
        request: Request,
        queries: Queries,
        notes: list[str],
        calls: list[RLMChatCompletion],
        stop: threading.Event,
    ) -> REPLResult:
        began = time.perf_counter()
        self._questions.let_ask(request.id, queries, contextvars.copy_context())
        self._kernel.run(request)
        ending = await_end(self._kernel, request, self._cell_timeout, stop)
        if ending.pressed or ending.dead is not None:
            self._questions.end(request.id)
        result = self._result(request, ending, notes, time.perf_counter() - began, calls)
        if ending.interrupt is not None:
            raise CellInterrupted(result) from ending.interrupt
        return result

    def _result(
        self, request: Request, ending: Ending, notes: list[str], seconds: float, calls: list[RLMChatCompletion]
    ) -> REPLResult:
        if request.report is not None:
            try:
                self.report = Report.read(request.report)
            except ValueError:
                self.report = Report.unreadable(self.report.so_far)
        elif ending.dead is not None:
            self.report = Report(so_far=self.report.so_far)
        outcome = Outcome(request, ending, self.report, self._cell_timeout)
        return outcome.result(self._listening.sink.take(), notes, seconds, list(calls))

    def _bring(self, names: Mapping[str, Any]) -> None:
        parcel = self.layout.parcel(names, self.answer)
        if parcel is None:
            return
        request = Request(RECEIVE, parcel.buffers, silent=True)
        self._kernel.run(request)
        ending = await_end(self._kernel, request, self._cell_timeout, threading.Event())
        for error in (ending.dead, ending.interrupt):
            if error is not None:
                raise error
        self.layout.given(parcel)
        self.answer = None
        if request.reply.get("status") != "ok":
            msg = f"The kernel could not take what it was given: {request.reply.get('evalue')}."
            raise ConfigurationError(msg)
