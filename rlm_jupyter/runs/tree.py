"""What all the runs of one tree have in common, the root's and its children's: one end, one trace, one purse."""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from rlm_jupyter.core.errors import ClientError, LimitExceededError, TimeoutExceededError
from rlm_jupyter.core.limits import Limits
from rlm_jupyter.core.meter import Dearest, Meter, Reservation
from rlm_jupyter.core.protocols import ModelReply, ModelRequest, OnText
from rlm_jupyter.core.scope import Scope
from rlm_jupyter.core.steering import Steering

from .attempts import Attempts, OnWait, is_refusal

if TYPE_CHECKING:
    from rlm_jupyter.trace.recorder import Recorder

    from .models import Model

__all__ = ["Tree"]


class Tree:
    """The scope, the recorder, the meter and the steering of a root run, which its children use too.

    ``prices`` are those that are known beforehand. ``context`` is the one in which the root run was started: what runs
    beside a cell is not part of the cell. ``on_wait`` is told of calls that wait to be sent again.
    """

    def __init__(
        self,
        limits: Limits,
        recorder: Recorder,
        prices: Mapping[str, Dearest] | None = None,
        steering: Steering | None = None,
        on_wait: OnWait | None = None,
    ) -> None:
        self.limits = limits
        self._on_wait = on_wait
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
        attempts: Attempts,
        begin: Callable[[], None],
        on_text: OnText | None = None,
    ) -> ModelReply:
        """Call a model for the run of this scope, once there is room and money for it; runs on the I/O thread.

        ``attempts`` comes to tell what became of the call; ``begin`` is called just before the request is sent. A limit
        that is reached ends the whole tree. Raises its error, and what the client raises.
        """
        size = sum(len(message["content"]) for message in request.messages)
        kind = f"{attempts.role} {model.name}"

        async with self._room:
            reservation = await self._admitted(kind, size)

            async def repeat(error: ClientError) -> None:
                """Set aside what another request may take, where the one before may have been charged."""
                nonlocal reservation
                if not is_refusal(error):
                    self._lose(reservation, model, error)
                    reservation = await self._admitted(kind, size)

            try:
                scope.check()
                begin()
                attempts.under_way, attempts.repeat, attempts.on_wait = True, repeat, self._on_wait
                reply = await model.client.acompletion(replace(request, attempts=attempts), on_text)
            except BaseException as error:
                if attempts.under_way and not is_refusal(error):
                    self._lose(reservation, model, error)
                else:
                    self.meter.release(reservation)
                if isinstance(error, ClientError) and self.seconds_left == 0:  # that is what it failed of
                    raise self._out_of_time() from error
                raise
            finally:
                attempts.over()
            if reply.cached:  # it was paid for before
                self.meter.release(reservation)
            else:
                self.meter.settle(reservation, reply.model, reply.usage)
        return reply

    def _lose(self, reservation: Reservation, model: Model, error: BaseException) -> None:
        """Count a request that gave no reply: as what the server said that it took, else as the dearest of its kind."""
        spent = error.spent if isinstance(error, ClientError) else None
        if spent is not None and spent.cost is not None:
            self.meter.settle(reservation, model.name, spent)
        else:
            self.meter.lose(reservation)

    async def _admitted(self, kind: str, size: int) -> Reservation:
        try:
            return await self.meter.admit(kind, size)
        except LimitExceededError as reached:
            self.scope.cancel("a limit was reached", reached)
            raise

    def _out_of_time(self) -> TimeoutExceededError:
        msg = f"The run has taken the {self.limits.max_timeout:g} s that it may take. Raise max_timeout (--timeout)."
        reached = TimeoutExceededError(msg)
        self.scope.cancel("its time is up", reached)
        return reached
