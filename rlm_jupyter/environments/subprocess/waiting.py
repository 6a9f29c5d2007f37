"""Waits for the end of what the kernel runs: with patience up to the time limit, and then without."""

from __future__ import annotations

import threading
import time
from concurrent.futures import TimeoutError
from dataclasses import dataclass

from .failures import DeadKernelError
from .io_thread import SLICE
from .kernel import Kernel
from .request import Request

__all__ = ["Ending", "await_end"]

_GRACE = 2.0  # seconds from an interrupt until the kernel is killed
_AGAIN = 0.7  # seconds between interrupts


@dataclass(slots=True)
class Ending:
    """How it ended: out of time, interrupted (by this exception), with a dead kernel; or by itself."""

    timed_out: bool = False
    stopped: bool = False
    interrupt: KeyboardInterrupt | None = None
    killed: bool = False
    dead: DeadKernelError | None = None

    @property
    def pressed(self) -> bool:
        """Whether it was told to end."""
        return self.timed_out or self.stopped or self.interrupt is not None


def await_end(kernel: Kernel, request: Request, seconds: float | None, stop: threading.Event) -> Ending:
    """Wait, and say how it ended; after ``seconds``, an interrupt, or when ``stop`` is set, make it end."""
    ending = Ending()
    deadline = time.monotonic() + seconds if seconds is not None else float("inf")
    again = give_up = 0.0
    while True:
        try:
            if ending.pressed and not give_up:
                again, give_up = time.monotonic() + _AGAIN, time.monotonic() + _GRACE
                kernel.interrupt()
            try:
                request.done.result(timeout=SLICE)
            except TimeoutError:
                if request.done.done():
                    continue
            except DeadKernelError as error:
                ending.dead = error
                return ending
            else:
                return ending
            now = time.monotonic()
            ending.timed_out = ending.timed_out or now >= deadline
            ending.stopped = ending.stopped or stop.is_set()
            if give_up and now >= give_up and not ending.killed:
                kernel.kill("it did not stop when it was interrupted")
                ending.killed = True
            elif give_up and now >= again:
                again = now + _AGAIN
                kernel.interrupt()
        except KeyboardInterrupt as interrupt:
            ending.interrupt = interrupt
