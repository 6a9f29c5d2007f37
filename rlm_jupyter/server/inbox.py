"""What has come from kernels and was not looked at yet: bounded, in order, between the event loop and the worker."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from zmq import Frame

__all__ = ["Delivery", "Frames", "Inbox"]

Frames: TypeAlias = Sequence[bytes | Frame]

_MESSAGES, _BYTES = 20_000, 100_000_000
"""What waits at most; one kernel may fill half of it."""

_BATCH_MESSAGES, _BATCH_BYTES = 200, 1_500_000
"""What is handed out at once, as a rule."""


@dataclass(slots=True)
class Delivery:
    """Frames of a kernel, or data that a front end relayed; with neither, the news that the kernel is gone.

    ``closed`` is the source of which nothing comes any more.
    """

    kernel_id: str
    frames: Frames | None = None
    relayed: list[Any] | None = None
    size: int = 0
    done: Future[None] | None = None
    closed: object | None = None
    arrived: float = field(default_factory=time.monotonic)


class Inbox:
    """A bounded queue for many threads that put and one that takes."""

    def __init__(self) -> None:
        self._waiting: deque[Delivery] = deque()
        self._messages: Counter[str] = Counter()
        self._bytes: Counter[str] = Counter()
        self._size = 0
        self._closed = False
        self._changed = threading.Condition()

    def put(self, delivery: Delivery) -> bool:
        """Say whether there was room for it; that a kernel is gone always has."""
        kernel_id, size = delivery.kernel_id, delivery.size
        with self._changed:
            if self._closed:
                return False
            full = len(self._waiting) >= _MESSAGES or self._size + size > _BYTES
            if size and (full or self._messages[kernel_id] >= _MESSAGES // 2 or self._bytes[kernel_id] > _BYTES // 2):
                return False
            self._waiting.append(delivery)
            self._messages[kernel_id] += 1
            self._bytes[kernel_id] += size
            self._size += size
            self._changed.notify()
            return True

    def take(self, seconds: float | None) -> list[Delivery] | None:
        """Return what came first, once there is something; nothing after so many seconds; None when all is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed, seconds)
            if not self._waiting and self._closed:
                return None
            batch: list[Delivery] = []
            room = _BATCH_BYTES
            while self._waiting and room > 0 and len(batch) < _BATCH_MESSAGES:
                delivery = self._waiting.popleft()
                batch.append(delivery)
                room -= delivery.size
                self._size -= delivery.size
                self._leave(delivery)
            return batch

    def close(self) -> None:
        """Take in nothing more; what is here is still handed out."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def stats(self) -> dict[str, int]:
        """Return how many messages wait, and how many bytes they have."""
        return {"messages": len(self._waiting), "bytes": self._size}

    def _leave(self, delivery: Delivery) -> None:
        kernel_id = delivery.kernel_id
        self._messages[kernel_id] -= 1
        self._bytes[kernel_id] -= delivery.size
        if not self._messages[kernel_id]:
            del self._messages[kernel_id], self._bytes[kernel_id]
