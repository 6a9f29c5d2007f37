"""The model calls that model code makes: in parallel, bounded, recorded, and ended with their run."""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import threading
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from rlm_jupyter.clients.io_thread import submit
from rlm_jupyter.core.asking import message_of, read_prompt
from rlm_jupyter.core.digest import text_digest
from rlm_jupyter.core.errors import ScaffoldError, failure_text
from rlm_jupyter.core.pictures import Picture, looks_like
from rlm_jupyter.core.protocols import Message, ModelReply, ModelRequest, Prompt
from rlm_jupyter.core.results import RLMChatCompletion
from rlm_jupyter.core.usage import Usage, UsageSummary
from rlm_jupyter.trace.recorder import writable
from rlm_jupyter.trace.schema import ErrorRecord, SubcallEnd, SubcallStart, UsageRecord

from .attempts import Attempts
from .children import Family
from .earlier import CutReplyError, EarlierBlock, Outcome
from .tree import Tree

if TYPE_CHECKING:
    from rlm_jupyter.core.scope import Scope
    from rlm_jupyter.trace.recorder import Recorder

    from .children import Children
    from .settings import Setup

__all__ = ["PROMPT_LIMIT", "REPLY_LIMIT", "Subcalls", "failure_fields", "reply_fields"]

PROMPT_LIMIT = 4_000
"""Characters of a sub-call's prompt that a trace holds in full; prompts carry slices of the context."""

REPLY_LIMIT = 100_000
"""Characters of a reply that a trace holds in full, so that it can be played again."""

_SETTLE = 0.05  # seconds; the stop button has 200 ms in all

_code_span: contextvars.ContextVar[str | None] = contextvars.ContextVar("rlm_jupyter_code_span", default=None)


@dataclass(frozen=True, slots=True)
class _Asked:
    """One call: what is sent, the digests of its pictures, and where it belongs."""

    message: Message
    images: list[str]
    model: str | None
    parent: str | None
    batch: str | None
    index: int | None


_Read: TypeAlias = "tuple[Message, list[Picture]]"


class Subcalls:
    """Answers ``llm_query`` and its kin for one run. Safe to call from any thread but the I/O thread.

    No more than ``width`` calls, and ``width`` children, are under way at a time.
    """

    def __init__(self, tree: Tree, scope: Scope, setup: Setup, width: int, children: Children | None) -> None:
        self._tree = tree
        self._scope = scope
        self._recorder = tree.recorder
        self._models = setup.models
        self._sampling: Mapping[str, Any] = setup.recursion.sampling
        self._children = children
        self._room = asyncio.Semaphore(width)  # only ever awaited on the I/O thread's loop
        self._batches = itertools.count(1)
        self._calls: dict[str | None, list[RLMChatCompletion]] = {}
        self._earlier: dict[str | None, EarlierBlock] = {}
        self._in_flight = 0  # counted on the I/O thread
        self._idle = threading.Event()
        self._idle.set()

    def begin_code(self, span_id: str, earlier: EarlierBlock | None = None) -> contextvars.Token[str | None]:
        """Credit calls of this context, and of the threads that it starts, to a code span.

        What the ``earlier`` block has recorded answers them as long as there is something.
        """
        if earlier is not None:
            self._earlier[span_id] = earlier
        return _code_span.set(span_id)

    def end_code(self, span_id: str, token: contextvars.Token[str | None]) -> list[RLMChatCompletion]:
        """Return the calls that were made for the code span, in the order in which they ended."""
        _code_span.reset(token)
        return self._calls.pop(span_id, [])

    def settle(self) -> None:
        """Wait a moment for cancelled calls and children to be recorded as such."""
        self._idle.wait(_SETTLE)
        if self._children is not None:
            self._children.settle(_SETTLE)

    def llm_query(self, prompt: Prompt, model: str | None = None) -> str:
        """Return the model's reply; raises ``ClientError``, ``CancellationError``, or the error of a limit."""
        return _reply(self._scope.wait(self._begun([prompt], model))[0])

    def llm_query_batched(self, prompts: Sequence[Prompt], model: str | None = None) -> list[str]:
        """Return replies in the order of the prompts; a failed slot holds ``Error: ...`` and says why."""
        batch = f"b{next(self._batches)}"
        replies = self._scope.wait(self._begun(_listed(prompts, "llm_query"), model, batch))
        return [_slot(reply) for reply in replies]

    def rlm_query(self, prompt: Any, model: str | None = None) -> str:
        """Return a child run's answer, or a plain reply at the depth limit; raises what ended the child."""
        if self._children is None:
            return self.llm_query(prompt, model)
        return _reply(self._children.answer(self._family([prompt], model))[0])

    def rlm_query_batched(self, prompts: Sequence[Any], model: str | None = None) -> list[str]:
        """Return the children's answers in the order of the prompts; a failed slot holds ``Error: ...``."""
        if self._children is None:
            return self.llm_query_batched(prompts, model)
        batch = f"b{next(self._batches)}"
        answers = self._children.answer(self._family(_listed(prompts, "rlm_query"), model, batch))
        return [_slot(answer) for answer in answers]

    async def llm_query_async(self, prompt: Prompt, model: str | None = None) -> str:
        """Return what ``llm_query`` does, without a thread that waits; a call whose task is cancelled is broken off."""
        read = None
        if not isinstance(prompt, str):  # to encode a picture takes a while
            self._scope.check()
            read = await asyncio.to_thread(self._read, [prompt])
        return _reply((await self._scope.await_(self._begun([prompt], model, read=read)))[0])

    async def rlm_query_async(self, prompt: Any, model: str | None = None) -> str:
        """Return what ``rlm_query`` does; a child whose task is cancelled is ended."""
        if self._children is None:
            return await self.llm_query_async(prompt, model)
        return _reply((await self._children.aanswer(self._family([prompt], model)))[0])

    def _family(self, prompts: list[Any], model: str | None, batch: str | None = None) -> Family:
        self._scope.check()
        parent = _code_span.get()
        calls = self._calls.setdefault(parent, [])
        return Family(prompts, model, batch, parent, calls, self._earlier.get(parent))

    def _begun(
        self,
        prompts: list[Prompt],
        model: str | None,
        batch: str | None = None,
        *,
        read: list[_Read] | None = None,
    ) -> Future[list[str | Exception]]:
        """Begin the calls, and return what becomes of them; the prompts may be ``read`` already.

        Raises ``ScaffoldError`` for what is no prompt.
        """
        read = self._read(prompts) if read is None else read
        self._scope.check()
        parent = _code_span.get()
        asked = [
            _Asked(
                message,
                [self._recorder.picture(picture) for picture in pictures],
                model,
                parent,
                batch,
                index if batch else None,
            )
            for index, (message, pictures) in enumerate(read)
        ]
        return submit(self._gather(asked), self._tree.context, self._scope.adopt)

    @staticmethod
    def _read(prompts: list[Prompt]) -> list[_Read]:
        """Return the prompts as messages, with their pictures, which are encoded then."""
        seen: dict[int, Picture | None] = {}
        read: list[_Read] = []
        for prompt in prompts:
            parts = read_prompt(prompt, seen)
            read.append((message_of(parts), [part for part in parts if isinstance(part, Picture)]))
        return read

    async def _gather(self, asked: list[_Asked]) -> list[str | Exception]:
        tasks = [asyncio.ensure_future(self._call(each)) for each in asked]
        try:
            return await asyncio.gather(*tasks)
        except BaseException:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            raise

    async def _call(self, asked: _Asked) -> str | Exception:
        """Return the reply or the exception; a call that was waiting for room when the run ended is never sent."""
        chosen, parent, prompt = self._models.below(asked.model), asked.parent, asked.message["content"]
        span, began, attempts = "", time.perf_counter(), Attempts("sub-call")
        outcome = self._recorded(asked, chosen.name)
        if isinstance(outcome, ModelReply):
            self._keep(parent, outcome.model, prompt, began, attempts, reply=outcome)
            return outcome.text
        if outcome is not None:
            self._keep(parent, chosen.name, prompt, began, attempts, error=outcome)
            return outcome

        def begin() -> None:
            nonlocal span, began
            start = SubcallStart(
                model=chosen.name,
                prompt=self._recorder.blob(prompt, PROMPT_LIMIT),
                images=asked.images,
                batch=asked.batch,
                index=asked.index,
                sampling=dict(self._sampling),
            )
            span, began = self._recorder.start(start, parent), time.perf_counter()

        async with self._room, self._counted():
            try:
                self._scope.check()
                request = ModelRequest([asked.message], chosen.override, self._sampling, self._tree.deadline)
                reply = await self._tree.ask(self._scope, chosen, request, attempts=attempts, begin=begin)
            except asyncio.CancelledError as cancelled:
                if span:
                    self._recorder.end(span, SubcallEnd(**failure_fields(cancelled, attempts)), "interrupted")
                raise
            except Exception as error:  # noqa: BLE001 - whatever went wrong belongs to this slot, not to the batch
                if span:
                    record = ErrorRecord(name=type(error).__name__, message=str(error))
                    self._recorder.end(span, SubcallEnd(error=record, **failure_fields(error, attempts)), "error")
                    self._keep(parent, chosen.name, prompt, began, attempts, error=error)
                return error
            told = reply_fields(reply, attempts, self._recorder)
            self._recorder.end(span, SubcallEnd(reply=self._recorder.blob(reply.text, REPLY_LIMIT), **told))
            self._keep(parent, reply.model, prompt, began, attempts, reply=reply)
            return reply.text

    def _recorded(self, asked: _Asked, model: str) -> Outcome | None:
        """Return what an earlier run has recorded of the call; it stands in the trace since the block began."""
        earlier = self._earlier.get(asked.parent)
        if earlier is None:
            return None
        self._scope.check()
        prompt = text_digest(self._recorder.redactor.named(writable(asked.message["content"])))
        outcome = earlier.reply(prompt, asked.images, model, failed=earlier.end is not None)
        return None if isinstance(outcome, CutReplyError) else outcome

    @asynccontextmanager
    async def _counted(self) -> AsyncIterator[None]:
        self._in_flight += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._in_flight -= 1
            if self._in_flight == 0:
                self._idle.set()

    def _keep(
        self,
        parent: str | None,
        model: str,
        prompt: str,
        began: float,
        attempts: Attempts,
        *,
        reply: ModelReply | None = None,
        error: Exception | None = None,
    ) -> None:
        usage = UsageSummary()
        retries = reply.retries if reply is not None else attempts.retries(error)
        used, lost = attempts.total(reply.usage if reply is not None else attempts.usage(error))
        usage.add(model, used, retries, cached=reply is not None and reply.cached, lost=lost)
        call = RLMChatCompletion(
            root_model=model,
            prompt=prompt,
            response=reply.text if reply is not None else "",
            usage_summary=usage,
            execution_time=time.perf_counter() - began,
            error=str(error) if error is not None else None,
        )
        self._calls.setdefault(parent, []).append(call)


def _listed(prompts: Sequence[Any], single: str) -> list[Any]:
    if isinstance(prompts, str) or looks_like(prompts) is not None:
        msg = f"{single}_batched takes a list of prompts; for one prompt use {single}."
        raise ScaffoldError(msg)
    return list(prompts)


def _reply(reply: str | Exception) -> str:
    if isinstance(reply, Exception):
        raise reply
    return reply


def _slot(reply: str | Exception) -> str:
    return f"Error: {failure_text(reply)}" if isinstance(reply, Exception) else reply


def failure_fields(error: BaseException, attempts: Attempts) -> dict[str, Any]:
    """Return what a trace says of a call that failed besides the error."""
    usage, lost = attempts.total(attempts.usage(error))
    return {"retries": attempts.retries(error), "lost": lost, "usage": _usage_record(usage)}


def reply_fields(reply: ModelReply, attempts: Attempts, recorder: Recorder) -> dict[str, Any]:
    """Return what a trace says of a reply besides its text."""
    usage, lost = attempts.total(reply.usage)
    return {
        "response_model": reply.model,
        "response_id": reply.response_id,
        "finish_reason": reply.finish_reason,
        "retries": reply.retries,
        "lost": lost,
        "reasoning": recorder.blob(reply.reasoning, REPLY_LIMIT) if reply.reasoning else None,
        "notes": list(reply.notes),
        "cached": reply.cached,
        "usage": _usage_record(usage),
    }


def _usage_record(usage: Usage) -> UsageRecord:
    return UsageRecord(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cached_input_tokens=usage.cached_input_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        cost=usage.cost,
    )
