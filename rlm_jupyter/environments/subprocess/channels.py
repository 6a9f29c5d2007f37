"""The kernel's channels: requests go out, their replies and outputs come in."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

import zmq
from jupyter_client.session import Session

from .failures import DeadKernelError
from .incoming import Incoming, received
from .request import Request

__all__ = ["Answerer", "Channels", "Listener"]

Message: TypeAlias = dict[str, Any]

Answerer: TypeAlias = Callable[[str, bytes], None]
"""Sends an answer: called with the query's identifier and the answer's JSON, from any thread."""

_AT_ONCE = 200  # messages; then others have a turn
_LATE = 5.0  # seconds after a reply, in which its last output may come
_RECONNECT = 10  # milliseconds; the kernel listens some hundred after it was started


class Listener(Protocol):
    """Takes what the kernel publishes. Called on the I/O thread."""

    def output(self, kind: str, content: Mapping[str, Any]) -> None:
        """Take an output: ``stream``, ``display_data``, ``execute_result``, ..."""

    def asked(self, query: Mapping[str, Any], text: bytes, answer: Answerer) -> None:
        """Take a query, which is to be answered by calling ``answer``."""


class Channels:
    """Three sockets on one event loop, to which all methods belong but those that say otherwise."""

    def __init__(self, session: Session, address: Callable[[str], str], listener: Listener) -> None:
        self._loop = asyncio.get_running_loop()
        self._session = session
        session.pack = _pack
        self._listener = listener
        self._requests: dict[str, Request] = {}
        self._context = zmq.Context()
        self._sockets: dict[str, zmq.Socket[bytes]] = {}
        for channel, kind in (("shell", zmq.DEALER), ("control", zmq.DEALER), ("iopub", zmq.SUB)):
            socket = self._sockets[channel] = self._context.socket(kind)
            socket.linger = 0
            socket.set_hwm(0)  # or messages beyond a thousand are dropped without a word
            socket.reconnect_ivl = _RECONNECT
            if channel == "iopub":
                socket.subscribe(b"")
            socket.connect(address(channel))
            self._loop.add_reader(_descriptor(socket), self._receive)

    def send(self, request: Request) -> None:
        """Ask the kernel to run the code of the request."""
        self._ask("execute_request", request.content, request)

    def ping(self) -> Request:
        """Ask the kernel what it is: to hear whether its outputs arrive, or to wake its event loop."""
        request = Request("", silent=True)
        self._ask("kernel_info_request", {}, request)
        return request

    def answer(self, query: str, text: bytes) -> None:
        """Answer a query of the kernel's; may be called from any thread, and does nothing once this is closed."""
        try:
            self._loop.call_soon_threadsafe(self._answer, query, text)
        except RuntimeError:
            if not self._loop.is_closed():
                raise

    def fail(self, error: Exception) -> None:
        """Let all requests fail with this error."""
        requests, self._requests = self._requests, {}
        for request in requests.values():
            request.fail(error)

    def close(self) -> None:
        """Close the sockets. May be called twice."""
        sockets, self._sockets = self._sockets, {}
        for socket in sockets.values():
            self._loop.remove_reader(_descriptor(socket))
            socket.close()
        self._context.term()
        self.fail(DeadKernelError("The kernel was shut down."))

    def _ask(self, kind: str, content: Message, request: Request) -> None:
        message = self._session.msg(kind, content, metadata=request.metadata)
        message["header"]["msg_id"] = message["msg_id"] = request.id
        self._requests[request.id] = request
        self._send("shell", message, request.buffers)

    def _answer(self, query: str, text: bytes) -> None:
        self._send("control", self._session.msg("rlm_answer", {"query": query}), [text])

    def _send(self, channel: str, message: Message, buffers: Sequence[bytes]) -> None:
        socket = self._sockets.get(channel)
        if socket is not None:
            self._session.send(socket, message, buffers=list(buffers))
            self._loop.call_soon(self._receive)  # sending may have used up the sign that there is something to receive

    def _receive(self) -> None:
        for _ in range(_AT_ONCE):
            ready = [name for name, socket in self._sockets.items() if int(socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN]
            if not ready:
                return
            for name in ready:
                message = received(self._session, self._sockets[name])
                if message is not None:
                    self._take(name, message)
        self._loop.call_soon(self._receive)

    def _take(self, channel: str, message: Incoming) -> None:
        kind, content = message.kind, message.content
        request = self._requests.get(message.parent)
        if channel == "iopub" and kind == "rlm_query":
            self._listener.asked(content, message.text, self.answer)
        elif channel == "iopub" and kind == "rlm_report":
            reported = self._requests.get(content["cell"])
            if reported is not None:
                reported.report = message.text
        elif channel == "iopub" and kind != "status":
            self._listener.output(kind, content)
        elif request is not None:
            self._progress(request, channel, content)

    def _progress(self, request: Request, channel: str, content: Message) -> None:
        if channel == "iopub":
            request.idle = request.idle or content.get("execution_state") == "idle"
        elif channel == "shell":
            request.reply, request.replied = content, True
            if not request.idle:
                self._loop.call_later(_LATE, self._finish, request, True)
        self._finish(request)

    def _finish(self, request: Request, late: bool = False) -> None:
        request.settle(late=late)
        if request.done.done():
            self._requests.pop(request.id, None)


def _descriptor(socket: zmq.Socket[bytes]) -> int:
    return int(socket.getsockopt(zmq.FD))


def _pack(content: Any) -> bytes:
    """Return JSON in ASCII: a lone surrogate in code cannot be sent as UTF-8."""
    return json.dumps(content, default=str).encode("ascii")
