"""A line to one kernel process: sockets to its shell and control channels, and the subshell that is ours there."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

from jupyter_client.session import Session
from zmq.eventloop.zmqstream import ZMQStream

if TYPE_CHECKING:
    from jupyter_client.manager import KernelManager

__all__ = ["Line", "session_of"]

_log = logging.getLogger(__name__)

_CREATION = 5.0
"""Seconds that making a subshell may take; the kernel's control thread may be busy, or held by C code."""

_RECENT = 100
"""Messages whose failure is still heard."""


class _Held(str):
    """What we say for a kernel, and not it itself."""

    __slots__ = ()


_HELD = _Held("busy")


@dataclass(slots=True)
class _Probe:
    """A request whose answer tells that what was sent before it was read; the last one, that the shell is free too.

    ``following`` is where another message was sent meanwhile.
    """

    request: str
    is_last: bool
    following: tuple[Literal["shell", "control"], str | None] | None = None


def session_of(kernel: KernelManager) -> Session:
    """Return a session of our own that signs as the kernel does."""
    theirs = kernel.session
    return Session(config=theirs.config, key=theirs.key, signature_scheme=theirs.signature_scheme)


class Line:
    """Sends to one kernel process, on the event loop. ``on_lost`` gets, once, what met no subshell."""

    def __init__(self, kernel: KernelManager, on_lost: Callable[[dict[str, Any]], None]) -> None:
        self._kernel = kernel
        self._on_lost = on_lost
        self._session = session_of(kernel)
        self._streams: dict[str, ZMQStream] = {}
        self._subshell: asyncio.Future[str | None] | None = None
        self._request = ""
        self._sent: dict[str, dict[str, Any]] = {}
        self._probe: _Probe | None = None
        self._is_late = False

    def send(
        self,
        channel: Literal["shell", "control"],
        content: dict[str, Any],
        subshell: str | None = None,
        *,
        again: bool = False,
    ) -> None:
        """Send a comm message, or send it again; it waits in the socket while the kernel starts."""
        header = self._session.msg_header("comm_msg")
        if subshell is not None:
            header["subshell_id"] = subshell
            if not again:
                self._sent[header["msg_id"]] = content
            if len(self._sent) > _RECENT:
                del self._sent[next(iter(self._sent))]
        self._session.send(self._stream(channel), "comm_msg", content, header=header)
        if channel == "control" or subshell is not None:
            self._keep_busy(channel, subshell)

    def _keep_busy(self, channel: Literal["shell", "control"], subshell: str | None) -> None:
        """See that a kernel that runs a cell is not taken for idle, and culled, because it reads a message of ours.

        With each message it says that it is busy, and then idle, and jupyter_server does not ask of which shell. So the
        kernel is held busy until it has read the message, and then until its shell is free: a cell may run, or begin
        meanwhile. Both are told by the answers to requests that wait for that.
        """
        if not self._kernel.has_trait("execution_state"):
            return
        if self._probe is None:
            self._kernel.observe(self._hold_busy, names="execution_state")
            self._ask(channel, subshell, is_last=False)
        else:
            self._probe.following = channel, subshell

    def _ask(self, channel: Literal["shell", "control"], subshell: str | None, *, is_last: bool) -> None:
        header = self._session.msg_header("kernel_info_request")
        if subshell is not None:
            header["subshell_id"] = subshell
        self._probe = _Probe(header["msg_id"], is_last)
        self._session.send(self._stream(channel), "kernel_info_request", {}, header=header)

    def _hold_busy(self, change: Any) -> None:
        if change["new"] == "idle":
            cast(Any, self._kernel).execution_state = _HELD
        elif change["new"] != "busy":  # it begins anew, or is dead
            self._release()

    def _answered(self, probe: _Probe) -> None:
        """Ask on: after a message that was sent meanwhile, or whether the shell is free now that all was read."""
        if probe.following is not None:
            self._ask(*probe.following, is_last=False)
        elif not probe.is_last:
            self._ask("shell", None, is_last=True)
        else:
            self._release()
            kernel = cast(Any, self._kernel)
            # What the kernel said itself replaces what we say for it: if the next cell has begun already, that counts.
            if kernel.execution_state is _HELD:
                kernel.execution_state = "idle"

    def _release(self) -> None:
        if self._probe is not None:
            self._probe = None
            self._kernel.unobserve(self._hold_busy, names="execution_state")

    async def subshell(self) -> str | None:
        """Return the id of our subshell, which is made once; None when the kernel cannot make one.

        Raises ``TimeoutError`` when the kernel does not answer; when it does later, that counts. Until then nobody else
        waits for it.
        """
        if self._subshell is None:
            self._subshell = asyncio.get_running_loop().create_future()
            self._is_late = False
            sent = self._session.send(self._stream("control"), "create_subshell_request", {})
            self._request = sent["header"]["msg_id"] if sent is not None else ""
            self._keep_busy("control", None)
        if self._is_late and not self._subshell.done():
            raise TimeoutError
        try:
            return await asyncio.wait_for(asyncio.shield(self._subshell), _CREATION)
        except asyncio.TimeoutError:
            self._is_late = True
            raise TimeoutError from None

    def close(self) -> None:
        """Close the sockets; what was not sent is not."""
        self._release()
        for stream in self._streams.values():
            stream.close(linger=0)
        self._streams.clear()
        if self._subshell is not None and not self._subshell.done():
            self._subshell.set_result(None)

    def _stream(self, channel: str) -> ZMQStream:
        stream = self._streams.get(channel)
        if stream is None:
            connected: Any = self._kernel.connect_shell() if channel == "shell" else self._kernel.connect_control()
            stream = connected if isinstance(connected, ZMQStream) else ZMQStream(connected)
            stream.on_recv(self._heard)
            self._streams[channel] = stream
        return stream

    def _heard(self, frames: list[bytes]) -> None:
        try:
            _, parts = self._session.feed_identities(frames)
            message = self._session.deserialize(parts)
            kind, parent = message["msg_type"], message["parent_header"].get("msg_id")
            content = message["content"]
            failed = content.get("status") == "error"
        except (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError) as error:
            _log.debug("A kernel's reply could not be read: %s", error)
            return
        if kind == "create_subshell_reply" and parent == self._request and self._subshell is not None:
            made = content.get("subshell_id")
            if not self._subshell.done():
                self._subshell.set_result(made if isinstance(made, str) and not failed else None)
        elif kind == "kernel_info_reply" and self._probe is not None and parent == self._probe.request:
            self._answered(self._probe)
        elif kind == "comm_reply" and failed and (lost := self._sent.pop(parent, None)) is not None:
            self._subshell = None  # it is gone: somebody deleted it
            self._on_lost(lost)
