"""What all the runs of one tree have in common, the root's and its children's: one end, one trace, one purse."""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from rlm_jupyter.core.errors import ClientError, LimitExceededError
from rlm_jupyter.core.limits import Limits
from rlm_jupyter.core.meter import Dearest, Meter
from rlm_jupyter.core.protocols import ModelReply, ModelRequest
from rlm_jupyter.core.scope import Scope
from rlm_jupyter.core.steering import Steering

if TYPE_CHECKING:
    from rlm_jupyter.trace.recorder import Recorder

    from .models import Model

__all__ = ["Tree"]


class Tree:
    """The scope, the recorder, the meter and the steering of a root run, which its children use too.

    ``prices`` are those that are known beforehand. ``context`` is the one in which the root run was started: what runs
    beside a cell is not part of the cell.
    """

    def __init__(
        self,
        limits: Limits,
        recorder: Recorder,
        prices: Mapping[str, Dearest] | None = None,
        steering: Steering | None = None,
    ) -> None:
        self.limits = limits
        self.steering = steering if steering is not None else Steering()
        self.recorder = recorder
        self.scope = Scope()
        self.meter = Meter(limits, prices)
        self._room = asyncio.Semaphore(limits.max_concurrent_subcalls)  # only ever awaited on the I/O thread's loop
        self.context = contextvars.copy_context()
        self._began = time.monotonic()

    @property
    def seconds_left(self) -> float | None:
        """How long the tree may still take; None without a limit."""
        if self.limits.max_timeout is None:
            return None
        return max(0.0, self._began + self.limits.max_timeout - time.monotonic())

    async def ask(
        self,
        scope: Scope,
        model: Model,
        request: ModelRequest,
        *,
        role: str,
        begin: Callable[[], None],
        on_text: Callable[[str], None] | None = None,
    ) -> ModelReply:
        """Call a model for the run of this scope, once there is room and money for it; runs on the I/O thread.

        ``role`` tells root calls from sub-calls, whose prices differ; ``begin`` is called just before the request is
        sent. A limit that is reached ends the whole tree. Raises its error, and what the client raises.
        """
        size = sum(len(message["content"]) for message in request.messages)
        async with self._room:
            try:
                reservation = await self.meter.admit(f"{role} {model.name}", size)
            except LimitExceededError as reached:
                self.scope.cancel("a limit was reached", reached)
                raise
            sent = False
            try:
                scope.check()
                begin()
                sent = True
                reply = await model.client.acompletion(request, on_text)
            except BaseException as error:
                refused = isinstance(error, ClientError) and error.status is not None
                (self.meter.lose if sent and not refused else self.meter.release)(reservation)
                raise
            self.meter.settle(reservation, reply.model, reply.usage)
        return reply
