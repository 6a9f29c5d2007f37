"""Keeps a kernel whose cell runs from looking idle because it has read a message of ours."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ipykernel.ipkernel import IPythonKernel

__all__ = ["CellStatus"]

_SOON = 0.01
"""Seconds after a message was read: ipykernel says that it is idle as soon as the handler has returned."""


class CellStatus:
    """Knows which cell runs, and says once more that the kernel is busy with it.

    ipykernel says that it is busy, and then idle, with each message that it handles, also on a subshell or on the
    control channel; JupyterLab takes the last word for that of the whole kernel.
    """

    def __init__(self, kernel: IPythonKernel) -> None:
        self._kernel = kernel
        self._lock = threading.Lock()
        self._cells: list[dict[str, Any]] = []
        self._events = kernel.shell.events if kernel.shell is not None else None
        if self._events is not None:
            self._events.register("pre_run_cell", self._begin)
            self._events.register("post_run_cell", self._end)

    def repeat(self) -> None:
        """Say it when the message that is being handled has been handled; called by its handler, on its thread."""
        if self._cells:
            with contextlib.suppress(RuntimeError):  # no loop runs here, so that nothing was said in between
                asyncio.get_running_loop().call_later(_SOON, self._say)

    def close(self) -> None:
        """Look at cells no more."""
        if self._events is not None:
            for event, callback in (("pre_run_cell", self._begin), ("post_run_cell", self._end)):
                with contextlib.suppress(ValueError):  # somebody has taken all callbacks away
                    self._events.unregister(event, callback)
            self._events = None
        self._cells.clear()

    def _begin(self, _: Any) -> None:
        self._cells.append(self._kernel.get_parent("shell"))

    def _end(self, _: Any) -> None:
        # What is said before the lock is taken is on its way before the cell's own last word.
        with self._lock:
            if self._cells:
                self._cells.pop()

    def _say(self) -> None:
        kernel = self._kernel
        with self._lock:
            if self._cells and kernel.session is not None:
                status = {"execution_state": "busy"}
                topic = f"kernel.{kernel.ident}.status".encode()
                kernel.session.send(kernel.iopub_socket, "status", status, parent=self._cells[-1], ident=topic)
