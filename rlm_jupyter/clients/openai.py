"""The network client: any OpenAI-compatible server, through the OpenAI SDK and its aiohttp transport."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import json
import os
import random
import re
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rlm_jupyter.core.errors import ClientError, ConfigurationError
from rlm_jupyter.core.protocols import ModelReply, ModelRequest

from .completion import Completion
from .endpoint import Endpoint
from .failures import explain_connection, explain_status

if TYPE_CHECKING:
    import httpx2
    import openai

__all__ = ["OpenAIClient"]

_OPTIONS = ("default_headers", "default_query", "http_client", "max_retries", "organization", "project")
_CONNECT = 10.0  # seconds; a server that is there accepts sooner, however long it then thinks
_BACKOFF = 0.5  # seconds, less up to a quarter: what the SDK waits before it asks again
_DRAIN = 0.25  # seconds

# What a request for a stream adds, from the best that a server may understand to nothing, which is no stream.
_WAYS: tuple[dict[str, Any], ...] = ({"stream": True, "stream_options": {"include_usage": True}}, {"stream": True}, {})
_PLAIN = len(_WAYS) - 1
_STREAMING = re.compile(r"\bstream(ing|ed|_options)?\b", re.IGNORECASE)


class OpenAIClient:
    """A model behind an OpenAI-compatible API.

    ``timeout`` is for how many seconds the server may send nothing, None for ever. ``sampling_args`` go with every
    request as they are. Further options are those of ``openai.AsyncOpenAI``: ``default_headers``, ``default_query``,
    ``http_client``, ``max_retries``, ``organization`` and ``project``. Raises ``ConfigurationError`` for arguments that
    cannot be used and for a missing key.
    """

    def __init__(
        self,
        model_name: str,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        sampling_args: Mapping[str, Any] | None = None,
        timeout: float | None = 300.0,
        **kwargs: Any,
    ) -> None:
        arguments = {
            "model_name": model_name,
            "api_key": api_key,
            "base_url": base_url,
            "sampling_args": sampling_args,
            "timeout": timeout,
        }
        _check(arguments, kwargs)
        self._model_name = model_name
        self._sampling = dict(sampling_args or {})
        self._timeout = timeout
        self._max_retries: int = kwargs.pop("max_retries", 2)
        headers, self._query = kwargs.pop("default_headers", None) or {}, kwargs.pop("default_query", None) or {}
        self._endpoint = Endpoint.find(base_url, api_key, headers, self._query, os.environ)
        self._options = kwargs
        self._way = 0
        self._headers: dict[str, str | openai.Omit] = {}
        self._sdk: openai.AsyncOpenAI | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing: weakref.finalize[..., OpenAIClient] | None = None

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

    async def acompletion(self, request: ModelRequest, on_text: Callable[[str], None] | None = None) -> ModelReply:
        """Return the reply; with ``on_text`` it is streamed, and each piece handed over as it arrives.

        Raises ``ClientError`` when there is no reply, ``ConfigurationError`` when the request cannot be sent at all.
        """
        import openai

        model = request.model or self._model_name
        asked = {**self._sampling, **request.sampling, "model": model, "messages": list(request.messages)}
        way, retries = (_PLAIN if on_text is None else self._way), 0
        while True:
            completion = Completion(self._endpoint)
            try:
                response = await self._send(asked, way, retries)
                retries += _retries(response.request)
                await _read(response, completion, on_text or _ignore)
            except ClientError as error:
                error.retries = retries
                raise
            # The SDK's errors quote what the server said, and servers repeat keys: they are never chained.
            except openai.APIStatusError as error:
                retries += _retries(error.request)
                lesser = _lesser_way(way, error)
                if lesser is None:
                    raise explain_status(error, self._endpoint, model, retries) from None
                way, retries = lesser, retries + 1
            except openai.APIConnectionError as error:
                retries += _retries(error.request)
                raise explain_connection(error, self._endpoint, self._timeout, retries, 0) from None
            except _broken() as error:
                if completion.size or retries >= self._max_retries:
                    raise explain_connection(error, self._endpoint, self._timeout, retries, completion.size) from None
                retries += 1
                await asyncio.sleep(_BACKOFF * random.uniform(0.75, 1.0))
            else:
                if on_text is not None:
                    self._way = max(self._way, way)
                return completion.reply(model, retries)

    async def aclose(self) -> None:
        """Close connections; a later call opens new ones. May be called twice."""
        sdk, self._sdk = self._sdk, None
        if sdk is None or self._closing is None:
            return
        if self._loop is asyncio.get_running_loop():
            self._closing.detach()
            await sdk.close()
        else:
            self._closing()

    async def _send(self, asked: Mapping[str, Any], way: int, retries: int) -> httpx2.Response:
        """Return the response; of a stream it is not read yet. The SDK repeats what can be repeated."""
        import httpx2

        # Typed responses cost more than all the rest: 1,000 calls, 64 in flight, took 1.2 s with and 0.92 s without.
        return await self._opened().post(
            "/chat/completions",
            cast_to=httpx2.Response,
            content=_encode({**asked, **_WAYS[way]}),
            stream=way != _PLAIN,
            options={"max_retries": max(0, self._max_retries - retries), "headers": self._headers},
        )

    def _opened(self) -> openai.AsyncOpenAI:
        """Return the SDK's client of the running loop, for connections belong to one."""
        import httpx2
        import openai

        loop = asyncio.get_running_loop()
        if self._sdk is not None and self._loop is loop:
            return self._sdk
        http_client = self._options.get("http_client") or openai.DefaultAioHttpClient()
        if not isinstance(http_client, httpx2.AsyncClient):
            msg = f"http_client must be an httpx2.AsyncClient, not {type(http_client).__name__}."
            raise ConfigurationError(msg)
        connect = _CONNECT if self._timeout is None else min(_CONNECT, self._timeout)
        sdk = openai.AsyncOpenAI(
            api_key=self._endpoint.api_key,
            base_url=self._endpoint.url,
            timeout=openai.Timeout(self._timeout, connect=connect),
            default_query=self._query,
            **{**self._options, "http_client": http_client},
        )
        if not self._endpoint.is_openai:
            # From the environment: they are for OpenAI, not for whoever else is asked.
            sdk.organization, sdk.project = self._options.get("organization"), self._options.get("project")
        self._headers = {
            **dict.fromkeys(self._endpoint.foreign_headers, openai.Omit()),
            **self._endpoint.headers,
        }
        self._sdk, self._loop = sdk, loop
        self._closing = weakref.finalize(self, _close_abandoned, sdk, loop)
        return sdk


class _CutError(Exception):
    """The bytes ended, but the reply did not."""


def _broken() -> tuple[type[Exception], ...]:
    """Return what reading a response raises when the connection breaks."""
    import ssl

    import aiohttp
    import httpx2

    return (_CutError, httpx2.RequestError, aiohttp.ClientError, ssl.SSLError)


async def _read(response: httpx2.Response, completion: Completion, on_text: Callable[[str], None]) -> None:
    """Read the response to its end and close it. Raises one of ``_broken`` when it has no end."""
    chunks = response.aiter_bytes()
    try:
        async for chunk in chunks:
            for piece in completion.feed(chunk):
                on_text(piece)
            if completion.done:
                await _drain(chunks)
                break
        for piece in completion.end():
            on_text(piece)
    except _broken():
        if not completion.complete:
            raise
    finally:
        await response.aclose()
    if not completion.complete:
        raise _CutError


async def _drain(chunks: AsyncIterator[bytes]) -> None:
    """Read on to the body's end, so that the connection can be used again; some servers never send one."""

    async def exhaust() -> None:
        async for _ in chunks:
            pass

    with contextlib.suppress(asyncio.TimeoutError, *_broken()):
        await asyncio.wait_for(exhaust(), _DRAIN)


def _lesser_way(way: int, error: openai.APIStatusError) -> int | None:
    """Return how else to ask a server that refuses the stream or its options; None when that is not the matter."""
    said = str(error.body)
    if error.status_code not in (400, 422) or way == _PLAIN or not _STREAMING.search(said):
        return None
    return 1 if way == 0 and "stream_options" in said else _PLAIN


def _close_abandoned(sdk: openai.AsyncOpenAI, loop: asyncio.AbstractEventLoop) -> None:
    """Close the connections of a client that nobody closed, or aiohttp complains of them on the user's screen."""
    if loop.is_running():
        closing = asyncio.run_coroutine_threadsafe(sdk.close(), loop)
        if not threading.main_thread().is_alive():  # the process ends, and the I/O thread with it
            concurrent.futures.wait([closing], timeout=1)


def _retries(request: httpx2.Request) -> int:
    """Return how often the SDK has repeated the request; it tells the server too."""
    return int(request.headers.get("x-stainless-retry-count", 0))


def _encode(asked: Mapping[str, Any]) -> bytes:
    try:
        # Half a character, as slices of broken text have it, cannot be sent and must not end a run.
        return json.dumps(asked, ensure_ascii=False).encode("utf-8", "replace")
    except (TypeError, ValueError) as error:
        msg = f"The request cannot be written as JSON: {error}. Use plain values in sampling_args and messages."
        raise ConfigurationError(msg) from error


def _ignore(piece: str) -> None:
    """Take the text of a reply that nobody watches."""


def _check(arguments: Mapping[str, Any], options: Mapping[str, Any]) -> None:
    """Refuse what cannot be used before anything is sent."""
    unknown = sorted(set(options) - set(_OPTIONS))
    if unknown:
        msg = f"The openai backend has no option {', '.join(unknown)}. It has: {', '.join([*arguments, *_OPTIONS])}."
        raise ConfigurationError(msg)
    given = {**arguments, **options}
    for name in ("sampling_args", "default_headers", "default_query"):
        if not isinstance(given.get(name), Mapping | None):
            msg = f"{name} must be a dictionary, not a {type(given[name]).__name__}."
            raise ConfigurationError(msg)
    for name in ("api_key", "base_url"):
        if not isinstance(given[name], str | None):
            msg = f"{name} must be a string, not a {type(given[name]).__name__}."
            raise ConfigurationError(msg)
    model_name, timeout, retries = given["model_name"], given["timeout"], given.get("max_retries", 2)
    if not isinstance(model_name, str) or not model_name.strip():
        msg = f"model_name must be the name of a model, not {model_name!r}."
        raise ConfigurationError(msg)
    if timeout is not None and not (isinstance(timeout, int | float) and timeout > 0):
        msg = f"timeout must be a number of seconds above 0, or None, not {timeout!r}."
        raise ConfigurationError(msg)
    if not isinstance(retries, int) or retries < 0:
        msg = f"max_retries must be a whole number from 0, not {retries!r}."
        raise ConfigurationError(msg)
