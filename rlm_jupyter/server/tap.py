"""Listens to the iopub of every kernel: of those alive at load, and of each that is started, whoever starts it.

Kernels come and go by the server's ``kernel_actions`` events and the restarter's callbacks. What neither tells (a
kernel that was taken out of the map, one of another kind of manager) is noticed by looking round every few seconds.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import zmq
from jupyter_core.utils import ensure_async
from tornado.web import HTTPError
from zmq.eventloop.zmqstream import ZMQStream

from .line import session_of

if TYPE_CHECKING:
    from jupyter_client.manager import KernelManager
    from jupyter_events import EventLogger
    from jupyter_server.services.kernels.kernelmanager import MappingKernelManager

    from .intake import Intake
    from .link import Link

__all__ = ["Tap"]

_log = logging.getLogger(__name__)

_ACTIONS = "https://events.jupyter.org/jupyter_server/kernel_actions/v1"

_TOPIC = b"comm-rlm_jupyter-"  # wire.TOPIC: importing that module takes its time, on the event loop

_LOOK_ROUND = 5.0
"""Seconds."""

_LAST_WORDS = 0.5
"""Seconds for which a kernel that is gone is still listened to: what it said may be on its way."""

_QUEUE = 200
"""Messages that the socket holds, of any size: ZeroMQ would cut off for good a peer that sends a larger one."""


@dataclass(slots=True)
class _Tapped:
    """A kernel that is listened to; ``stream`` is None where the server cannot reach it."""

    kernel: KernelManager
    where: tuple[Any, ...]
    stream: ZMQStream | None
    dead: Callable[[], None]
    alive: bool = True


class Tap:
    """Hands what kernels publish on our comm to the intake; ``on_gone`` is told of each kernel process that has ended.

    It runs on the event loop, and relies on nothing but the kernel managers' public interface.
    """

    def __init__(
        self, kernel_manager: MappingKernelManager, event_logger: EventLogger, intake: Intake, link: Link
    ) -> None:
        self.on_gone: list[Callable[[str], None]] = []
        self._kernels = kernel_manager
        self._events = event_logger
        self._intake = intake
        self._link = link
        self._tapped: dict[str, _Tapped] = {}
        self._leaving: set[ZMQStream] = set()
        self._looking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen to the kernels that are there, and to those that come."""
        self._events.add_listener(schema_id=_ACTIONS, listener=self._acted)
        self._meet()
        self._looking = asyncio.get_running_loop().create_task(self._look_round())

    async def stop(self) -> None:
        """Listen to no kernel any more; the kernels go on."""
        self._events.remove_listener(schema_id=_ACTIONS, listener=self._acted)
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        for tapped in self._tapped.values():
            self._let_go(tapped, at_once=True)
        self._tapped.clear()
        for stream in tuple(self._leaving):
            self._close(stream)

    def hears(self, kernel_id: str) -> bool:
        """Say whether the server listens to this kernel itself."""
        tapped = self._tapped.get(kernel_id)
        return tapped is not None and tapped.stream is not None

    def kernels(self) -> dict[str, int]:
        """Return to how many kernels the server listens, and how many a front end would have to relay."""
        heard = sum(tapped.stream is not None for tapped in self._tapped.values())
        return {"heard": heard, "relayed": len(self._tapped) - heard}

    # What happens to kernels

    async def _acted(self, logger: EventLogger, schema_id: str, data: dict[str, Any]) -> None:
        kernel_id, action = data.get("kernel_id"), data.get("action")
        if not isinstance(kernel_id, str) or data.get("status") != "success":
            return
        if action == "shutdown":
            self._ended(kernel_id)
        elif action == "restart":
            self._begun_anew(kernel_id)
        elif action == "start":
            self._attach(kernel_id)

    def _begun_anew(self, kernel_id: str) -> None:
        self._gone(kernel_id)
        self._attach(kernel_id)

    def _ended(self, kernel_id: str) -> None:
        tapped = self._tapped.pop(kernel_id, None)
        if tapped is None:
            return
        self._let_go(tapped)
        self._gone(kernel_id)
        asyncio.get_running_loop().call_later(_LAST_WORDS, self._forget, kernel_id)

    def _forget(self, kernel_id: str) -> None:
        """Let go of what the kernel's last words brought about, unless one of the same id has come meanwhile."""
        if kernel_id not in self._tapped:
            self._intake.close(kernel_id)
            self._link.forget(kernel_id)

    def _gone(self, kernel_id: str) -> None:
        self._link.forget(kernel_id)
        tapped = self._tapped.get(kernel_id)
        if tapped is not None and tapped.stream is None:
            self._link.relays(kernel_id)
        self._intake.gone(kernel_id)
        for listener in self.on_gone:
            listener(kernel_id)

    async def _look_round(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_ROUND)
            try:
                self._meet()
                await self._look_after()
            except Exception as error:  # noqa: BLE001 - somebody else's kernel manager or provisioner
                _log.debug("The kernels could not be looked at: %s", error)

    def _meet(self) -> None:
        there = set(self._kernels.list_kernel_ids())
        for kernel_id in set(self._tapped) - there:
            self._ended(kernel_id)
        for kernel_id in there:
            self._attach(kernel_id)

    async def _look_after(self) -> None:
        """Notice kernels that died and that nobody restarts."""
        for kernel_id, tapped in tuple(self._tapped.items()):
            unconcerned = tapped.alive and self._link.reach(kernel_id) is None  # it has nothing that could end
            if tapped.stream is None or unconcerned:
                continue
            alive = bool(await ensure_async(tapped.kernel.is_alive()))
            if tapped.alive and not alive and self._tapped.get(kernel_id) is tapped:
                self._gone(kernel_id)
            tapped.alive = alive

    # Listening

    def _attach(self, kernel_id: str) -> None:
        """Listen to a kernel, unless that is done where it is now."""
        try:
            kernel = self._kernels.get_kernel(kernel_id)
        except (KeyError, HTTPError):
            return
        where = (kernel.transport, kernel.ip, kernel.iopub_port, kernel.session.key)
        before = self._tapped.get(kernel_id)
        if before is not None and before.kernel is kernel and before.where == where:
            return
        if before is not None:
            self._let_go(before)
        stream = None
        if kernel.iopub_port:  # a gateway's kernel has no port here, and one that is pending none yet
            try:
                stream = self._listen(kernel_id, kernel)
            except (zmq.ZMQError, OSError, RuntimeError) as error:
                _log.warning("The kernel %s cannot be listened to (%s); a front end can relay it.", kernel_id, error)
        tapped = _Tapped(kernel, where, stream, lambda: self._gone(kernel_id))
        self._tapped[kernel_id] = tapped
        if stream is None:
            self._link.relays(kernel_id)
            self._intake.open(kernel_id, None)
        else:
            self._link.reaches(kernel_id)
            self._intake.open(kernel_id, session_of(kernel))
            # Not all kernel managers tell of a restart by an event, and none of a death.
            for event in ("restart", "dead"):
                kernel.add_restart_callback(tapped.dead, event)

    def _listen(self, kernel_id: str, kernel: KernelManager) -> ZMQStream:
        connected: Any = kernel.connect_iopub()
        stream = connected if isinstance(connected, ZMQStream) else ZMQStream(connected)
        socket = stream.socket
        # Options count for connections to come, and it is connected already.
        address = str(socket.get_string(zmq.LAST_ENDPOINT))
        socket.setsockopt(zmq.RCVHWM, _QUEUE)
        socket.setsockopt(zmq.UNSUBSCRIBE, b"")
        socket.setsockopt(zmq.SUBSCRIBE, _TOPIC)
        socket.disconnect(address)
        socket.connect(address)
        stream.on_recv(lambda frames: self._intake.accept(kernel_id, frames), copy=False)
        return stream

    def _let_go(self, tapped: _Tapped, *, at_once: bool = False) -> None:
        for event in ("restart", "dead"):
            tapped.kernel.remove_restart_callback(tapped.dead, event)
        if tapped.stream is None:
            return
        self._leaving.add(tapped.stream)
        if at_once:
            self._close(tapped.stream)
        else:
            asyncio.get_running_loop().call_later(_LAST_WORDS, self._close, tapped.stream)

    def _close(self, stream: ZMQStream) -> None:
        self._leaving.discard(stream)
        if not stream.closed():
            stream.close(linger=0)
