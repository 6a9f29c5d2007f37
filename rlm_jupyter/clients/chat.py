"""A model behind a server that speaks OpenAI's chat completions: asked, asked again if that helps, understood."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rlm_jupyter.core.errors import ClientError
from rlm_jupyter.core.protocols import ModelReply, ModelRequest, OnText
from rlm_jupyter.core.usage import Usage

from . import prices
from .completion import Completion
from .connection import Connection, Headers
from .endpoint import Endpoint
from .failures import explain_connection, explain_status
from .rate_limits import pause_until_reset
from .request_body import WAYS, chat_fields, encode
from .retries import MAX_RETRIES, persist
from .throttle import Throttle, throttle_for

if TYPE_CHECKING:
    import httpx2
    import openai

__all__ = ["ChatClient"]

_DRAIN = 0.25  # seconds
_LONGEST_REFUSAL = 2**20  # bytes of a refusal that are read
_ALIVE = "only comments came"
_COMMENTED = 6  # timeouts for which a server may send nothing but comments: that it is alive, and nothing else
_PLAIN = len(WAYS) - 1
_STREAMING = re.compile(r"\bstream(ing|ed|_options)?\b", re.IGNORECASE)


class ChatClient(ABC):
    """What the clients of such servers have in common; they say which client of the OpenAI SDK knows the server.

    ``options`` are the SDK's, and ``max_retries`` and ``price_provider``: the provider whose list prices hold where the
    server says no cost.
    """

    def __init__(
        self,
        model_name: str,
        endpoint: Endpoint,
        *,
        sampling: Mapping[str, Any],
        timeout: float | None,
        query: Mapping[str, object],
        options: Mapping[str, Any],
    ) -> None:
        sdk_options = dict(options)
        self._model_name = model_name
        self._endpoint = endpoint
        self._sampling = sampling
        self._timeout = timeout
        self._query = query
        retries = sdk_options.pop("max_retries", None)
        self._max_retries: int = MAX_RETRIES if retries is None else retries
        self._price_provider: str | None = sdk_options.pop("price_provider", None)
        self._http_client: object = sdk_options.pop("http_client", None)
        self._options = sdk_options
        self._way = 0
        self._connection: Connection | None = None
        self._throttle: Throttle | None = None

    @property
    def model_name(self) -> str:
        """The model that is asked when a request names none."""
        return self._model_name

    @property
    def base_url(self) -> str:
        """The server's address, without credentials."""
        return self._endpoint.url

    @property
    def secrets(self) -> Sequence[str]:
        """The key, and the credentials in the address, the headers and the query."""
        return self._endpoint.secrets

    async def acompletion(self, request: ModelRequest, on_text: OnText | None = None) -> ModelReply:
        """Return the reply; with ``on_text`` it is streamed, and each piece handed over as it arrives.

        Raises ``ClientError`` when there is no reply, ``ConfigurationError`` when the request cannot be sent at all.
        """
        prices.prepare(self._endpoint.url, self._price_provider)
        call = _Call(request, request.model or self._model_name, self._sampling, on_text)
        connection, throttle = self._opened()

        async def attempt(retries: int) -> ModelReply:
            try:
                return await self._attempt(connection, throttle, call, retries)
            except ClientError as error:
                if error.spent is not None:
                    error.spent = await self._priced(call.model, error.spent)
                raise

        reply = await persist(
            attempt,
            throttle,
            max_retries=self._max_retries,
            deadline=request.deadline,
            attempts=request.attempts,
        )
        return replace(reply, usage=await self._priced(reply.model, reply.usage))

    async def aclose(self) -> None:
        """Close connections; a later call opens new ones. May be called twice."""
        connection, self._connection, self._throttle = self._connection, None, None
        if connection is not None:
            await connection.close()

    @abstractmethod
    def _new_sdk(self, http_client: httpx2.AsyncClient, timeout: openai.Timeout) -> openai.AsyncOpenAI:
        """Return the SDK's client for the endpoint."""

    def _forget_openais(self, sdk: openai.AsyncOpenAI) -> None:
        """Keep from any other server what the SDK finds in the environment for OpenAI's."""
        if not self._endpoint.is_openai:
            sdk.organization, sdk.project = self._options.get("organization"), self._options.get("project")

    def _headers(self) -> Headers:
        """Return what every request carries besides what the SDK gives it, or leaves out although the SDK has it."""
        import openai

        return {**dict.fromkeys(self._endpoint.foreign_headers, openai.Omit()), **self._endpoint.headers}

    async def _attempt(self, connection: Connection, throttle: Throttle, call: _Call, retries: int) -> ModelReply:
        """Ask once, or once more in another way where the server refuses streams, and return the reply."""
        way = _PLAIN if call.on_text is None else self._way
        call.begin()
        while True:
            completion = Completion(self._endpoint, streamed=way != _PLAIN)
            try:
                response = await connection.send(call.model, call.body(way), retries)
                try:
                    if response.is_success:
                        throttle.pause(pause_until_reset(response.headers))
                        await _read(response, completion, call, self._timeout)
                        break
                    said = await _refusal(response)
                finally:
                    await response.aclose()
            except ClientError as error:
                error.retries, error.spent = retries, completion.spent
                raise
            except _broken() as error:
                # What the transport raises quotes the request at times: it is never chained.
                failure = explain_connection(error, self._endpoint, self._timeout, retries, completion.size)
                failure.spent = completion.spent
                raise failure from None
            lesser = _lesser_way(way, response.status_code, said)
            if lesser is None:
                asked = (self._endpoint, call.model, retries)
                raise explain_status(response, said, *asked, pictures=call.has_pictures)
            way, retries = lesser, retries + 1
        if call.on_text is not None:
            self._way = max(self._way, way)
        return completion.reply(call.model, retries)

    async def _priced(self, model: str, usage: Usage) -> Usage:
        if usage.cost is not None:
            return usage
        cost = await prices.cost_of(self._endpoint.url, self._price_provider, model, usage)
        return usage if cost is None else replace(usage, cost=cost)

    def _opened(self) -> tuple[Connection, Throttle]:
        """Return the connection and the throttle of the running loop: connections belong to one."""
        connection, throttle = self._connection, self._throttle
        if connection is None or throttle is None or connection.loop is not asyncio.get_running_loop():
            connection = self._connection = Connection(
                self._new_sdk,
                http_client=self._http_client,
                timeout=self._timeout,
                headers=self._headers(),
                fresh=self._endpoint.has_changing_key,
            )
            throttle = self._throttle = throttle_for(self._endpoint.url, self._endpoint.api_key)
        return connection, throttle


class _Call:
    """What is asked, and whoever watches the reply come."""

    def __init__(self, request: ModelRequest, model: str, sampling: Mapping[str, Any], on_text: OnText | None) -> None:
        self.model = model
        self.on_text = on_text
        self.has_pictures = any("parts" in message for message in request.messages)
        fields = chat_fields(request, model, sampling)
        extra = fields.pop("extra_body", None) or {}
        self._fields = {**fields, **extra}  # as the SDK has it
        self._body: tuple[int, bytes] | None = None
        self._told = False

    def body(self, way: int) -> bytes:
        """Return the request as it is asked in this way."""
        if self._body is None or self._body[0] != way:
            self._body = way, encode({**self._fields, **WAYS[way]})
        return self._body[1]

    def begin(self) -> None:
        """Take back what an attempt before this one has told."""
        if self._told and self.on_text is not None:
            self.on_text(None)
        self._told = False

    def tell(self, piece: str) -> None:
        """Hand over more of the reply."""
        if self.on_text is not None:
            self._told = True
            self.on_text(piece)


class _CutError(Exception):
    """The bytes ended, but the reply did not."""


def _broken() -> tuple[type[Exception], ...]:
    """Return what sending a request and reading its response raise when the connection is not made, or breaks."""
    import ssl

    import aiohttp
    import httpx2

    return (_CutError, httpx2.RequestError, aiohttp.ClientError, ssl.SSLError)


async def _read(response: httpx2.Response, completion: Completion, call: _Call, timeout: float | None) -> None:
    """Read the response to its end. Raises one of ``_broken`` when it has none."""
    import httpx2

    chunks = response.aiter_bytes()
    events, since = 0, time.monotonic()
    try:
        async for chunk in chunks:
            for piece in completion.feed(chunk):
                call.tell(piece)
            if completion.events > events or not completion.commented:
                events, since = completion.events, time.monotonic()
            elif timeout is not None and time.monotonic() - since > _COMMENTED * timeout:
                raise httpx2.ReadTimeout(_ALIVE) from asyncio.TimeoutError()
            if completion.done:
                await _drain(chunks)
                break
        for piece in completion.end():
            call.tell(piece)
    except _broken():
        if not completion.complete:
            raise
    if not completion.complete:
        raise _CutError


async def _drain(chunks: AsyncIterator[bytes]) -> None:
    """Read on to the body's end, so that the connection can be used again; some servers never send one."""

    async def exhaust() -> None:
        async for _ in chunks:
            pass

    with contextlib.suppress(asyncio.TimeoutError, *_broken()):
        await asyncio.wait_for(exhaust(), _DRAIN)


async def _refusal(response: httpx2.Response) -> bytes:
    """Return what the server says of why it refuses; what cannot be read is missing."""
    said = b""
    with contextlib.suppress(*_broken()):
        async for chunk in response.aiter_bytes():
            said += chunk
            if len(said) > _LONGEST_REFUSAL:
                break
    return said


def _lesser_way(way: int, status: int, said: bytes) -> int | None:
    """Return how else to ask a server that refuses the stream or its options; None when that is not the matter."""
    text = said.decode(errors="replace")
    if status not in (400, 422) or way == _PLAIN or not _STREAMING.search(text):
        return None
    return 1 if way == 0 and "stream_options" in text else _PLAIN
