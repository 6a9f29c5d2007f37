"""A line to one kernel process: sockets to its shell and control channels, and the subshell that is ours there."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
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
        self._is_free: str | None = None
        self._is_stale = False
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
        if channel == "control" or subshell is not None:
            self._keep_busy()
        self._session.send(self._stream(channel), "comm_msg", content, header=header)

    def _keep_busy(self) -> None:
        """See that a kernel that runs a cell is not taken for idle, and culled, because it has read a message of ours.

        With each message it says that it is busy, and then idle, and jupyter_server does not ask of which shell. That
        the cell is over is told by the answer to a request that waits for it; until then the kernel is held busy.
        """
        if getattr(self._kernel, "execution_state", None) != "busy" or not self._kernel.has_trait("execution_state"):
            return
        if self._is_free is not None:
            self._is_stale = True
            return
        self._ask_whether_free()
        self._kernel.observe(self._hold_busy, names="execution_state")

    def _ask_whether_free(self) -> None:
        sent = self._session.send(self._stream("shell"), "kernel_info_request", {})
        self._is_free = sent["header"]["msg_id"] if sent is not None else ""
        self._is_stale = False

    def _hold_busy(self, change: Any) -> None:
        if change["new"] == "idle":
            cast(Any, self._kernel).execution_state = _HELD
        elif change["new"] != "busy":  # it begins anew, or is dead
            self._release()

    def _freed(self) -> None:
        """Take note that the cell is over, unless it may be another one during which a later message is read."""
        if self._is_stale:
            self._ask_whether_free()
            return
        self._release()
        kernel = cast(Any, self._kernel)
        # What the kernel said itself replaces what we say for it: when the next cell has begun already, that counts.
        if kernel.execution_state is _HELD:
            kernel.execution_state = "idle"

    def _release(self) -> None:
        if self._is_free is not None:
            self._is_free = None
            self._kernel.unobserve(self._hold_busy, names="execution_state")

    async def subshell(self) -> str | None:
        """Return the id of our subshell, which is made once; None when the kernel cannot make one.

        Raises ``TimeoutError`` when the kernel does not answer; when it does later, that counts. Until then nobody else
        waits for it.
        """
        if self._subshell is None:
            self._subshell = asyncio.get_running_loop().create_future()
            self._is_late = False
            self._keep_busy()
            sent = self._session.send(self._stream("control"), "create_subshell_request", {})
            self._request = sent["header"]["msg_id"] if sent is not None else ""
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
        elif kind == "kernel_info_reply" and parent == self._is_free:
            self._freed()
        elif kind == "comm_reply" and failed and (lost := self._sent.pop(parent, None)) is not None:
            self._subshell = None  # it is gone: somebody deleted it
            self._on_lost(lost)
