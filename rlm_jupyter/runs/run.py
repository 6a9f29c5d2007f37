"""A run: the loop's effects performed with a client and an environment, and recorded."""

from __future__ import annotations

import asyncio
import os
import time
import warnings
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from rlm_jupyter.clients.io_thread import submit
from rlm_jupyter.core.drive import adrive, drive
from rlm_jupyter.core.effects import BeginIteration, CallModel, Effect, EndIteration, ReadAnswer, RunCode
from rlm_jupyter.core.errors import CancellationError, InterruptedRun, LimitExceededError, RLMError
from rlm_jupyter.core.interrupts import interruptible
from rlm_jupyter.core.protocols import Environment, Message, ModelReply, ModelRequest
from rlm_jupyter.core.results import REPLResult
from rlm_jupyter.environments.interrupted import CellInterrupted
from rlm_jupyter.trace.schema import (
    CodeEnd,
    CodeStart,
    ErrorRecord,
    IterationEnd,
    IterationStart,
    MessageRecord,
    ModelCallEnd,
    ModelCallStart,
    RunEnd,
    RunStart,
    Status,
)

from .subcalls import Subcalls, reply_fields

if TYPE_CHECKING:
    from rlm_jupyter.core.limits import Meter
    from rlm_jupyter.core.scope import Scope
    from rlm_jupyter.trace.recorder import Recorder

    from .settings import Setup

__all__ = ["MESSAGE_LIMIT", "Run"]

MESSAGE_LIMIT = 100_000
"""Characters of a root model's message that a trace holds in full."""

_Loop: TypeAlias = Generator[Effect, Any, str]


@dataclass(slots=True)
class _ModelCall:
    future: Future[ModelReply]
    reply: ModelReply | None = None


@dataclass(slots=True)
class _CodeRun:
    result: REPLResult | None = None


@dataclass(slots=True)
class _Outcome:
    answer: str = ""
    partial: str | None = None


class Run:
    """One recursive completion: it is performed once, with ``perform`` or ``aperform``."""

    def __init__(
        self,
        begin: RunStart,
        environment: Environment,
        subcalls: Subcalls,
        recorder: Recorder,
        scope: Scope,
        meter: Meter,
        setup: Setup,
        on_text: Callable[[str], None] | None = None,
    ) -> None:
        self._begin = begin
        self._environment = environment
        self._subcalls = subcalls
        self._recorder = recorder
        self._scope = scope
        self._meter = meter
        self._setup = setup
        self._on_text = on_text
        self._process = os.getpid()
        self._run_span = ""
        self._iteration_span = ""
        self._iteration_began = 0.0
        self._messages_sent = 0

    def perform(self, make_loop: Callable[[], _Loop]) -> str:
        """Return the answer, having driven the loop to its end in this thread.

        The loop is made once the scaffold is laid out, so that it can tell what code sees. Raises ``InterruptedRun``
        after Ctrl-C, and ``RLMError`` when the run cannot go on; both carry the trace so far.
        """
        with self._recorded() as outcome:
            outcome.answer = drive(make_loop(), self._do)
        return outcome.answer

    async def aperform(self, make_loop: Callable[[], _Loop]) -> str:
        """Return the answer; the event loop is free while the model is waited for."""
        with self._recorded(asyncio.current_task()) as outcome:
            outcome.answer = await adrive(make_loop(), self._ado)
        return outcome.answer

    def _do(self, effect: Effect) -> Any:
        if isinstance(effect, CallModel):
            with self._model_call(effect) as call:
                call.reply = self._scope.wait(call.future)
            return call.reply
        if isinstance(effect, RunCode):
            with self._code_run(effect) as code:
                code.result = self._environment.execute_code(effect.code)
            return code.result
        return self._at_once(effect)

    async def _ado(self, effect: Effect) -> Any:
        if isinstance(effect, CallModel):
            with self._model_call(effect) as call:
                call.reply = await asyncio.wrap_future(call.future)
            return call.reply
        if isinstance(effect, RunCode):
            with self._code_run(effect) as code:
                code.result = await self._environment.aexecute_code(effect.code)
            return code.result
        return self._at_once(effect)

    @contextmanager
    def _recorded(self, task: asyncio.Task[Any] | None = None) -> Iterator[_Outcome]:
        """Record the run and how it ends; put the namespace back before anything else can go wrong."""
        outcome = _Outcome()
        with interruptible(self._scope, self._setup.limits.max_timeout, task):
            self._run_span = self._recorder.start(self._begin)
            try:
                with self._environment.running(self._subcalls):
                    try:
                        yield outcome
                    finally:
                        self._scope.closing = True
                        outcome.partial = self._environment.answer_so_far()
            except BaseException as raised:
                # What broke the run off may be how the limit that was reached made itself felt.
                error = self._scope.failure if self._scope.failure is not None and _interrupted(raised) else raised
                self._scope.cancel("interrupted" if _interrupted(error) else "failed")
                told = self._told(error, outcome, asynchronous=task is not None)
                self._end(outcome, told)
                raise told from (None if told is self._scope.failure else raised)
            self._scope.cancel("it is over")  # threads of model code may still be asking
            self._end(outcome, None)
            if self._scope.interrupted:  # while things were put back
                raise self._told(KeyboardInterrupt(), outcome, asynchronous=task is not None)

    def _end(self, outcome: _Outcome, error: BaseException | None) -> None:
        """Record the end of what is open, innermost first; cancelled sub-calls get a moment to end theirs."""
        self._subcalls.settle()
        if self._iteration_span and error is not None:
            self._recorder.end(self._iteration_span, IterationEnd(), _status(error))
        changes = self._environment.changes()
        named = {"created": changes.created, "rebound": changes.rebound, "deleted": changes.deleted}
        named["mutated"] = changes.mutated
        end = RunEnd(
            answer=outcome.answer if error is None else outcome.partial,
            error=_error_record(error) if error is not None else None,
            changes={what: list(names) for what, names in named.items() if names},
        )
        self._recorder.end(self._run_span, end, _status(error))

    def _told(self, error: BaseException, outcome: _Outcome, *, asynchronous: bool) -> BaseException:
        """Return the exception that the caller gets, with the partial answer and the trace in it."""
        if isinstance(error, KeyboardInterrupt):
            if asynchronous:  # a task that raises KeyboardInterrupt takes its event loop with it
                return asyncio.CancelledError("The run was interrupted.")
            error = InterruptedRun("The run was interrupted.")
        if isinstance(error, RLMError | InterruptedRun):
            error.partial_answer, error.trace = outcome.partial, self._recorder.trace
        return error

    @contextmanager
    def _model_call(self, effect: CallModel) -> Iterator[_ModelCall]:
        messages: list[Message] = list(effect.messages)
        added = [
            MessageRecord(role=message["role"], digest=self._recorder.blob(message["content"], MESSAGE_LIMIT))
            for message in messages[self._messages_sent :]
        ]
        start = ModelCallStart(model=self._setup.client.model_name, kept=self._messages_sent, added=added)
        span = self._recorder.start(start, self._iteration_span or self._run_span)
        self._messages_sent = len(messages)
        try:
            self._meter.enforce(self._scope)
            request = ModelRequest(messages, None, self._setup.sampling)
            call = _ModelCall(self._scope.adopt(submit(self._setup.client.acompletion(request, self._on_text))))
            yield call
        except BaseException as error:
            self._recorder.end(span, ModelCallEnd(error=_error_record(error)), _status(error))
            raise
        if call.reply is not None:
            self._meter.add(call.reply.model, call.reply.usage)
            digest = self._recorder.blob(call.reply.text, MESSAGE_LIMIT)
            self._recorder.end(span, ModelCallEnd(reply=digest, **reply_fields(call.reply)))

    @contextmanager
    def _code_run(self, effect: RunCode) -> Iterator[_CodeRun]:
        span = self._recorder.start(CodeStart(code=effect.code, index=effect.index), self._iteration_span)
        token = self._subcalls.begin_code(span)
        code = _CodeRun()
        self._scope.running_code = True
        try:
            yield code
        except CellInterrupted as interrupt:
            code.result = interrupt.result
            raise
        finally:
            if os.getpid() != self._process:
                os._exit(1)  # model code forked, and the run is its parent's to go on with
            self._scope.running_code = False
            calls = self._subcalls.end_code(span, token)
            if code.result is not None:
                code.result.rlm_calls = calls
                self._recorder.end(span, _code_end(code.result), self._code_status(code.result))
            else:
                self._recorder.end(span, CodeEnd(), "interrupted")
        if self._scope.cancelled:  # model code swallowed the interrupt, or ran into a limit
            raise self._scope.failure or KeyboardInterrupt
        self._meter.add_block(failed=code.result is not None and code.result.error is not None)

    def _code_status(self, result: REPLResult) -> Status:
        if self._scope.cancelled:
            return "limit" if self._scope.failure is not None else "interrupted"
        return "error" if result.error is not None else "ok"

    def _at_once(self, effect: Effect) -> str | None:
        """Do what needs no waiting: read the answer, or record that an iteration begins or ends."""
        depth = self._begin.depth
        if isinstance(effect, BeginIteration):
            start = IterationStart(number=effect.number, closing=effect.closing)
            self._iteration_span = self._recorder.start(start, self._run_span)
            self._iteration_began = time.perf_counter()
            self._call_back("on_iteration_start", depth, effect.number)
        elif isinstance(effect, ReadAnswer):
            return self._environment.answer_so_far()
        elif isinstance(effect, EndIteration):
            seconds = time.perf_counter() - self._iteration_began
            self._recorder.end(self._iteration_span, IterationEnd(answered=effect.answer is not None))
            self._iteration_span = ""
            self._call_back("on_iteration_complete", depth, effect.number, seconds)
        return None

    def _call_back(self, name: str, *arguments: Any) -> None:
        callback = getattr(self._setup.callbacks, name)
        if callback is None:
            return
        try:
            callback(*arguments)
        except Exception as error:
            warnings.warn(f"{name} raised {type(error).__name__}: {error}. The run goes on.", stacklevel=2)


def _code_end(result: REPLResult) -> CodeEnd:
    error = result.error
    return CodeEnd(
        outputs=result.outputs,
        error=ErrorRecord(name=error.name, message=error.message, traceback=error.traceback) if error else None,
        final_answer=result.final_answer,
        notes=result.notes,
    )


def _interrupted(error: BaseException) -> bool:
    return isinstance(error, KeyboardInterrupt | asyncio.CancelledError | CancellationError)


def _status(error: BaseException | None) -> Status:
    if error is None:
        return "ok"
    if isinstance(error, LimitExceededError):
        return "limit"
    return "interrupted" if _interrupted(error) else "error"


def _error_record(error: BaseException) -> ErrorRecord:
    name = "KeyboardInterrupt" if isinstance(error, KeyboardInterrupt) else type(error).__name__
    return ErrorRecord(name=name, message=str(error))
