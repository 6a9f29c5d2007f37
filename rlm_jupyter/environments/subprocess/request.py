"""One piece of code for the kernel to run, and what became of it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any

__all__ = ["Request"]


class Request:
    """Code to run, with ``buffers`` that it finds. It is ``done`` when its reply and all its outputs are here.

    A silent one is no cell, and shows nothing; ``by_hand`` is a cell outside a run. ``report`` is what the kernel told
    after a cell, as JSON.
    """

    def __init__(
        self, code: str, buffers: Sequence[bytes] = (), *, silent: bool = False, by_hand: bool = False
    ) -> None:
        self.id = uuid.uuid4().hex
        self.buffers = buffers
        self.metadata = {"rlm_by_hand": by_hand}
        self.content = {
            "code": code,
            "silent": silent,
            "store_history": not silent,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": False,
        }
        self.done: Future[Request] = Future()
        self.reply: Mapping[str, Any] = {}
        self.report: bytes | None = None
        self.replied = self.idle = False

    def settle(self, *, late: bool = False) -> None:
        """Be done, once both have come; the end of the outputs is not waited for when it is ``late``."""
        if self.replied and (self.idle or late) and not self.done.done():
            self.done.set_result(self)

    def fail(self, error: Exception) -> None:
        """Be done with an error."""
        if not self.done.done():
            self.done.set_exception(error)
