"""The model calls that model code makes: in parallel on the I/O thread, bounded, recorded, and ended with their run."""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import threading
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from rlm_jupyter.clients.io_thread import submit
from rlm_jupyter.core.errors import ScaffoldError
from rlm_jupyter.core.protocols import ModelReply, ModelRequest
from rlm_jupyter.core.results import RLMChatCompletion
from rlm_jupyter.core.usage import Usage, UsageSummary
from rlm_jupyter.trace.schema import ErrorRecord, SubcallEnd, SubcallStart, UsageRecord

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rlm_jupyter.core.limits import Meter
    from rlm_jupyter.core.protocols import Client
    from rlm_jupyter.core.scope import Scope
    from rlm_jupyter.trace.recorder import Recorder

__all__ = ["PROMPT_LIMIT", "Subcalls", "reply_fields"]

PROMPT_LIMIT = 4_000
"""Characters of a sub-call's prompt or reply that a trace holds in full; prompts carry slices of the context."""

_SETTLE = 0.05  # seconds; the stop button has 200 ms in all

_code_span: contextvars.ContextVar[str | None] = contextvars.ContextVar("rlm_jupyter_code_span", default=None)


class Subcalls:
    """Answers ``llm_query`` and its kin for one run. Safe to call from any thread but the I/O thread."""

    def __init__(
        self,
        client: Client,
        scope: Scope,
        recorder: Recorder,
        meter: Meter,
        *,
        max_concurrent: int,
        sampling: Mapping[str, Any],
    ) -> None:
        self._client = client
        self._scope = scope
        self._recorder = recorder
        self._meter = meter
        self._sampling = sampling
        self._room = asyncio.Semaphore(max_concurrent)  # only ever awaited on the I/O thread's loop
        self._batches = itertools.count(1)
        self._calls: dict[str | None, list[RLMChatCompletion]] = {}
        self._in_flight = 0  # counted on the I/O thread
        self._idle = threading.Event()
        self._idle.set()

    def begin_code(self, span_id: str) -> contextvars.Token[str | None]:
        """Credit calls of this context, and of the threads that it starts, to a code span."""
        return _code_span.set(span_id)

    def end_code(self, span_id: str, token: contextvars.Token[str | None]) -> list[RLMChatCompletion]:
        """Return the calls that were made for the code span, in the order in which they ended."""
        _code_span.reset(token)
        return self._calls.pop(span_id, [])

    def settle(self) -> None:
        """Wait a moment for cancelled calls to be recorded as such."""
        self._idle.wait(_SETTLE)

    def llm_query(self, prompt: str, model: str | None = None) -> str:
        """Return the model's reply; raises ``ClientError``, ``CancellationError``, or the error of a limit."""
        reply = self._wait([prompt], model, batch=None)[0]
        if isinstance(reply, BaseException):
            raise reply
        return reply

    def llm_query_batched(self, prompts: Sequence[str], model: str | None = None) -> list[str]:
        """Return replies in the order of the prompts; a failed slot holds ``Error: ...`` and says why."""
        if isinstance(prompts, str):
            msg = "llm_query_batched takes a list of prompts; for one prompt use llm_query."
            raise ScaffoldError(msg)
        replies = self._wait(list(prompts), model, batch=f"b{next(self._batches)}")
        return [f"Error: {reply}" if isinstance(reply, BaseException) else reply for reply in replies]

    # At the depth limit a child is a plain model call (design of the method: arXiv 2512.24601, section 2).
    rlm_query = llm_query
    rlm_query_batched = llm_query_batched

    def _wait(self, prompts: list[str], model: str | None, batch: str | None) -> list[str | Exception]:
        wrong = next((prompt for prompt in prompts if not isinstance(prompt, str)), None)
        if wrong is not None:
            msg = f"A prompt is a string, and this one is of type {type(wrong).__name__}: put it into an f-string."
            raise ScaffoldError(msg)
        self._scope.check()
        parent = _code_span.get()
        return self._scope.wait(self._scope.adopt(submit(self._gather(prompts, model, batch, parent))))

    async def _gather(
        self, prompts: list[str], model: str | None, batch: str | None, parent: str | None
    ) -> list[str | Exception]:
        tasks = [
            asyncio.ensure_future(self._call(prompt, model, batch, index if batch else None, parent))
            for index, prompt in enumerate(prompts)
        ]
        try:
            return await asyncio.gather(*tasks)
        except BaseException:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            raise

    async def _call(
        self, prompt: str, model: str | None, batch: str | None, index: int | None, parent: str | None
    ) -> str | Exception:
        """Return the reply or the exception; a call that was waiting for room when the run ended is never sent."""
        async with self._room, self._counted():
            self._meter.enforce(self._scope)
            name = model or self._client.model_name
            digest = self._recorder.blob(prompt, PROMPT_LIMIT)
            span = self._recorder.start(SubcallStart(model=name, prompt=digest, batch=batch, index=index), parent)
            began = time.perf_counter()
            try:
                reply = await self._client.acompletion(
                    ModelRequest([{"role": "user", "content": prompt}], model, self._sampling)
                )
            except asyncio.CancelledError:
                self._recorder.end(span, SubcallEnd(), "interrupted")
                raise
            except Exception as error:  # noqa: BLE001 - whatever went wrong belongs to this slot, not to the batch
                record = ErrorRecord(name=type(error).__name__, message=str(error))
                self._recorder.end(span, SubcallEnd(error=record), "error")
                self._keep(parent, name, prompt, began, error=error)
                return error
            self._meter.add(reply.model, reply.usage)
            digest = self._recorder.blob(reply.text, PROMPT_LIMIT)
            self._recorder.end(span, SubcallEnd(reply=digest, **reply_fields(reply)))
            self._keep(parent, reply.model, prompt, began, reply=reply)
            return reply.text

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
        *,
        reply: ModelReply | None = None,
        error: Exception | None = None,
    ) -> None:
        usage = UsageSummary()
        usage.add(model, reply.usage if reply is not None else Usage())
        call = RLMChatCompletion(
            root_model=model,
            prompt=prompt,
            response=reply.text if reply is not None else "",
            usage_summary=usage,
            execution_time=time.perf_counter() - began,
            error=str(error) if error is not None else None,
        )
        self._calls.setdefault(parent, []).append(call)


def reply_fields(reply: ModelReply) -> dict[str, Any]:
    """Return what a trace says of a reply besides its text."""
    usage = reply.usage
    return {
        "response_model": reply.model,
        "response_id": reply.response_id,
        "finish_reason": reply.finish_reason,
        "retries": reply.retries,
        "usage": UsageRecord(
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cached_input_tokens=usage.cached_input_tokens,
            reasoning_tokens=usage.reasoning_tokens,
            cost=usage.cost,
        ),
    }
