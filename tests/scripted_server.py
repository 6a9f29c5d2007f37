"""A scripted OpenAI-compatible server over a real socket, in a thread of its own.

The one fake of the test suite: it stands at the network's edge and does what a test's script says.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, TypeAlias

from aiohttp import web

__all__ = ["ChatRequest", "Reply", "Script", "ScriptedServer"]

_HELD = 60.0  # seconds; who holds a reply for longer has forgotten it
_PIECE = 64  # characters; how a streamed text is cut where the script does not say


@dataclass(frozen=True)
class ChatRequest:
    """What a client sent.

    ``number`` counts from 1; ``arrived`` is in seconds of ``time.monotonic()``; ``connection`` is the client's port;
    ``headers`` are found in upper and lower case.
    """

    number: int
    arrived: float
    connection: int
    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The messages, as they were sent."""
        return list(self.body.get("messages", []))

    @property
    def prompt(self) -> str:
        """The text of the last message."""
        return str(self.messages[-1]["content"]) if self.messages else ""

    @property
    def model(self) -> str:
        """The model that was asked for."""
        return str(self.body.get("model", ""))

    @property
    def stream(self) -> bool:
        """Whether the client asked for a stream."""
        return bool(self.body.get("stream"))


@dataclass(frozen=True)
class Reply:
    """What the server does with one request.

    ``delay`` is waited for before anything is sent, ``pause`` after each streamed piece, both in seconds. ``usage``
    counts words unless it is given; None sends none. ``chunks`` are the pieces of a stream. ``cut_after`` drops the
    connection after so many pieces (a plain reply is cut in the middle). ``message`` adds to the message's fields
    (``refusal``, ``tool_calls``, ...) and ``completion`` to the reply's (``choices``, ``error``, ...). ``body`` is sent
    as it is, instead of a reply. ``stream=False`` answers with plain JSON although a stream was asked for. Nothing is
    sent before ``held`` is set; of a stream, with ``held_at``, so many pieces are.
    """

    text: str | None = ""
    delay: float = 0.0
    pause: float = 0.0
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    usage: Mapping[str, Any] | Literal["words"] | None = "words"
    chunks: Sequence[str] | None = None
    cut_after: int | None = None
    finish_reason: str | None = "stop"
    message: Mapping[str, Any] = field(default_factory=dict)
    completion: Mapping[str, Any] = field(default_factory=dict)
    body: bytes | None = None
    stream: bool = True
    held: threading.Event | None = None
    held_at: int = 0


Script: TypeAlias = Callable[[ChatRequest], "Reply | str"] | Sequence["Reply | str"]


class ScriptedServer:
    """Answers chat completions as a script says: a function of the request, or one reply after the other.

    It listens at ``port``, or at a free one; Azure's addresses are answered too. A request that the script has no reply
    for is answered with 400, and the ``with`` block then raises. What is posted to the paths ``also`` is taken and
    thrown away.
    """

    def __init__(self, script: Script, port: int = 0, also: Sequence[str] = ()) -> None:
        self.requests: list[ChatRequest] = []
        self.in_flight = 0
        self.max_in_flight = 0
        self.base_url = ""
        self.port = 0
        self._script = script
        self._port = port
        self._also = also
        self._failure: BaseException | None = None
        self._changed = threading.Condition()
        self._ready: threading.Event = threading.Event()
        self._stop: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="scripted-server", daemon=True)

    def __enter__(self) -> ScriptedServer:
        """Start listening on a free port of the loopback interface."""
        self._thread.start()
        if not self._ready.wait(10) or not self.base_url:
            msg = "The scripted server did not start."
            raise RuntimeError(msg) from self._failure
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close every connection; raises what the script raised, unless the block raised itself."""
        self.close()
        if exc_type is None and self._failure is not None:
            msg = "The script of the scripted server failed."
            raise AssertionError(msg) from self._failure

    def close(self) -> None:
        """Stop listening and close every connection. May be called twice."""
        if self._loop is not None and self._stop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def wait_for(self, count: int, timeout: float = 10.0) -> list[ChatRequest]:
        """Return the requests once there are ``count``; raises ``AssertionError`` when there are not in time."""
        self._wait(lambda: len(self.requests) >= count, f"{count} requests", timeout)
        return list(self.requests)

    def wait_idle(self, timeout: float = 10.0) -> None:
        """Return once no request is in flight, be it answered or dropped by the client."""
        self._wait(lambda: self.in_flight == 0, "an idle server", timeout)

    def _wait(self, condition: Callable[[], bool], what: str, timeout: float) -> None:
        with self._changed:
            if not self._changed.wait_for(condition, timeout):
                seen = f"{len(self.requests)} requests came, {self.in_flight} are in flight"
                msg = f"Waited {timeout} s for {what}: {seen}."
                raise AssertionError(msg)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            self._failure = error
            raise
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        application = web.Application(client_max_size=2**30)
        application.router.add_post("/v1/chat/completions", self._answer)
        application.router.add_post("/openai/deployments/{deployment}/chat/completions", self._answer)
        for path in self._also:
            application.router.add_post(path, _throw_away)
        runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", self._port, backlog=1024)
        await site.start()
        self.port = runner.addresses[0][1]
        self.base_url = f"http://127.0.0.1:{self.port}/v1"
        self._ready.set()
        await self._stop.wait()
        await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.read())
        async with self._counted(request, body) as chat:
            reply = self._scripted(chat)
            if reply.delay:
                await asyncio.sleep(reply.delay)
            if reply.held is not None and not reply.held_at:
                await asyncio.to_thread(reply.held.wait, _HELD)
            if reply.body is not None:
                return web.Response(status=reply.status, headers=reply.headers, body=reply.body)
            if reply.status >= 400:
                return _refusal(reply)
            if chat.stream and reply.stream:
                return await _stream(request, chat, reply)
            return await _plain(request, chat, reply)

    @asynccontextmanager
    async def _counted(self, request: web.Request, body: dict[str, Any]) -> AsyncIterator[ChatRequest]:
        port = request.transport.get_extra_info("peername")[1] if request.transport is not None else 0
        with self._changed:
            chat = ChatRequest(
                len(self.requests) + 1, time.monotonic(), port, request.path_qs, request.headers.copy(), body
            )
            self.requests.append(chat)
            self.in_flight += 1
            self.max_in_flight = max(self.max_in_flight, self.in_flight)
            self._changed.notify_all()
        try:
            yield chat
        finally:
            with self._changed:
                self.in_flight -= 1
                self._changed.notify_all()

    def _scripted(self, chat: ChatRequest) -> Reply:
        try:
            reply = self._script(chat) if callable(self._script) else self._script[chat.number - 1]
        except Exception as error:
            self._failure = error
            return Reply(f"The script failed at request {chat.number}: {error!r}", status=400)
        return Reply(reply) if isinstance(reply, str) else reply


async def _throw_away(request: web.Request) -> web.Response:
    await request.read()
    return web.Response()


def _refusal(reply: Reply) -> web.Response:
    error = {"message": reply.text, "type": "error", "param": None, "code": None}
    return web.json_response(
        {"error": error, **reply.completion}, status=reply.status, headers=reply.headers, dumps=json.dumps
    )


async def _plain(request: web.Request, chat: ChatRequest, reply: Reply) -> web.StreamResponse:
    message = {"role": "assistant", "content": reply.text, **reply.message}
    completion = {
        "id": f"chatcmpl-{chat.number}",
        "object": "chat.completion",
        "created": 0,
        "model": chat.model,
        "choices": [{"index": 0, "message": message, "finish_reason": reply.finish_reason}],
        **_usage(chat, reply),
        **reply.completion,
    }
    if reply.cut_after is None:
        return web.json_response(completion, headers=reply.headers)
    body = json.dumps(completion).encode()
    response = web.StreamResponse(headers={**reply.headers, "Content-Length": str(len(body))})
    response.content_type = "application/json"
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    _drop(request)
    return response


async def _stream(request: web.Request, chat: ChatRequest, reply: Reply) -> web.StreamResponse:
    response = web.StreamResponse(headers=reply.headers)
    response.content_type = "text/event-stream"
    await response.prepare(request)

    async def send(*choices: dict[str, Any], **more: Any) -> None:
        chunk = {"id": f"chatcmpl-{chat.number}", "object": "chat.completion.chunk", "model": chat.model}
        event = {**chunk, "choices": choices, **more}
        await response.write(f"data: {json.dumps(event)}\n\n".encode())

    for number, piece in enumerate(_pieces(reply)):
        if number == reply.cut_after:
            break
        if reply.held is not None and number == reply.held_at > 0:
            await asyncio.to_thread(reply.held.wait, _HELD)
        await send({"index": 0, "delta": {"role": "assistant", "content": piece}, "finish_reason": None})
        if reply.pause:
            await asyncio.sleep(reply.pause)
    if reply.cut_after is not None:
        _drop(request)
        return response
    await send({"index": 0, "delta": dict(reply.message), "finish_reason": reply.finish_reason}, **reply.completion)
    if chat.body.get("stream_options", {}).get("include_usage") and reply.usage is not None:
        await send(**_usage(chat, reply))
    await response.write(b"data: [DONE]\n\n")
    return response


def _pieces(reply: Reply) -> Sequence[str]:
    if reply.chunks is not None:
        return reply.chunks
    text = reply.text or ""
    return [text[start : start + _PIECE] for start in range(0, len(text), _PIECE)]


def _usage(chat: ChatRequest, reply: Reply) -> dict[str, Any]:
    if reply.usage is None:
        return {}
    if reply.usage != "words":
        return {"usage": reply.usage}
    asked = sum(len(str(message.get("content")).split()) for message in chat.messages)
    text = "".join(reply.chunks) if reply.chunks is not None else reply.text or ""
    answered = len(text.split())
    counts = {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered}
    return {"usage": counts}


def _drop(request: web.Request) -> None:
    """Close the connection after what was written, without the end that HTTP wants."""
    if request.transport is not None:
        request.transport.close()
