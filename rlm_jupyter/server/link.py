"""Says to kernels what they are to know, over their own channels; also while a cell runs, where the kernel can."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import zmq
from tornado.web import HTTPError

from .line import Line

if TYPE_CHECKING:
    from jupyter_server.services.kernels.kernelmanager import MappingKernelManager

    from rlm_jupyter.trace.wire import ToKernel

__all__ = ["Link"]

_log = logging.getLogger(__name__)

_WAITING = 500
"""Messages that wait for a front end that relays them; the oldest go first."""


@dataclass(slots=True)
class _Address:
    """Where a kernel is reached: its comm, and what it said about its channels."""

    comm_id: str | None = None
    reach: str | None = None
    line: Line | None = None
    relayed: deque[dict[str, Any]] | None = None
    order: asyncio.Lock = field(default_factory=asyncio.Lock)


class Link:
    """Sends messages to kernels, in order for each; all but ``waiting`` and ``reach`` is for the event loop."""

    def __init__(self, kernel_manager: MappingKernelManager) -> None:
        self._kernels = kernel_manager
        self._addresses: dict[str, _Address] = {}
        self._tasks: set[asyncio.Task[bool]] = set()

    def heard(self, kernel_id: str, comm_id: str, reach: str | None) -> None:
        """Note which comm the kernel listens on, and how it can be reached while a cell runs; None: it did not say."""
        address = self._addresses.setdefault(kernel_id, _Address())
        address.comm_id, address.reach = comm_id, reach

    def relays(self, kernel_id: str) -> None:
        """Note that the server has no way to this kernel: what is sent waits for a front end that passes it on."""
        address = self._addresses.setdefault(kernel_id, _Address())
        if address.relayed is None:
            address.relayed = deque(maxlen=_WAITING)

    def reaches(self, kernel_id: str) -> None:
        """Note that the server has a way to this kernel, if it did not seem so at first."""
        address = self._addresses.get(kernel_id)
        if address is not None and address.relayed is not None:
            del self._addresses[kernel_id]

    def closed(self, kernel_id: str, comm_id: str) -> None:
        """Note that the kernel listens on this comm no more."""
        address = self._addresses.get(kernel_id)
        if address is not None and address.comm_id == comm_id:
            address.comm_id = address.reach = None

    def forget(self, kernel_id: str) -> None:
        """Let go of a kernel process that has ended; the next one of the same id is another."""
        address = self._addresses.pop(kernel_id, None)
        if address is not None:
            _hang_up(address)

    def reach(self, kernel_id: str) -> str | None:
        """Return ``subshell`` or ``control`` for a kernel that hears while a cell runs, and ``shell`` for another one.

        None for a kernel that has not loaded the extension.
        """
        address = self._addresses.get(kernel_id)
        if address is None or address.comm_id is None:
            return None
        return address.reach or "shell"

    def waiting(self, kernel_id: str) -> list[dict[str, Any]]:
        """Return, once, what a front end is to pass on to the kernel, in order."""
        address = self._addresses.get(kernel_id)
        waiting = address.relayed if address is not None else None
        taken: list[dict[str, Any]] = []
        while waiting:
            taken.append(waiting.popleft())
        return taken

    async def send(self, kernel_id: str, message: ToKernel | dict[str, Any]) -> bool:
        """Say something to a kernel; False when it cannot be reached, or does not make room for it in time.

        True says that it is on its way. A kernel whose reach is ``shell`` reads it when its cell has ended. A message
        may be given as its JSON-ready values, when making these takes its time.
        """
        address = self._addresses.get(kernel_id)
        if address is None or address.comm_id is None:
            return False
        data = message if isinstance(message, dict) else message.model_dump(mode="json")
        if address.relayed is not None:
            address.relayed.append(data)
            return True
        async with address.order:
            if self._addresses.get(kernel_id) is not address or address.comm_id is None:
                return False
            return await self._send(kernel_id, address, {"comm_id": address.comm_id, "data": data})

    def post(self, kernel_id: str, message: ToKernel) -> None:
        """Send, and do not wait for it; what does not arrive is said again when it is needed."""
        self._spawn(self.send(kernel_id, message))

    async def stop(self) -> None:
        """Close all lines."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for kernel_id in tuple(self._addresses):
            self.forget(kernel_id)

    def _spawn(self, sending: Any) -> None:
        task = asyncio.get_running_loop().create_task(sending)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[bool]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("A message could not be sent to a kernel.", exc_info=error)

    async def _send(self, kernel_id: str, address: _Address, content: dict[str, Any], *, again: bool = False) -> bool:
        try:
            return await self._say(kernel_id, address, content, again=again)
        except (KeyError, HTTPError, zmq.ZMQError, OSError, RuntimeError) as error:  # TimeoutError is an OSError
            _log.debug("The kernel %s cannot be told anything: %r", kernel_id, error)
            return False

    async def _say(self, kernel_id: str, address: _Address, content: dict[str, Any], *, again: bool) -> bool:
        line = address.line
        if line is None:
            kernel = self._kernels.get_kernel(kernel_id)
            line = address.line = Line(kernel, lambda lost: self._spawn(self._again(kernel_id, address, lost)))
        subshell = await line.subshell() if address.reach == "subshell" else None
        if address.line is not line:  # the kernel was restarted meanwhile
            return False
        line.send("control" if address.reach == "control" else "shell", content, subshell, again=again)
        return True

    async def _again(self, kernel_id: str, address: _Address, content: dict[str, Any]) -> bool:
        async with address.order:
            return await self._send(kernel_id, address, content, again=True)


def _hang_up(address: _Address) -> None:
    if address.line is not None:
        address.line.close()
        address.line = None
