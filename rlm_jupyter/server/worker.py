"""The one thread that looks at what kernels say, and stores what is sound."""

from __future__ import annotations

import gc
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .envelope import Envelope, Opener
from .gaps import Gaps
from .rate import Rate
from .refusal import Reason, RefusedError

if TYPE_CHECKING:
    from jupyter_client.session import Session

    from rlm_jupyter.trace.wire import Hello

    from .inbox import Delivery, Frames, Inbox
    from .link import Link
    from .news import News
    from .store import Store
    from .validation import Event, Message

__all__ = ["Source", "Worker"]

_log = logging.getLogger(__name__)

_MESSAGES = (1_000, 20_000)
_BYTES = (40_000_000, 200_000_000)
_EVENTS = (25_000, 200_000)
_REQUESTS = (20, 200)
"""What a kernel may send in a second, and at once after a pause: what causes work beyond storing is rarer than events.

A kernel publishes 20 messages a second; what is refused of a good one is asked for later.
"""

_TRANSACTION = 2_000
"""Events that are stored at once."""

_RANGES = 200
"""Ranges of missing numbers that a kernel is asked for at once."""

_INTRODUCTION = 5.0
"""Seconds after which a kernel that has not said hello is asked to again."""

_REMINDER = 60.0
"""Seconds after which a store that still fails is spoken of again."""

_LAG_SECONDS = 60.0


class Source:
    """A kernel whose messages are read; without a session it is one whose messages a front end relays."""

    def __init__(self, session: Session | None) -> None:
        self.opener = Opener(session) if session is not None else None
        self.key = (session.key, session.signature_scheme) if session is not None else None
        self.comm_id: str | None = None
        self.introduced = float("-inf")
        self.messages, self.bytes = Rate(*_MESSAGES), Rate(*_BYTES)
        self.events, self.requests = Rate(*_EVENTS), Rate(*_REQUESTS)


class Worker:
    """Reads deliveries, stores their events a transaction at a time, and asks for what is missing."""

    def __init__(
        self, inbox: Inbox, store: Store, link: Link, news: News, notebook_of: Callable[[str], int | None]
    ) -> None:
        self.sources: dict[str, Source] = {}
        self.refused = Counter(dict.fromkeys(Reason, 0))
        self.received = {"messages": 0, "bytes": 0, "events": 0}
        self.stored = 0
        self.gaps = Gaps()
        self.lag = {"last": 0.0, "most": 0.0}
        self._most_at = 0.0
        self._inbox = inbox
        self._store = store
        self._link = link
        self._news = news
        self._notebook_of = notebook_of
        self._batch: dict[str, list[Event]] = {}
        self._complained = float("-inf")

    def run(self) -> None:
        """Work until the inbox is closed and empty."""
        frozen = False
        while (deliveries := self._inbox.take(self.gaps.wait(time.monotonic()))) is not None:
            if deliveries and not frozen:
                # What a server has made by now, some 400,000 objects, stays; whoever collects garbage need not go
                # through it again, every few seconds under load, while the event loop stands for 0.1 s.
                gc.freeze()
                frozen = True
            try:
                self._work(deliveries)
            except Exception:  # noqa: BLE001 - there is only this thread
                _log.exception("What kernels say could not be looked after.")
            for delivery in deliveries:
                if delivery.done is not None:
                    delivery.done.set_result(None)

    def _work(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            try:
                self._work_on(delivery)
            except Exception:  # noqa: BLE001 - what the other kernels say is not to be lost over one's
                _log.exception("A message of the kernel %s could not be read.", delivery.kernel_id)
        self._flush()
        if deliveries:
            self._note_lag(time.monotonic() - deliveries[0].arrived)
        self._ask_for_missing()

    def _work_on(self, delivery: Delivery) -> None:
        if delivery.frames is not None:
            self._read_frames(delivery.kernel_id, delivery.frames, delivery.size)
        elif delivery.relayed is not None:
            for data in delivery.relayed:
                self._read_relayed(delivery.kernel_id, data, delivery.size // len(delivery.relayed))
        else:
            self._gone(delivery.kernel_id)
            if delivery.closed is not None and self.sources.get(delivery.kernel_id) is delivery.closed:
                del self.sources[delivery.kernel_id]

    # Reading

    def _read_frames(self, kernel_id: str, frames: Frames, size: int) -> None:
        try:
            source = self._admitted(kernel_id, size)
            opener = source.opener
            if opener is None:  # it is relayed now, and was heard when this came
                self.refused[Reason.KERNEL] += 1
                return
            with _garbage_left():
                envelope = opener.open([frame if isinstance(frame, bytes) else frame.bytes for frame in frames])
            if envelope is not None:
                self._read_envelope(kernel_id, source, envelope)
        except RefusedError as refusal:
            self.refused[refusal.reason] += 1

    def _read_envelope(self, kernel_id: str, source: Source, envelope: Envelope) -> None:
        from rlm_jupyter.trace.wire import TARGET

        from .validation import COMM_ID

        if COMM_ID.fullmatch(envelope.comm_id) is None:
            raise RefusedError(Reason.VALUE)
        if envelope.type == "comm_close":
            if envelope.comm_id == source.comm_id:
                source.comm_id = None
                self._news.post(self._link.closed, kernel_id, envelope.comm_id)
            return
        if envelope.type == "comm_open" and envelope.target != TARGET:
            raise RefusedError(Reason.TYPE)
        self._read(kernel_id, source, envelope.comm_id, envelope.data)

    def _read_relayed(self, kernel_id: str, data: Any, size: int) -> None:
        try:
            self._read(kernel_id, self._admitted(kernel_id, size), "", data)
        except RefusedError as refusal:
            self.refused[refusal.reason] += 1

    def _admitted(self, kernel_id: str, size: int) -> Source:
        self.received["messages"] += 1
        self.received["bytes"] += size
        source = self.sources.get(kernel_id)
        if source is None:
            raise RefusedError(Reason.KERNEL)
        if not source.messages.admit() or not source.bytes.admit(size):
            raise RefusedError(Reason.RATE)
        return source

    def _read(self, kernel_id: str, source: Source, comm_id: str, data: Any) -> None:
        from .validation import read_events, read_message, run_ids

        message, none = read_message(data)
        self.refused[Reason.MALFORMED] += none
        if message.type != "events":
            if not source.requests.admit():
                raise RefusedError(Reason.RATE)
            self._dispatch(kernel_id, source, comm_id, message)
            return
        self._introduce(kernel_id, source, comm_id)
        self.received["events"] += len(message.events)
        if not source.events.admit(len(message.events)):
            self.refused[Reason.RATE] += len(message.events)
            return
        waiting = self._batch.setdefault(kernel_id, [])
        try:
            with _garbage_left():
                waiting += read_events(message.events, self.refused)
        except Exception:
            self._lost(kernel_id, run_ids(message.events))
            raise
        if len(waiting) >= _TRANSACTION:
            self._flush()

    def _dispatch(self, kernel_id: str, source: Source, comm_id: str, message: Message) -> None:
        news = self._news
        if message.type == "hello":
            self._hello(kernel_id, source, comm_id, message)
            return
        self._introduce(kernel_id, source, comm_id)
        if message.type == "steered":
            self._flush()  # the run may have begun just now
            run = self._store.run(message.run_id)
            if run is None or run.kernel_id != kernel_id:
                raise RefusedError(Reason.FOREIGN)
            news.tell(news.on_steered, kernel_id, message)
        elif message.type != "events":
            news.tell(news.on_ask, kernel_id, message)

    def _hello(self, kernel_id: str, source: Source, comm_id: str, hello: Hello) -> None:
        source.comm_id = comm_id
        self._news.post(self._link.heard, kernel_id, comm_id, hello.reach)
        self._news.tell(self._news.on_hello, kernel_id, hello)

    def _introduce(self, kernel_id: str, source: Source, comm_id: str) -> None:
        """Ask a kernel to say hello when it talks without having done so."""
        from rlm_jupyter.trace.wire import Introduce

        now = time.monotonic()
        if comm_id == source.comm_id or now - source.introduced < _INTRODUCTION:
            return
        source.introduced = now
        self._news.post(self._link.heard, kernel_id, comm_id, None)
        self._news.post(self._link.post, kernel_id, Introduce())

    # Storing

    def _flush(self) -> None:
        batch, self._batch = self._batch, {}
        for kernel_id, events in batch.items():
            try:
                notebook_id = self._notebook_of(kernel_id)
                for start in range(0, len(events), _TRANSACTION):
                    self._take(kernel_id, notebook_id, events[start : start + _TRANSACTION])
            except Exception:  # noqa: BLE001 - as above
                _log.exception("What the kernel %s says could not be stored.", kernel_id)
                self._lost(kernel_id, {event.run_id for event in events})

    def _lost(self, kernel_id: str, run_ids: Iterable[str]) -> None:
        now = time.monotonic()
        for run_id in run_ids:
            self.gaps.lost(kernel_id, run_id, now)

    def _take(self, kernel_id: str, notebook_id: int | None, events: Sequence[Event]) -> None:
        from rlm_jupyter.trace.wire import Stored

        from .store import StoreError

        now = time.monotonic()
        numbers: dict[str, list[int]] = {}
        for event in events:
            numbers.setdefault(event.run_id, []).append(event.seq)
        try:
            changes, refused = self._store.take(kernel_id, notebook_id, events)
        except StoreError as error:
            self._complain(error)
            self.refused[Reason.STORE] += len(events)
            self._lost(kernel_id, numbers)
            return
        self.stored += len(events) - refused
        self.refused[Reason.CONFLICT] += refused
        for change in changes:
            self.gaps.heard(kernel_id, change.run_id, numbers.get(change.run_id, ()), now)
            if change.whole:
                self.gaps.done(kernel_id, change.run_id)
                self._news.post(self._link.post, kernel_id, Stored(run_id=change.run_id, events=change.last_seq + 1))
            elif change.ended:
                self.gaps.ended(kernel_id, change.run_id, now)
            self._news.changed(change)

    def _gone(self, kernel_id: str) -> None:
        from .store import StoreError

        self._flush()
        self.gaps.gone(kernel_id)
        source = self.sources.get(kernel_id)
        if source is not None:
            source.comm_id = None
        try:
            changes = self._store.abandon(kernel_id)
        except StoreError as error:
            self._complain(error)
            return
        for change in changes:
            self._news.changed(change)

    def _ask_for_missing(self) -> None:
        from .store import StoreError

        due = self.gaps.due(time.monotonic())
        for kernel_id, run_id in due:
            from rlm_jupyter.trace.wire import Missing

            try:
                missing = self._store.missing(run_id)
            except StoreError as error:
                self._complain(error)
                self.gaps.unknown(kernel_id, run_id, time.monotonic())
                continue
            if self.gaps.found(kernel_id, run_id, missing, time.monotonic()):
                self._news.post(self._link.post, kernel_id, Missing(run_id=run_id, ranges=missing[:_RANGES]))

    def _complain(self, error: Exception) -> None:
        now = time.monotonic()
        if now - self._complained > _REMINDER:
            self._complained = now
            _log.error("%s What kernels publish meanwhile will be asked for again.", error)

    def _note_lag(self, seconds: float) -> None:
        now = time.monotonic()
        self.lag["last"] = seconds
        if seconds >= self.lag["most"] or now - self._most_at > _LAG_SECONDS:
            self.lag["most"], self._most_at = seconds, now


@contextmanager
def _garbage_left() -> Iterator[None]:
    """Let no garbage be collected meanwhile, in this process.

    A batch is some 10,000 objects, of which none is left afterwards. Where they grow old all the same, Python goes
    through all that a server holds, every few seconds under load; that takes 0.1 s, in which the event loop stands.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
