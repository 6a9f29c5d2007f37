"""A server's kernel, in which a cell speaks to the server by hand: it can say anything, and say it wrongly."""

from __future__ import annotations

import ast
import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_core.utils import ensure_async
from jupyter_server.serverapp import ServerApp
from pydantic import BaseModel

from rlm_jupyter.server.intake import Intake
from rlm_jupyter.server.link import Link
from rlm_jupyter.server.store import Change, Store
from rlm_jupyter.server.tap import Tap

T = TypeVar("T")

# The comm belongs to no cell, as the extension's own does: what it is told goes where the server sends it.
_COMM = """
import json, threading, uuid
import ipykernel
from comm.base_comm import BaseComm

class Comm(BaseComm):
    def publish_msg(self, msg_type, data=None, metadata=None, buffers=None, **keys):
        kernel = get_ipython().kernel
        content = {"data": data or {}, "comm_id": self.comm_id, **keys}
        kernel.session.send(kernel.iopub_socket, msg_type, content, ident=self.topic)

    def handle_msg(self, msg):
        heard.append((threading.current_thread().name.split("-")[0], msg["content"]["data"]))
        if msg["content"]["data"]["type"] == "introduce":
            self.send({**HELLO, "load_id": uuid.uuid4().hex})

heard = []
REACH = "subshell" if ipykernel.version_info >= (7,) else "control"
HELLO = {"type": "hello", "protocol": 1, "load_id": "0123abcd", "version": "0.1", "reach": REACH}
kernel = get_ipython().kernel
kernel.control_handlers.setdefault("comm_msg", kernel.comm_manager.comm_msg)

def hello(**changed):
    global comm
    comm = Comm(target_name="rlm_jupyter", comm_id="rlm_jupyter-" + uuid.uuid4().hex, data={**HELLO, **changed})
"""


async def eventually(look: Callable[[], T], what: str, seconds: float = 30.0) -> T:
    """Return what ``look`` returns as soon as it is true; the event loop runs meanwhile."""
    deadline = time.monotonic() + seconds
    while not (seen := look()):
        if time.monotonic() > deadline:
            msg = f"{what} did not come about within {seconds:g} s; the last look gave {seen!r}."
            raise AssertionError(msg)
        await asyncio.sleep(0.01)
    return seen


class Kernel:
    """A kernel of the server, and a client that runs cells in it."""

    def __init__(self, app: ServerApp, kernel_id: str) -> None:
        self.kernel_id = kernel_id
        self.manager: Any = app.kernel_manager.get_kernel(kernel_id)
        self._kernels: Any = app.kernel_manager
        client: Any = self.manager.client()
        self._client: AsyncKernelClient = client
        self._client.start_channels()

    async def ready(self) -> Kernel:
        """Wait until the kernel runs, and teach it to speak."""
        await self._client.wait_for_ready(timeout=60)
        await self.run(_COMM)
        return self

    async def run(self, code: str) -> None:
        """Run a cell, which must succeed."""
        reply = await self._client.execute(code, reply=True, timeout=60)
        assert reply["content"]["status"] == "ok", reply["content"]

    async def aside(self, code: str) -> None:
        """Run a line on a subshell of its own, while a cell may be running."""
        made = await self.ask("create_subshell_request", {})
        message = self._client.session.msg("execute_request", {"code": code, "silent": True, "user_expressions": {}})
        message["header"]["subshell_id"] = made["subshell_id"]
        self._client.shell_channel.send(message)

    async def ask(self, kind: str, content: dict[str, Any]) -> dict[str, Any]:
        """Return what the kernel replies on the control channel."""
        message = self._client.session.msg(kind, content)
        self._client.control_channel.send(message)
        while True:
            reply = await self._client.get_control_msg(timeout=60)
            if reply["parent_header"].get("msg_id") == message["header"]["msg_id"]:
                found: dict[str, Any] = reply["content"]
                return found

    async def value(self, expression: str) -> Any:
        """Return the value of an expression of plain values."""
        told = {"value": f"json.dumps({expression})"}
        reply = await self._client.execute("", silent=True, user_expressions=told, reply=True, timeout=60)
        found = reply["content"]["user_expressions"]["value"]
        assert found["status"] == "ok", found
        return json.loads(ast.literal_eval(found["data"]["text/plain"]))

    async def hello(self, **changed: Any) -> None:
        """Say hello on a comm of its own."""
        await self.run(f"hello(**{changed!r})")

    async def say(self, *messages: Any) -> None:
        """Publish messages on the comm."""
        await self.run(f"for each in json.loads({json.dumps(messages)!r}): comm.send(each)")

    async def publish(self, events: Sequence[BaseModel]) -> None:
        """Publish events in one message."""
        await self.say({"type": "events", "events": [event.model_dump(mode="json") for event in events]})

    async def heard(self, kind: str, count: int = 1) -> list[tuple[str, dict[str, Any]]]:
        """Return, with the name of the thread that heard them, the messages of a kind, once there are so many."""
        deadline = time.monotonic() + 30
        while True:
            found = [(thread, data) for thread, data in await self.value("heard") if data["type"] == kind]
            if len(found) >= count:
                return found
            assert time.monotonic() < deadline, (kind, await self.value("heard"))
            await asyncio.sleep(0.02)

    def close(self) -> None:
        """Close this side's channels."""
        self._client.stop_channels()

    async def restart(self) -> None:
        """Restart the kernel, as the front end's button does."""
        await ensure_async(self._kernels.restart_kernel(self.kernel_id))
        await self.ready()

    async def shut_down(self) -> None:
        """End the kernel, as the front end's button does."""
        self.close()
        await ensure_async(self._kernels.shutdown_kernel(self.kernel_id))


class Listener:
    """The parts of the server that listen to kernels, and what they told."""

    def __init__(self, app: ServerApp, folder: Path) -> None:
        self.app = app
        self.store = Store(folder / "store" / "store.sqlite3")
        self.link = Link(app.kernel_manager)
        self.intake = Intake(self.store, self.link, lambda kernel_id: None)
        self.tap = self._tap()
        self.changes: list[Change] = []
        self.told: list[tuple[str, Any]] = []
        self.gone: list[str] = []
        self.intake.on_change.append(self.changes.append)
        for listeners in (self.intake.on_hello, self.intake.on_ask, self.intake.on_steered):
            listeners.append(lambda kernel_id, message: self.told.append((kernel_id, message)))
        self.tap.on_gone.append(self.gone.append)
        self._kernels: list[Kernel] = []

    async def start(self) -> None:
        """Begin to listen."""
        self.intake.start()
        await self.tap.start()

    async def stop(self) -> None:
        """Listen no more, and end the kernels."""
        for kernel in self._kernels:
            kernel.close()
        await self.tap.stop()
        await self.link.stop()
        await self.intake.stop()
        self.store.close()
        await ensure_async(self.app.kernel_manager.shutdown_all(now=True))

    async def listen_anew(self) -> None:
        """Begin to listen as a server does that was not there before."""
        self.tap = self._tap()
        await self.tap.start()

    def _tap(self) -> Tap:
        events: Any = self.app.event_logger
        return Tap(self.app.kernel_manager, events, self.intake, self.link)

    async def kernel(self) -> Kernel:
        """Start a kernel."""
        kernel = Kernel(self.app, await ensure_async(self.app.kernel_manager.start_kernel()))
        self._kernels.append(kernel)
        return await kernel.ready()

    async def greeted(self, **changed: Any) -> Kernel:
        """Start a kernel that has said hello."""
        kernel = await self.kernel()
        await kernel.hello(**changed)
        await self.hears(kernel.kernel_id, "hello")
        return kernel

    async def hears(self, kernel_id: str, kind: str, count: int = 1) -> list[Any]:
        """Return what the kernel said of this kind, once it is so many messages."""

        def look() -> list[Any]:
            found = [message for each, message in self.told if each == kernel_id and message.type == kind]
            return found if len(found) >= count else []

        return await eventually(look, f"{count} {kind} of {kernel_id}")

    async def whole(self, run_id: str) -> None:
        """Wait until the run has ended and nothing of it is missing."""
        await eventually(lambda: (run := self.store.run(run_id)) is not None and run.whole, f"the run {run_id}")

    @property
    def refused(self) -> Counter[str]:
        """How many were refused, by reason."""
        return Counter(self.intake.stats()["refused"])
