"""Answers what the kernel's code asks, in the context of the cell that asked.

What its threads wait for is answered on a bounded number of threads here; what is awaited there, on the event loop that
receives the kernel's messages.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import contextvars
import json
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rlm_jupyter.core.errors import CancellationError, ScaffoldError
from rlm_jupyter.core.pictures import picture_of
from rlm_jupyter.core.protocols import Queries
from rlm_jupyter.environments.scaffold import QUERY_NAMES

from .channels import Answerer

__all__ = ["Questions"]

_AWAITED = frozenset(name for name in QUERY_NAMES if name.endswith("_async"))
_CANCEL = "cancel"  # the kind of a query that takes back the one of its number
_CELLS_KEPT = 256  # threads of older cells may ask no more
_AT_ONCE = 64  # threads that answer one kernel; its code may start as many as it likes
_WAITING = 10_000  # queries


@dataclass(frozen=True, slots=True)
class _Asker:
    queries: Queries
    context: contextvars.Context


@dataclass(frozen=True, slots=True, eq=False)
class _Query:
    number: str
    kind: str
    cell: str
    text: bytes
    answer: Answerer


class Questions:
    """Knows the cells that may ask, and who answers each of them. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._askers: OrderedDict[str, _Asker] = OrderedDict()
        self._waiting: deque[_Query] = deque()
        self._workers = 0
        self._tasks: dict[_Query, asyncio.Task[None]] = {}  # on the event loop

    def let_ask(self, cell: str, queries: Queries, context: contextvars.Context) -> None:
        """Let the cell, and threads that outlive it, ask these queries in this context."""
        with self._lock:
            self._askers[cell] = _Asker(queries, context)
            while len(self._askers) > _CELLS_KEPT:
                self._askers.popitem(last=False)

    def end(self, cell: str | None = None) -> None:
        """Let this cell, or no cell so far, ask any more: it was ended, or their run is over."""
        with self._lock:
            if cell is None:
                self._askers.clear()
            else:
                self._askers.pop(cell, None)
            ended = [task for query, task in self._tasks.items() if cell in (None, query.cell)]
        for task in ended:
            with contextlib.suppress(RuntimeError):  # the loop is closed, and nothing goes on there
                task.get_loop().call_soon_threadsafe(task.cancel)

    def asked(self, query: Mapping[str, Any], text: bytes, answer: Answerer) -> None:
        """Begin to answer a query, or let it wait for its turn; ``text`` is the prompt and the model, as JSON.

        Called on the event loop that receives the kernel's messages.
        """
        if query["kind"] == _CANCEL:
            self._cancel(query["query"])
            return
        if query["kind"] in _AWAITED:
            self._begin(_Query(query["query"], query["kind"], query.get("cell") or "", text, answer))
            return
        with self._lock:
            if len(self._waiting) >= _WAITING:
                answer(query["query"], _TOO_MANY)
                return
            self._waiting.append(_Query(query["query"], query["kind"], query.get("cell") or "", text, answer))
            if self._workers >= _AT_ONCE:
                return
            self._workers += 1
        threading.Thread(target=self._work, name="rlm-jupyter-kernel-query", daemon=True).start()

    def _begin(self, query: _Query) -> None:
        """Answer on the event loop."""
        with self._lock:
            if len(self._tasks) >= _WAITING:
                query.answer(query.number, _TOO_MANY)
                return
            asker = self._askers.get(query.cell)
            context = asker.context.copy() if asker is not None else contextvars.Context()
            answering = _aanswer(asker.queries if asker is not None else None, query)
            task = self._tasks[query] = context.run(asyncio.get_running_loop().create_task, answering)
        task.add_done_callback(lambda _: self._done(query))

    def _done(self, query: _Query) -> None:
        with self._lock:
            self._tasks.pop(query, None)

    def _cancel(self, number: str) -> None:
        with self._lock:
            tasks = [task for query, task in self._tasks.items() if query.number == number]
        for task in tasks:
            task.cancel()

    def _work(self) -> None:
        """Answer as long as queries wait; one whose cell was ended meanwhile is not put to anybody."""
        while True:
            with self._lock:
                if not self._waiting:
                    self._workers -= 1
                    return
                query = self._waiting.popleft()
                asker = self._askers.get(query.cell)
            context = asker.context.copy() if asker is not None else contextvars.Context()
            context.run(_answer, asker.queries if asker is not None else None, query)


def _answer(queries: Queries | None, query: _Query) -> None:
    try:
        asked = _Asked.read(queries, query)
        told = _reply(asked.call())
    except BaseException as error:  # noqa: BLE001 - it is raised in the code that asked
        told = _error(error)
    query.answer(query.number, told)


async def _aanswer(queries: Queries | None, query: _Query) -> None:
    try:
        asked = _Asked.read(queries, query)
        told = _reply(await asked.call())
    except asyncio.CancelledError:
        told = _error(CancellationError("The run has ended: no further model call is made."))
    except BaseException as error:  # noqa: BLE001 - it is raised in the code that asked
        told = _error(error)
    query.answer(query.number, told)


def _reply(reply: Any) -> bytes:
    return json.dumps({"reply": reply}).encode("ascii")


def _error(error: BaseException) -> bytes:
    return json.dumps({"error": {"name": type(error).__name__, "message": str(error)}}).encode("ascii")


_TOO_MANY = _error(ScaffoldError(f"More than {_WAITING:,} queries wait: ask in batches."))


@dataclass(frozen=True, slots=True)
class _Asked:
    """Whom to call, and with what."""

    method: Callable[..., Any]
    prompt: Any
    model: str | None

    @classmethod
    def read(cls, queries: Queries | None, query: _Query) -> _Asked:
        """Return what the query asks for. Raises ``ScaffoldError`` when it is none."""
        asked = json.loads(query.text)
        if query.kind not in QUERY_NAMES or not isinstance(asked, dict):
            msg = "This is no query of the scaffold's."
            raise ScaffoldError(msg)
        if queries is None:
            msg = "The run has ended: no further model call is made."
            raise CancellationError(msg)
        model = asked.get("model")
        prompt = _with_pictures(asked.get("prompt"), asked.get("pictures") or ())
        return cls(getattr(queries, query.kind), prompt, None if model is None else str(model))

    def call(self) -> Any:
        return self.method(self.prompt, self.model)


def _with_pictures(prompt: Any, pictures: Sequence[Any]) -> Any:
    """Return the prompt with its pictures put back into their places."""
    for places, encoded in pictures:
        picture = picture_of(base64.b64decode(encoded))
        for place in places:
            if not place:
                return picture
            holder = prompt
            for step in place[:-1]:
                holder = holder[step]
            holder[place[-1]] = picture
    return prompt
