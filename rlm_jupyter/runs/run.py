"""A run: the loop's effects performed with a client and an environment, and recorded."""

from __future__ import annotations

import asyncio
import copy
import os
import secrets
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from rlm_jupyter.core.drive import adrive, drive
from rlm_jupyter.core.effects import (
    BeginIteration,
    CallModel,
    Effect,
    EndIteration,
    KeepHistory,
    ReadAnswer,
    ReopenAnswer,
    RunCode,
)
from rlm_jupyter.core.errors import (
    AnswerFormatError,
    ErrorThresholdExceededError,
    InterruptedRun,
    LimitExceededError,
    RLMError,
)
from rlm_jupyter.core.interrupts import attached, interruptible
from rlm_jupyter.core.protocols import Environment, OnText
from rlm_jupyter.core.results import REPLResult
from rlm_jupyter.core.steering import ProposedBlock, Stopped, Waits
from rlm_jupyter.core.thread_break import code_is_over
from rlm_jupyter.environments.cells.interrupted import CellInterrupted
from rlm_jupyter.trace.schema import (
    CodeEnd,
    CodeStart,
    IterationEnd,
    IterationStart,
    RunEnd,
    RunStart,
    Status,
)

from .endings import code_end, error_record, status_of, was_interrupted
from .inputs import Inputs
from .resumed import carry
from .review import Verdict
from .root_calls import ModelCall, RootCalls
from .steering import steerable
from .subcalls import Subcalls

if TYPE_CHECKING:
    from rlm_jupyter.core.scope import Scope
    from rlm_jupyter.trace.trace import Trace

    from .resumed import Resumed
    from .settings import Setup
    from .tree import Tree

__all__ = ["Run"]

_Loop: TypeAlias = Generator[Effect, Any, str]


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
        parent_span: str | None,
        environment: Environment,
        subcalls: Subcalls,
        tree: Tree,
        scope: Scope,
        setup: Setup,
        on_text: OnText | None = None,
    ) -> None:
        self._begin = begin
        self._parent_span = parent_span
        self._environment = environment
        self._subcalls = subcalls
        self._tree = tree
        self._recorder = tree.recorder
        self._steering = tree.steering
        self._scope = scope
        self._setup = setup
        self._calls = RootCalls(tree, scope, setup, on_text)
        self.resumed: Resumed | None = None
        """What an earlier run has recorded that this one goes on with."""
        self._process = os.getpid()
        self._run_span = ""
        self._iteration_span = ""
        self._iteration = 0
        self._iteration_began = 0.0
        own = begin.contexts[0].name if begin.contexts else "context_0"
        self._inputs = Inputs(environment, tree.recorder, setup.prompting.tools, own)
        self._failed_blocks: int = 0

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

    @property
    def trace(self) -> Trace:
        """What was recorded of this run, and of the runs below it."""
        whole = self._recorder.trace
        return whole if self._is_root else whole.part(self._run_span)

    def _do(self, effect: Effect) -> Any:
        if isinstance(effect, CallModel):
            with self._model_call(effect) as call:
                call.reply = self._scope.wait(call.future)
            return call.reply
        if isinstance(effect, RunCode):
            verdict = drive(self._decided(effect), self._wait)
            with self._code_run(effect, verdict) as code:
                if code.result is None:
                    code.result = self._environment.execute_code(verdict.code)
            return code.result
        if isinstance(effect, BeginIteration | EndIteration):
            return drive(self._between(effect), self._wait)
        return self._at_once(effect)

    async def _ado(self, effect: Effect) -> Any:
        if isinstance(effect, CallModel):
            with self._model_call(effect) as call:
                call.reply = await asyncio.wrap_future(call.future)
            return call.reply
        if isinstance(effect, RunCode):
            verdict = await adrive(self._decided(effect), self._await)
            with self._code_run(effect, verdict) as code:
                if code.result is None:
                    code.result = await self._environment.aexecute_code(verdict.code)
            return code.result
        if isinstance(effect, BeginIteration | EndIteration):
            return await adrive(self._between(effect), self._await)
        return self._at_once(effect)

    def _wait(self, future: Future[Any]) -> Any:
        return self._scope.wait(self._scope.adopt(future))

    async def _await(self, future: Future[Any]) -> Any:
        return await asyncio.wrap_future(self._scope.adopt(future))

    def _between(self, effect: BeginIteration | EndIteration) -> Waits[list[str] | None]:
        """Begin or end an iteration; once one has ended, do what the user asked for meanwhile and return the notes."""
        if isinstance(effect, EndIteration):
            self._at_once(effect)
            if effect.answer is not None or effect.last:
                return None
            said = self.resumed.notes(effect.number + 1) if self.resumed is not None else []
            return [*said, *((yield from self._steering.heed(effect.number, notes=self._is_root)) or [])]
        if not self._is_root and effect.number == 1:
            yield from self._steering.heed(0)  # a child does not begin in a pause
        self._steering.check(effect.number - 1)
        self._at_once(effect)
        return None

    def _decided(self, effect: RunCode) -> Waits[Verdict]:
        """Return what the user has decided about a block, where somebody is to be asked; once is enough."""
        resumed, recorder, reviewed = self.resumed, self._recorder, self._steering.reviewer is not None
        earlier = None
        if resumed is not None:
            earlier = resumed.block(self._iteration, effect.index, effect.code, recorder)
            if earlier is not None and resumed.decided(earlier, reviewed=reviewed):
                return Verdict.again(effect.code, earlier)
        if not reviewed:
            return Verdict(effect.code)
        shown = recorder.redactor.redact(effect.code)
        block = ProposedBlock(secrets.token_hex(8), shown, self._iteration, effect.index, self._begin.depth)
        decision = yield from self._steering.review(block)
        if self._scope.cancelled:  # whoever was asked swallowed the interrupt
            raise self._scope.failure or KeyboardInterrupt
        verdict = Verdict.of(effect.code, shown, decision)
        ran = resumed is not None and earlier is not None and resumed.ran(earlier, verdict.code, recorder)
        return replace(verdict, earlier=earlier) if ran and verdict.not_run is None else verdict

    @contextmanager
    def _recorded(self, task: asyncio.Task[Any] | None = None) -> Iterator[_Outcome]:
        """Record the run and how it ends; put the namespace back before anything else can go wrong."""
        outcome = _Outcome()
        with self._ended_from_outside(task), self._steerable():
            self._run_span = self._recorder.start(self._begin, self._parent_span)
            try:
                with self._environment.running(self._subcalls):
                    try:
                        yield outcome
                    finally:
                        self._scope.closing = True
                        outcome.partial = self._environment.answer_so_far()
            except BaseException as raised:
                if isinstance(raised, AnswerFormatError):
                    outcome.partial = raised.partial_answer
                # What broke the run off may be how the limit that was reached made itself felt.
                error = self._scope.failure if self._scope.failure is not None and was_interrupted(raised) else raised
                self._scope.cancel("interrupted" if was_interrupted(error) else "failed")
                told = self._told(error, outcome, asynchronous=task is not None)
                self._end(outcome, told)
                raise told from (None if isinstance(told, LimitExceededError) else raised)
            self._scope.cancel("it is over")  # threads of model code may still be asking
            self._end(outcome, None)
            if self._scope.interrupted:  # while things were put back
                raise self._told(KeyboardInterrupt(), outcome, asynchronous=task is not None)

    @property
    def _is_root(self) -> bool:
        return self._scope is self._tree.scope

    def _steerable(self) -> AbstractContextManager[None]:
        if not self._is_root or self._setup.below:  # a child is steered with its root; in another process it is not
            return nullcontext()
        return steerable(self._recorder.run_id, self._steering)

    def _ended_from_outside(self, task: asyncio.Task[Any] | None) -> AbstractContextManager[None]:
        if self._is_root:
            return interruptible(self._scope, self._setup.limits.max_timeout, task)
        return attached(self._scope)

    def _end(self, outcome: _Outcome, error: BaseException | None) -> None:
        """Record the end of what is open, innermost first; cancelled sub-calls get a moment to end theirs."""
        self._subcalls.settle()
        if self._iteration_span and error is not None:
            self._recorder.end(self._iteration_span, IterationEnd(), status_of(error))
        changes = self._environment.changes()
        named = {"created": changes.created, "rebound": changes.rebound, "deleted": changes.deleted}
        named["mutated"] = changes.mutated
        end = RunEnd(
            answer=outcome.answer if error is None else outcome.partial,
            error=error_record(error) if error is not None else None,
            changes={what: list(names) for what, names in named.items() if names},
        )
        self._recorder.end(self._run_span, end, status_of(error))

    def _told(self, error: BaseException, outcome: _Outcome, *, asynchronous: bool) -> BaseException:
        """Return the exception that the caller gets, with the partial answer and the trace in it."""
        if isinstance(error, KeyboardInterrupt):
            if asynchronous:  # a task that raises KeyboardInterrupt takes its event loop with it
                return asyncio.CancelledError("The run was interrupted.")
            error = InterruptedRun("The run was interrupted.")
        if isinstance(error, Stopped) and self._is_root and not asynchronous:
            error = InterruptedRun(str(error))
        if isinstance(error, LimitExceededError):
            error = copy.copy(error)  # it is the tree's, and every run of it tells of its own trace
        if isinstance(error, RLMError | InterruptedRun):
            error.partial_answer, error.trace = outcome.partial, self.trace
        return error

    def _model_call(self, effect: CallModel) -> AbstractContextManager[ModelCall]:
        parent = self._iteration_span or self._run_span
        fed = self._calls.fed(effect, self._iteration, self.resumed)
        return self._calls.under_way(effect, fed, parent, self._before_asking)

    def _before_asking(self) -> None:
        self._check_errors()
        if not self._iteration_span:  # a call beside the iterations: for a summary, or in a run that has none
            self._steering.check(self._iteration)

    def _check_errors(self) -> None:
        """End this run when too many blocks in a row have failed: it alone, for its parent may know better."""
        limit = self._setup.limits.max_errors
        if limit is not None and self._failed_blocks >= limit:
            msg = f"{self._failed_blocks} code blocks in a row have failed, which is the limit (max_errors)."
            if self.resumed is not None:
                msg += " Most of them are the earlier run's: raise max_errors to go on with it."
            self._scope.cancel("a limit was reached", ErrorThresholdExceededError(msg))
        self._scope.check()

    @contextmanager
    def _code_run(self, effect: RunCode, verdict: Verdict) -> Iterator[_CodeRun]:
        inputs = self._inputs.of(verdict.code) if verdict.not_run is None else []
        told = {"review": verdict.review, "proposed": verdict.proposed, "inputs": inputs}
        start = CodeStart(code=verdict.code, index=effect.index, **told)
        span = self._recorder.start(start, self._iteration_span)
        earlier = verdict.earlier
        if earlier is not None:
            carry(earlier, span, self._recorder)
        token = self._subcalls.begin_code(span, earlier)
        code = _CodeRun(verdict.not_run)
        try:
            if self._scope.cancelled:  # what ended the run came together with the reply
                raise self._scope.failure or KeyboardInterrupt
            self._scope.running_code = not getattr(self._environment, "marks_model_code", False)
            yield code
        except CellInterrupted as interrupt:
            code.result = interrupt.result
            raise
        finally:
            if os.getpid() != self._process:
                os._exit(1)  # model code forked, and the run is its parent's to go on with
            code_is_over(self._scope)
            self._inputs.ran(code.result)
            calls = self._subcalls.end_code(span, token)
            if code.result is not None:
                remarks: list[str] = []
                if self.resumed is not None and earlier is not None and not self._scope.cancelled:
                    code.result, remarks = self.resumed.settled(earlier, self._iteration, code.result, self._recorder)
                code.result.rlm_calls = calls
                self._recorder.end(span, code_end(code.result, remarks), self._code_status(code.result))
            else:
                self._recorder.end(span, CodeEnd(), "interrupted")
        if self._scope.cancelled:  # model code swallowed the interrupt, or ran into a limit
            raise self._scope.failure or KeyboardInterrupt
        if code.result is not None and not code.result.rejected:
            self._failed_blocks = self._failed_blocks + 1 if code.result.error is not None else 0
            code.result.notes = [*verdict.remarks, *code.result.notes]

    def _code_status(self, result: REPLResult) -> Status:
        if self._scope.cancelled:
            return "limit" if self._scope.failure is not None else "interrupted"
        return "error" if result.error is not None else "ok"

    def _at_once(self, effect: Effect) -> str | None:
        """Do what needs no waiting: read the answer, or record that an iteration begins or ends."""
        depth = self._begin.depth
        if isinstance(effect, BeginIteration):
            start = IterationStart(number=effect.number, closing=effect.closing, notes=list(effect.notes))
            self._iteration_span = self._recorder.start(start, self._run_span)
            self._iteration, self._iteration_began = effect.number, time.perf_counter()
            self._setup.callbacks.call("on_iteration_start", depth, effect.number)
        elif isinstance(effect, ReadAnswer):
            return self._environment.answer_so_far()
        elif isinstance(effect, ReopenAnswer):
            self._environment.reopen_answer()
        elif isinstance(effect, KeepHistory):
            self._environment.keep_history(effect.messages)
        elif isinstance(effect, EndIteration):
            seconds = time.perf_counter() - self._iteration_began
            self._recorder.end(
                self._iteration_span, IterationEnd(answered=effect.answer is not None, rejected=effect.rejected)
            )
            self._iteration_span = ""
            self._setup.callbacks.call("on_iteration_complete", depth, effect.number, seconds)
        return None
