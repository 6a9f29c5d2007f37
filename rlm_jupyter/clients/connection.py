"""Sends requests to one server: what the OpenAI SDK knows of addresses, keys and headers, without its price per call.

The SDK writes one request for each model; every other is the same with another body, and goes through the same HTTP
client.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
import weakref
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, TypeAlias

from rlm_jupyter.core.errors import ClientError, ConfigurationError

if TYPE_CHECKING:
    import httpx2
    import openai

__all__ = ["Connection", "Headers", "NewSDK", "connect_timeout"]

_CONNECT = 10.0  # seconds; a server that is there accepts sooner, however long it then thinks
_LARGE = 2**20  # bytes; more than that is handed to the socket in slices
_PATH = "/chat/completions"
_TELEMETRY = "x-stainless-"  # which system and which Python this is: no server's business, and the half of all headers
_RETRIES = "x-stainless-retry-count"

Headers: TypeAlias = "dict[str, str | openai.Omit]"
NewSDK: TypeAlias = "Callable[[httpx2.AsyncClient, openai.Timeout], openai.AsyncOpenAI]"


class Connection:
    """The open connections to a server, of one event loop.

    ``new_sdk`` makes the SDK's client around an HTTP client; ``http_client`` is the user's own, where there is one,
    which stays open. ``headers`` go with every request. With ``fresh`` the SDK writes each request, for credentials
    that change.
    """

    def __init__(
        self,
        new_sdk: NewSDK,
        *,
        http_client: object,
        timeout: float | None,
        headers: Headers,
        fresh: bool,
    ) -> None:
        import httpx2
        import openai

        http = http_client or openai.DefaultAioHttpClient()
        if not isinstance(http, httpx2.AsyncClient):
            msg = f"http_client must be an httpx2.AsyncClient, not {type(http).__name__}."
            raise ConfigurationError(msg)
        self.loop = asyncio.get_running_loop()
        self._http = http
        limits = openai.Timeout(timeout, connect=connect_timeout(timeout))
        self._sdk = new_sdk(http, limits)
        self._writer = new_sdk(_new_writer(http), limits)
        self._headers = headers
        self._fresh = fresh
        self._requests: dict[str, httpx2.Request] = {}
        self._closing: weakref.finalize[..., Connection] | None = None
        if http_client is None:
            self._closing = weakref.finalize(self, _close_abandoned, self._sdk, self.loop)

    async def send(self, model: str, body: bytes, retries: int) -> httpx2.Response:
        """Return the response to a request with this body, once its headers have come; it is to be closed.

        Raises what the transport raises. ``retries`` is how many requests for the same went before: servers are told.
        """
        import httpx2

        if self._http.is_closed:
            msg = "The http_client that was given to the backend has been closed: make a new one, and a new client."
            raise ClientError(msg)
        written = self._requests.get(model)
        if written is None:
            written = await self._write(model)
            if not self._fresh:
                self._requests[model] = written
        headers = written.headers
        if retries:
            headers = headers.copy()
            headers[_RETRIES] = str(retries)
        if len(body) < _LARGE:
            request = httpx2.Request("POST", written.url, headers=headers, content=body, extensions=written.extensions)
        else:
            headers = httpx2.Headers({**headers, "Content-Length": str(len(body))})
            stream = _slices(body)
            request = httpx2.Request("POST", written.url, headers=headers, stream=stream, extensions=written.extensions)
        request.headers.encoding = written.headers.encoding  # or it is found out for each request anew
        return await self._http.send(request, stream=True)

    async def close(self) -> None:
        """Close the connections, from whatever loop; but not the user's own."""
        if self._closing is None:
            return
        if self.loop is asyncio.get_running_loop():
            self._closing.detach()
            await self._sdk.close()
        else:
            self._closing()

    async def _write(self, model: str) -> httpx2.Request:
        """Return a request as the SDK writes it, without what is its body's."""
        import httpx2

        response = await self._writer.post(
            _PATH, cast_to=httpx2.Response, body={"model": model}, options={"headers": self._headers, "max_retries": 0}
        )
        request: httpx2.Request = response.request
        del request.headers["Content-Length"]
        for name in [name for name in request.headers if name.startswith(_TELEMETRY) and name != _RETRIES]:
            del request.headers[name]
        return request


def connect_timeout(timeout: float | None) -> float:
    """Return for how many seconds a server is waited for to accept a connection."""
    return _CONNECT if timeout is None else min(_CONNECT, timeout)


def _new_writer(http: httpx2.AsyncClient) -> httpx2.AsyncClient:
    """Return an HTTP client like the other, but one that sends nothing: its responses say what would have been sent."""
    import httpx2

    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, request=request)

    return httpx2.AsyncClient(
        transport=httpx2.MockTransport(answer), headers=http.headers, params=http.params, cookies=http.cookies
    )


def _slices(body: bytes) -> httpx2.AsyncByteStream:
    """Return a long body as a stream: whole, it would keep the event loop from everything else."""
    import httpx2

    class Slices(httpx2.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            for start in range(0, len(body), _LARGE):
                yield body[start : start + _LARGE]

    return Slices()


def _close_abandoned(sdk: openai.AsyncOpenAI, loop: asyncio.AbstractEventLoop) -> None:
    """Close the connections of a client that nobody closed, or aiohttp complains of them on the user's screen."""
    if loop.is_running():
        closing = asyncio.run_coroutine_threadsafe(sdk.close(), loop)
        if not threading.main_thread().is_alive():  # the process ends, and the I/O thread with it
            concurrent.futures.wait([closing], timeout=1)
