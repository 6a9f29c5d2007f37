"""Child runs: what ``rlm_query`` starts, each with a namespace of its own, in parallel threads or on an executor."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from concurrent.futures import wait as wait_for_all
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rlm_jupyter.core.describe import describe
from rlm_jupyter.core.errors import CancellationError, InterruptedRun, RLMError, failure_text
from rlm_jupyter.core.results import RLMChatCompletion
from rlm_jupyter.core.usage import UsageSummary

from .child import Child
from .question import context_digest
from .remote import Outcome
from .settings import Origin
from .shares import Shares
from .threads import DaemonThreads

if TYPE_CHECKING:
    from rlm_jupyter.core.scope import Scope

    from .earlier import EarlierBlock
    from .settings import Setup
    from .tree import Tree

__all__ = ["Children", "Family"]

_LATE = 0.1  # seconds for what children in other processes recorded, once they are told to end
_PREVIEW = 80  # characters of a prompt that a callback is told


@dataclass(frozen=True, slots=True)
class Family:
    """Children that are asked for at once; ``calls`` gets their results, ``parent`` is the span of the code that asks.

    ``batch`` names the batch that they are the slots of, if they are. What ``earlier`` has recorded is not asked again.
    """

    prompts: Sequence[Any]
    model: str | None
    batch: str | None
    parent: str | None
    calls: list[RLMChatCompletion]
    earlier: EarlierBlock | None = None


class Children:
    """Starts the children of one run, ``width`` at a time. Safe to use from any thread."""

    def __init__(self, tree: Tree, scope: Scope, setup: Setup, width: int) -> None:
        self._tree = tree
        self._scope = scope
        self._setup = setup
        self._width = width
        self._lock = threading.Lock()
        self._submitting = threading.Lock()
        self._threads: DaemonThreads | None = None
        self._shares = Shares(tree)
        self._abroad: set[Future[None]] = set()  # no lock: a signal handler may cancel them
        self._under_way = 0
        self._idle = threading.Event()
        self._idle.set()

    def answer(self, family: Family) -> list[str | Exception]:
        """Return each child's answer, or the exception that it ended with.

        Raises ``CancellationError``, or the error of a limit, when the run ends meanwhile.
        """
        answers = [self._scope.wait(future) for _, future in self._begun(family)]
        self._scope.check()  # a limit that a child ran into ends its parent, too, and not with the child's answer
        return answers

    async def aanswer(self, family: Family) -> list[str | Exception]:
        """Answer as ``answer`` does; when the awaiting task is cancelled, the children are ended."""
        begun = self._begun(family)
        try:
            answers = [await self._scope.await_(future) for _, future in begun]
        except asyncio.CancelledError:
            for child, future in begun:
                future.cancel()
                child.cancel()
            raise
        self._scope.check()
        return answers

    def _begun(self, family: Family) -> list[tuple[Child, Future[str | Exception]]]:
        setup, batch = self._setup.child(family.model), family.batch
        threads = self._running_threads()
        begun = []
        for index, prompt in enumerate(family.prompts):
            place = Origin(span=family.parent, batch=batch, index=index if batch else None)
            child = Child(self._tree, self._scope, setup, prompt, place, self._shares, self._width)
            if family.earlier is not None:
                child.earlier = family.earlier.child(context_digest(prompt), place.index)
            recorded = self._recorded(child, family)
            if recorded is not None:
                begun.append((child, recorded))
                continue
            # Outside the cell: what a callback prints is for the user.
            future = threads.submit(self._tree.context.copy().run, self._one, child, family.calls)
            begun.append((child, self._scope.adopt(future)))
        return begun

    def _recorded(self, child: Child, family: Family) -> Future[str | Exception] | None:
        """Return what an earlier run has recorded of the child, which stands in the trace since the block began.

        None when it is to run; a child that was cut goes on from where it was.
        """
        earlier, block = child.earlier, family.earlier
        if earlier is None or block is None:
            return None
        failure = earlier.failure if block.end is not None else None
        outcome = earlier.answer if failure is None else failure
        if outcome is None:
            return None
        answer = outcome if isinstance(outcome, str) else ""
        error = failure_text(failure) if failure is not None else None
        name = child.setup.model.name
        usage = UsageSummary()
        family.calls.append(RLMChatCompletion(name, child.prompt, answer, usage, 0.0, error=error))
        future: Future[str | Exception] = Future()
        future.set_result(outcome)
        return self._scope.adopt(future)

    def settle(self, seconds: float) -> None:
        """Wait a moment for children that were cut off to record their end; take no more."""
        with self._lock:
            threads, self._threads = self._threads, None
        if threads is not None:
            threads.shutdown(cancel_futures=True)
        self._shares.close()
        if threads is not None:
            self._idle.wait(seconds)
        wait_for_all(tuple(self._abroad), _LATE)

    def _running_threads(self) -> DaemonThreads:
        with self._lock:
            if self._threads is None:
                self._threads = DaemonThreads(self._width, "rlm-jupyter-child")
            return self._threads

    def _one(self, child: Child, calls: list[RLMChatCompletion]) -> str | Exception:
        """Run one child to its end, in one of the threads. Nothing that ends it ends its siblings."""
        with self._lock:
            self._under_way += 1
            self._idle.clear()
        setup, prompt = child.setup, child.prompt
        name, began = setup.model.name, time.perf_counter()
        failure: Exception | None = None
        try:
            setup.callbacks.call("on_subcall_start", setup.depth, name, _preview(prompt))
            completion = self._performed(child)
        except KeyboardInterrupt as interrupt:
            failure = CancellationError("The child run was interrupted.")
            if isinstance(interrupt, InterruptedRun):
                failure.partial_answer, failure.trace = interrupt.partial_answer, interrupt.trace
        except Exception as error:  # noqa: BLE001 - whatever ended the child belongs to its slot
            failure = error
        finally:
            child.leave()
            seconds = time.perf_counter() - began
            with self._lock:
                self._under_way -= 1
                if not self._under_way:
                    self._idle.set()
        if failure is not None:
            completion = RLMChatCompletion(name, prompt, "", UsageSummary(), seconds, error=failure_text(failure))
            if isinstance(failure, RLMError) and failure.trace is not None:
                completion.trace = failure.trace
                completion.usage_summary = failure.trace.usage
        calls.append(completion)
        setup.callbacks.call("on_subcall_complete", setup.depth, name, seconds, completion.error)
        return completion.response if failure is None else failure

    def _performed(self, child: Child) -> RLMChatCompletion:
        executor = self._setup.recursion.executor
        if executor is None or child.earlier is not None:  # what was recorded of it is here
            return child.perform()
        with self._submitting:  # not every executor takes calls from several threads at once (ipyparallel's does not)
            try:
                future = executor.submit(child)
            except BaseException:
                child.leave(begun=False)
                raise
        bridged = child.elsewhere = self._scope.adopt(self._bridged(future, child))
        done = self._scope.wait(bridged)
        return done if isinstance(done, RLMChatCompletion) else child.completed(done)

    def _bridged(self, future: Future[Any], child: Child) -> Future[RLMChatCompletion | Outcome]:
        """Return a future of the standard library's own: those of others time out in ways of their own."""
        bridge: Future[RLMChatCompletion | Outcome] = Future()
        back: Future[None] = Future()
        self._abroad.add(back)

        def carry_over(ended: Future[Any]) -> None:
            try:
                if bridge.set_running_or_notify_cancel():
                    _copy(ended, bridge)
                elif not ended.cancelled() and ended.exception() is None and isinstance(ended.result(), Outcome):
                    child.record(ended.result())  # too late for an answer
            finally:
                self._abroad.discard(back)
                back.set_result(None)

        def cancel(ended: Future[Any]) -> None:
            if ended.cancelled():
                future.cancel()

        future.add_done_callback(carry_over)
        bridge.add_done_callback(cancel)
        return bridge


def _copy(ended: Future[Any], bridge: Future[Any]) -> None:
    try:
        bridge.set_result(ended.result())
    except BaseException as error:  # noqa: BLE001 - it is raised where the result is waited for
        bridge.set_exception(error)


def _preview(prompt: Any) -> str:
    text = prompt if isinstance(prompt, str) else str(describe(prompt, 0))
    return text[:_PREVIEW]
