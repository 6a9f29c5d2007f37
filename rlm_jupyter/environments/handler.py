"""Who answers the model calls of code that is run by hand, outside a run: a function, or an LM handler at an address.

The handler's wire format is that of the reference implementation (``rlms``): one TCP connection per request, a length
of four bytes (big-endian), then JSON.
"""

from __future__ import annotations

import asyncio
import contextvars
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeAlias

from rlm_jupyter.core.errors import ScaffoldError
from rlm_jupyter.core.results import RLMChatCompletion
from rlm_jupyter.core.usage import ModelUsageSummary, UsageSummary

__all__ = ["Address", "HandlerQueries", "SubcallFunction"]

Address: TypeAlias = tuple[str, int]
"""Host and port."""

SubcallFunction: TypeAlias = Callable[[str, str | None], "RLMChatCompletion | str"]
"""Answers one ``rlm_query``: called with the prompt and the model, or None."""

_NOBODY = "No language model is attached: give this environment a subcall_fn or an lm_handler_address, or use RLM."
_TIMEOUT = 300.0  # seconds, as the reference implementation's clients wait

_credited: contextvars.ContextVar[list[RLMChatCompletion] | None] = contextvars.ContextVar(
    "rlm_jupyter_credited", default=None
)


class HandlerQueries:
    """Answers queries by ``subcall_fn`` and by the handler at ``address``; failures are strings: ``Error: ...``.

    ``rlm_query`` asks the function, or else the handler; ``llm_query`` the handler, or else the function. No more than
    ``max_concurrent`` calls are under way at a time, over all threads. ``depth`` is told to the handler.
    """

    def __init__(
        self,
        subcall_fn: SubcallFunction | None = None,
        address: Address | None = None,
        *,
        depth: int = 1,
        max_concurrent: int = 4,
    ) -> None:
        self.subcall_fn = subcall_fn
        self.address = address
        self._depth = depth
        self.max_concurrent = max_concurrent
        self._room = threading.BoundedSemaphore(max_concurrent)

    @contextmanager
    def crediting(self) -> Iterator[list[RLMChatCompletion]]:
        """Yield the list of the calls that this context, and the threads that it starts, make meanwhile."""
        calls: list[RLMChatCompletion] = []
        token = _credited.set(calls)
        try:
            yield calls
        finally:
            _credited.reset(token)

    def llm_query(self, prompt: str, model: str | None = None) -> str:
        """Return the reply, or ``Error: ...``."""
        return self._ask(self._handled if self.address is not None else self._called, prompt, model)

    def llm_query_batched(self, prompts: Sequence[str], model: str | None = None) -> list[str]:
        """Return the replies in the order of the prompts."""
        return self._batched(self.llm_query, prompts, model)

    def rlm_query(self, prompt: Any, model: str | None = None) -> str:
        """Return the answer, or ``Error: ...``."""
        return self._ask(self._called if self.subcall_fn is not None else self._handled, prompt, model)

    def rlm_query_batched(self, prompts: Sequence[Any], model: str | None = None) -> list[str]:
        """Return the answers in the order of the prompts."""
        return self._batched(self.rlm_query, prompts, model)

    async def llm_query_async(self, prompt: Any, model: str | None = None) -> str:
        """Return what ``llm_query`` does; the event loop is free meanwhile."""
        return await asyncio.to_thread(self.llm_query, prompt, model)

    async def rlm_query_async(self, prompt: Any, model: str | None = None) -> str:
        """Return what ``rlm_query`` does; the event loop is free meanwhile."""
        return await asyncio.to_thread(self.rlm_query, prompt, model)

    def _batched(self, query: Callable[[Any, str | None], str], prompts: Sequence[Any], model: str | None) -> list[str]:
        if isinstance(prompts, str):
            msg = "A batch takes a list of prompts; for one prompt use llm_query or rlm_query."
            raise ScaffoldError(msg)
        if not prompts:
            return []
        pool = ThreadPoolExecutor(min(self.max_concurrent, len(prompts)), thread_name_prefix="rlm-jupyter-query")
        try:
            futures = [pool.submit(contextvars.copy_context().run, query, prompt, model) for prompt in prompts]
            return [future.result() for future in futures]
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _ask(self, how: Callable[[Any, str | None], RLMChatCompletion], prompt: Any, model: str | None) -> str:
        credited = _credited.get()
        began = time.perf_counter()
        with self._room:
            try:
                completion = how(prompt, model)
            except Exception as error:  # noqa: BLE001 - a failed call is an observation of the code that made it
                seconds = time.perf_counter() - began
                reason = str(error) or type(error).__name__
                completion = RLMChatCompletion(model or "", prompt, "", UsageSummary(), seconds, error=reason)
        if credited is not None:
            credited.append(completion)
        return f"Error: {completion.error}" if completion.error else completion.response

    def _called(self, prompt: Any, model: str | None) -> RLMChatCompletion:
        if self.subcall_fn is None:
            raise ScaffoldError(_NOBODY)
        began = time.perf_counter()
        answer = self.subcall_fn(prompt, model)
        if isinstance(answer, RLMChatCompletion):
            return answer
        return RLMChatCompletion(model or "", prompt, str(answer), UsageSummary(), time.perf_counter() - began)

    def _handled(self, prompt: Any, model: str | None) -> RLMChatCompletion:
        if self.address is None:
            raise ScaffoldError(_NOBODY)
        request = {"prompt": prompt, "depth": self._depth} | ({"model": model} if model else {})
        response = _exchange(self.address, request)
        told = response.get("chat_completion")
        if response.get("error") or not isinstance(told, dict):
            msg = str(response.get("error") or "The handler sent no reply.")
            raise ScaffoldError(msg)
        return _completion(told)


def _exchange(address: Address, request: Mapping[str, Any]) -> dict[str, Any]:
    payload = json.dumps(request).encode()
    with socket.create_connection(address, timeout=_TIMEOUT) as connection:
        connection.sendall(struct.pack(">I", len(payload)) + payload)
        with connection.makefile("rb") as stream:
            head = stream.read(4)
            body = stream.read(struct.unpack(">I", head)[0]) if len(head) == 4 else b""
    response = json.loads(body) if body else {}
    return response if isinstance(response, dict) else {}


def _completion(told: Mapping[str, Any]) -> RLMChatCompletion:
    summaries = dict((told.get("usage_summary") or {}).get("model_usage_summaries") or {})
    usage = UsageSummary(
        {
            model: ModelUsageSummary(
                total_calls=each.get("total_calls") or 0,
                total_input_tokens=each.get("total_input_tokens") or 0,
                total_output_tokens=each.get("total_output_tokens") or 0,
                total_cost=each.get("total_cost"),
                unpriced_calls=0 if each.get("total_cost") is not None else each.get("total_calls") or 0,
            )
            for model, each in summaries.items()
        }
    )
    return RLMChatCompletion(
        root_model=str(told.get("root_model") or ""),
        prompt=told.get("prompt"),
        response=str(told.get("response") or ""),
        usage_summary=usage,
        execution_time=float(told.get("execution_time") or 0.0),
        metadata=told.get("metadata"),
        error=told.get("error"),
    )
