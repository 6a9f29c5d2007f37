"""What all the runs of one tree have in common, the root's and its children's: one end, one trace, one purse."""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from rlm_jupyter.core.errors import ClientError, ConfigurationError, LimitExceededError, TimeoutExceededError
from rlm_jupyter.core.limits import Limits
from rlm_jupyter.core.meter import Dearest, Meter
from rlm_jupyter.core.protocols import ModelReply, ModelRequest, OnText
from rlm_jupyter.core.scope import Scope
from rlm_jupyter.core.steering import Steering
from rlm_jupyter.core.usage import Usage

if TYPE_CHECKING:
    from rlm_jupyter.trace.recorder import Recorder

    from .models import Model

__all__ = ["Tree", "usage_of_failure"]


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
        return None if self.deadline is None else max(0.0, self.deadline - time.monotonic())

    @property
    def deadline(self) -> float | None:
        """When the tree has to be done, in seconds of ``time.monotonic()``; None without a limit."""
        return None if self.limits.max_timeout is None else self._began + self.limits.max_timeout

    async def ask(
        self,
        scope: Scope,
        model: Model,
        request: ModelRequest,
        *,
        role: str,
        begin: Callable[[], None],
        on_text: OnText | None = None,
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
                (self.meter.lose if sent and not _is_refusal(error) else self.meter.release)(reservation)
                if isinstance(error, ClientError) and self.seconds_left == 0:  # that is what it failed of
                    raise self._out_of_time() from error
                raise
            if reply.cached:  # it was paid for before
                self.meter.release(reservation)
            else:
                self.meter.settle(reservation, reply.model, reply.usage)
        return reply

    def _out_of_time(self) -> TimeoutExceededError:
        msg = f"The run has taken the {self.limits.max_timeout:g} s that it may take. Raise max_timeout (--timeout)."
        reached = TimeoutExceededError(msg)
        self.scope.cancel("its time is up", reached)
        return reached


def usage_of_failure(error: BaseException | None) -> Usage:
    """Return what a call that failed has cost: nothing when it was refused; nobody knows of one that was lost."""
    return Usage(cost=0.0) if _is_refusal(error) else Usage()


def _is_refusal(error: BaseException | None) -> bool:
    """Return whether a call that failed was certainly not worked on, here or at the server."""
    return isinstance(error, ConfigurationError) or (isinstance(error, ClientError) and error.refused)
