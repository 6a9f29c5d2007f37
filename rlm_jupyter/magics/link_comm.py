"""The comm that the kernel's end of the link to the server talks over."""

from __future__ import annotations

import contextvars
import json
import os
import threading
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

from comm import get_comm_manager
from comm.base_comm import BaseComm

from .cell_status import CellStatus

if TYPE_CHECKING:
    from ipykernel.ipkernel import IPythonKernel

__all__ = ["TARGET", "LinkComm", "Reach"]

Reach: TypeAlias = Literal["subshell", "control", "shell"]
"""How a kernel is reached while a cell runs; ``shell``: it is not."""

TARGET = "rlm_jupyter"
"""The comm target: that of ``trace.wire``, whose import takes its time."""


_AGAIN = (1.0, 2.0, 4.0)
"""Seconds after which a greeting is said again that nobody has answered."""


class LinkComm(BaseComm):
    """A comm that belongs to no cell, and that no front end can close; what comes over it is handed to ``hear``."""

    def __init__(self, kernel: IPythonKernel, hear: Callable[[Any], None]) -> None:
        self._kernel = kernel
        self._process = os.getpid()
        self._hear = hear
        self._status = CellStatus(kernel)
        self._answered = threading.Event()
        # It is opened by whoever made it, who may be answered at once and on another thread.
        super().__init__(target_name=TARGET, comm_id=f"{TARGET}-{uuid.uuid4().hex}", primary=False)

    def greet(self, hello: dict[str, Any]) -> None:
        """Open the comm, and say hello a few times more if nobody answers.

        A server that has just started the kernel may not be listening yet: what is published then is lost.
        """
        self.open(hello)
        thread = threading.Thread(target=self._insist, args=(hello,), name="rlm-jupyter-greeting", daemon=True)
        contextvars.Context().run(thread.start)

    def reach(self) -> Reach:
        """Return how the kernel can be reached while a cell runs, and open the control channel where it is needed.

        Before 7.4 ipykernel has subshells, and tells nobody that one is gone.
        """
        from ipykernel._version import version_info

        has_subshells = "kernel subshells" in self._kernel.kernel_info.get("supported_features", ())
        if has_subshells and version_info >= (7, 4):
            return "subshell"
        if self._kernel.control_thread is None:
            return "shell"
        self._kernel.control_handlers.setdefault("comm_msg", self._on_control)
        return "control"

    def close(self, *arguments: Any, **keys: Any) -> None:
        """Close the comm, and greet nobody any more."""
        self._answered.set()
        self._status.close()
        if self._kernel.control_handlers.get("comm_msg") == self._on_control:
            del self._kernel.control_handlers["comm_msg"]
        super().close(*arguments, **keys)

    def publish_msg(
        self,
        msg_type: str,
        data: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
        buffers: Any = None,
        **keys: Any,
    ) -> None:
        """Publish without a parent: it belongs to no cell, and nothing is attached to one."""
        self._publish(msg_type, json.dumps({"data": data or {}, "comm_id": self.comm_id, **keys}).encode())

    def publish(self, data: bytes) -> None:
        """Publish a message whose data is JSON already."""
        self._publish("comm_msg", b'{"data":' + data + b',"comm_id":"' + self.comm_id.encode() + b'"}')

    def handle_msg(self, msg: dict[str, Any]) -> None:
        """Hear what the server says. The base class pretends that a cell runs, and matplotlib shows its figures."""
        self._answered.set()
        self._status.repeat()
        self._hear(msg["content"].get("data"))

    def handle_close(self, msg: dict[str, Any]) -> None:
        """Stay: a front end closes what it does not know, and the manager has taken this comm out."""
        self._closed = False
        get_comm_manager().register_comm(self)

    def _on_control(self, stream: Any, ident: Any, msg: dict[str, Any]) -> None:
        if msg["content"].get("comm_id") == self.comm_id:
            self.handle_msg(msg)

    def _insist(self, hello: dict[str, Any]) -> None:
        for seconds in _AGAIN:
            if self._answered.wait(seconds):
                return
            self.publish(json.dumps(hello).encode())

    def _publish(self, msg_type: str, content: bytes) -> None:
        session = self._kernel.session
        if session is not None and os.getpid() == self._process:
            session.send(self._kernel.iopub_socket, msg_type, cast(Any, content), ident=self.topic)
