"""Publishes trace events in batches: at once when nothing was said lately, and at most twenty times a second."""

from __future__ import annotations

import contextlib
import contextvars
import heapq
import json
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from rlm_jupyter.trace.schema import Event

__all__ = ["BATCH", "EVENT_LIMIT", "INTERVAL", "LARGEST_BATCH", "OVERDUE", "Publisher", "lightened"]

INTERVAL = 0.05
"""Seconds from one message to the next."""

BATCH = 1_000_000
"""Bytes of a message as a rule: what else waits goes into the next one."""

LARGEST_BATCH = 8_000_000
"""Bytes of a message when more comes than goes out."""

EVENT_LIMIT = 16_000_000
"""Bytes of one event; of a larger one, outputs are left out."""

OVERDUE = 5.0
"""Seconds after which a run that has ended, and that nobody says is stored, is taken for not stored."""

_RARELY = 300.0
"""Seconds between two looks at a run that is still not stored; they begin at ``OVERDUE`` and double."""

_MOST = 100_000
"""How many events wait; what comes beyond is not queued, and the server asks for it."""

_LEAVING = 5.0  # seconds that closing may take

_log = logging.getLogger(__name__)

Ranges: TypeAlias = Sequence[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class _Again:
    """Events of a run that are asked for again; None: all of them."""

    run_id: str
    ranges: Ranges | None


@dataclass(frozen=True, slots=True)
class _Piece:
    """What goes out next, as JSON: an event, or a message of its own."""

    text: bytes
    is_message: bool = False
    ends: str | None = None  # the run that this event ends


class Publisher:
    """A thread that sends what it is given, in order.

    Handing something over costs the same whatever waits, and nothing that an interrupt breaks into can harm it: the
    queue is C's. ``send`` gets the data of a comm message as JSON, ``find`` returns the events of a run that may be
    published (of these numbers, or all). ``overdue`` is told of a run that ended some seconds ago, and says whether to
    be told again later.
    """

    def __init__(
        self,
        send: Callable[[bytes], None],
        find: Callable[[str, Ranges | None], Iterable[Event]],
        overdue: Callable[[str], bool],
    ) -> None:
        self._send = send
        self._find = find
        self._overdue = overdue
        self._queue: SimpleQueue[Event | _Again | _Piece | None] = SimpleQueue()
        self._next: deque[Event | _Piece] = deque()  # what goes out before the queue
        self._due: list[tuple[float, float, str]] = []  # a heap: when, after how long a wait, which run
        self._size = BATCH
        self._closing = False
        self._warned = False
        self._thread = threading.Thread(target=self._run, name="rlm-jupyter-publisher", daemon=True)
        # In a context of its own: it must hold nothing of the cell that happens to start it.
        contextvars.Context().run(self._thread.start)

    def put(self, event: Event) -> None:
        """Publish an event, soon."""
        if self._queue.qsize() < _MOST:
            self._queue.put(event)

    def again(self, run_id: str, ranges: Ranges | None = None) -> None:
        """Publish events of a run once more."""
        self._queue.put(_Again(run_id, ranges))

    def say(self, message: bytes) -> None:
        """Publish a message of its own, after what was handed over before."""
        self._queue.put(_Piece(message, is_message=True))

    def close(self) -> None:
        """Publish what waits, without a pause, and end the thread. May be called twice."""
        self._closing = True
        self._queue.put(None)
        self._thread.join(_LEAVING)

    def _run(self) -> None:
        while True:
            self._tell_overdue()
            self._wait()
            message, ended = self._message()
            if message is None:
                if self._closing and self._queue.empty():
                    return
                continue
            try:
                self._send(message)
            except Exception as error:  # noqa: BLE001 - whatever ails the socket: the server asks for what is missing
                self._warn("A message to the Jupyter server could not be published", error)
            for run_id in ended:
                heapq.heappush(self._due, (time.monotonic() + OVERDUE, OVERDUE, run_id))
            if not self._closing:
                time.sleep(INTERVAL)

    def _wait(self) -> None:
        """Return when there is something to publish, or a run is overdue."""
        if self._next:
            return
        timeout = max(0.0, self._due[0][0] - time.monotonic()) if self._due else None
        with contextlib.suppress(Empty):
            self._take(self._queue.get(timeout=timeout))

    def _tell_overdue(self) -> None:
        while self._due and self._due[0][0] <= time.monotonic():
            _, waited, run_id = heapq.heappop(self._due)
            try:
                if self._overdue(run_id):
                    wait = min(2 * waited, _RARELY)
                    heapq.heappush(self._due, (time.monotonic() + wait, wait, run_id))
            except Exception as error:  # noqa: BLE001 - the next run's events are not to be lost over this one's file
                self._warn("A trace that the Jupyter server did not store could not be written", error)

    def _take(self, item: Event | _Again | _Piece | None) -> None:
        if isinstance(item, _Again):
            self._next.extend(self._find(item.run_id, item.ranges))
        elif item is not None:
            self._next.append(item)

    def _message(self) -> tuple[bytes | None, list[str]]:
        """Return the next message, and which runs end with it; None when there is nothing to say.

        When a batch is full, the next one may be twice as large.
        """
        batch: list[bytes] = []
        ended: list[str] = []
        size = 0
        while True:
            piece = self._piece()
            if piece is None:
                self._size = BATCH
                break
            if batch and (piece.is_message or size + len(piece.text) > self._size):
                self._next.appendleft(piece)
                self._size = self._size if piece.is_message else min(2 * self._size, LARGEST_BATCH)
                break
            if piece.is_message:
                return piece.text, ended
            batch.append(piece.text)
            size += len(piece.text)
            ended += [piece.ends] if piece.ends is not None else []
        return (b'{"type":"events","events":[' + b",".join(batch) + b"]}" if batch else None), ended

    def _piece(self) -> _Piece | None:
        """Return what goes out next, or None when nothing waits."""
        while True:
            while not self._next:
                try:
                    self._take(self._queue.get_nowait())
                except Empty:
                    return None
            item = self._next.popleft()
            if isinstance(item, _Piece):
                return item
            try:
                return _Piece(_text(item), ends=item.run_id if _ends_run(item) else None)
            except ValueError as error:  # nothing that a recorder lets through
                self._warn(f"Event {item.seq} of the run {item.run_id} could not be published", error)

    def _warn(self, what: str, error: Exception) -> None:
        if not self._warned:
            _log.warning("%s (%s: %s). The run goes on.", what, type(error).__name__, error)
        self._warned = True


def _ends_run(event: Event) -> bool:
    from rlm_jupyter.trace.schema import ROOT_SPAN

    return event.event == "end" and event.span_id == ROOT_SPAN


def _text(event: Event) -> bytes:
    """Return the event as JSON, which is never longer than what the server reads."""
    text = event.model_dump_json().encode()
    return text if len(text) <= EVENT_LIMIT else lightened(event, EVENT_LIMIT).model_dump_json().encode()


def lightened(event: Event, limit: int) -> Event:
    """Return the event with a line in place of its largest outputs, so that it takes no more than ``limit`` bytes.

    What else may be long, such as a list of names, is left out as a whole when that is not enough. So is a value.
    """
    from rlm_jupyter.trace.schema import Blob, SpanEnd, SpanStart

    if isinstance(event, Blob):
        return event.model_copy(update={"text": "", "cut": True, "encoding": None})
    if not isinstance(event, SpanStart | SpanEnd):  # the others are bounded
        return event
    payload = event.payload
    outputs = getattr(payload, "outputs", None)
    changed: dict[str, Any] = {}
    if outputs:
        changed["outputs"] = _light_outputs(outputs, limit // 2)
    slim = payload.model_copy(update=changed)
    if len(slim.model_dump_json().encode()) > limit - 1000:
        empty = {name: type(value)() for name, value in slim.__dict__.items() if isinstance(value, list | dict)}
        slim = slim.model_copy(update=empty)
    return event.model_copy(update={"payload": slim})


def _light_outputs(outputs: list[dict[str, Any]], limit: int) -> list[dict[str, Any]]:
    """Return the outputs, the smallest of which are kept as far as ``limit`` goes; a line stands for what is not."""
    sizes = [len(json.dumps(output)) for output in outputs]
    room = limit
    kept: set[int] = set()
    for index in sorted(range(len(outputs)), key=sizes.__getitem__):
        room -= sizes[index]
        if room < 0:
            break
        kept.add(index)
    light: list[dict[str, Any]] = []
    left_out = 0
    for index, output in enumerate(outputs):
        if index in kept:
            light += [*_line(left_out), output]
            left_out = 0
        else:
            left_out += sizes[index]
    return light + _line(left_out)


def _line(characters: int) -> list[dict[str, Any]]:
    if not characters:
        return []
    text = f"[left out of what the Jupyter server keeps: {characters:,} characters of output]\n"
    return [{"output_type": "stream", "name": "stdout", "text": text}]
