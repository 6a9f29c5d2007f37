"""Takes in what kernels publish: on the event loop it is only put aside, and a thread reads and stores it."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from .inbox import Delivery, Frames, Inbox
from .news import News
from .off_loop import off_loop
from .refusal import Reason, RefusedError
from .worker import Source, Worker

if TYPE_CHECKING:
    from jupyter_client.session import Session

    from rlm_jupyter.trace.wire import Hello, Question, Steered

    from .link import Link
    from .store import Change, Store

__all__ = ["Intake"]

_FRAMES = 40
"""Frames of a message; a comm message has seven."""

_MESSAGE_LIMIT = 32_000_000  # wire.MESSAGE_LIMIT: importing that module takes its time, on the event loop

_RELAY_SECONDS = 20.0
"""How long a front end waits; what is not stored by then is stored later."""


class Intake:
    """What kernels say, as the rest of the server hears it: listeners are called on the event loop.

    ``notebook_of`` returns the id of a kernel's notebook, from any thread and at once. ``on_change`` is told what
    changed about a run, several changes of one in a short time as one; ``on_hello``, ``on_ask`` and ``on_steered`` get
    the kernel's id and its message.
    """

    def __init__(self, store: Store, link: Link, notebook_of: Callable[[str], int | None]) -> None:
        self._link = link
        self._inbox = Inbox()
        self._news = News()
        self._worker = Worker(self._inbox, store, link, self._news, notebook_of)
        self._dropped = Counter(dict.fromkeys((Reason.SIZE, Reason.QUEUE), 0))
        self._thread: threading.Thread | None = None

    @property
    def on_change(self) -> list[Callable[[Change], None]]:
        """Told what a batch changed about a run."""
        return self._news.on_change

    @property
    def on_hello(self) -> list[Callable[[str, Hello], None]]:
        """Told that a kernel has loaded the extension, or introduces itself."""
        return self._news.on_hello

    @property
    def on_ask(self) -> list[Callable[[str, Question], None]]:
        """Told what a kernel asks."""
        return self._news.on_ask

    @property
    def on_steered(self) -> list[Callable[[str, Steered], None]]:
        """Told how a run of the kernel is steered; a run of another kernel's is refused."""
        return self._news.on_steered

    def start(self) -> None:
        """Begin to read what comes; to be called on the event loop."""
        self._news.start(asyncio.get_running_loop())
        self._thread = threading.Thread(target=self._worker.run, name="rlm-jupyter-intake", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """Store what has come, and take in nothing more."""
        self._inbox.close()
        if self._thread is not None:
            await off_loop(self._thread.join)
            self._thread = None

    def open(self, kernel_id: str, session: Session | None) -> None:
        """Read the kernel's messages, which it signs with the session's key; None: a front end relays them."""
        key = (session.key, session.signature_scheme) if session is not None else None
        source = self._worker.sources.get(kernel_id)
        if source is None or source.key != key:
            self._worker.sources[kernel_id] = Source(session)

    def close(self, kernel_id: str) -> None:
        """End the runs of a kernel that is no more, and read nothing more of it, once what it said has been read."""
        self._inbox.put(Delivery(kernel_id, closed=self._worker.sources.get(kernel_id)))

    def gone(self, kernel_id: str) -> None:
        """End the runs of a kernel that begins anew, once what it said has been read."""
        self._inbox.put(Delivery(kernel_id))

    def accept(self, kernel_id: str, frames: Frames) -> None:
        """Put a message aside to be read; when there is no room it is dropped, and asked for later."""
        size = sum(map(len, frames))
        if size > _MESSAGE_LIMIT or len(frames) > _FRAMES:
            self._dropped[Reason.SIZE] += 1
        elif not self._inbox.put(Delivery(kernel_id, frames=frames, size=size)):
            self._dropped[Reason.QUEUE] += 1

    async def relay(self, kernel_id: str, messages: list[dict[str, Any]], size: int = 0) -> list[dict[str, Any]]:
        """Store what a front end relays of a kernel, and return what it is to pass on to it.

        ``size`` is how many bytes the messages had as JSON. Raises ``ValueError`` for a kernel that the server hears,
        and ``RefusedError`` when there is no room, or when it takes too long; the messages may be stored later then.
        """
        source = self._worker.sources.get(kernel_id)
        if source is not None and source.opener is not None:
            msg = "The server hears this kernel itself. Only a gateway's kernels are relayed."
            raise ValueError(msg)
        if source is None:
            self.open(kernel_id, None)
        if messages:
            done: Future[None] = Future()
            done.set_running_or_notify_cancel()  # nobody takes it back from the worker
            size = max(size, len(messages))
            if not self._inbox.put(Delivery(kernel_id, relayed=messages, size=size, done=done)):
                self._dropped[Reason.QUEUE] += 1
                raise RefusedError(Reason.QUEUE)
            _, late = await asyncio.wait([asyncio.wrap_future(done)], timeout=_RELAY_SECONDS)
            if late:
                raise RefusedError(Reason.QUEUE)
        return self._link.waiting(kernel_id)

    def stats(self) -> dict[str, Any]:
        """Return figures: what came, what was stored, what was refused and why, what waits; lag is in seconds."""
        worker = self._worker
        refused = {reason.value: count + self._dropped[reason] for reason, count in worker.refused.items()}
        return {
            "received": dict(worker.received),
            "stored": worker.stored,
            "refused": {reason: count for reason, count in refused.items() if count},
            "queue": self._inbox.stats(),
            "missing": {"asked": worker.gaps.asked, "given_up": worker.gaps.given_up},
            "lag": dict(worker.lag),
        }
