"""Answers what the kernel's code asks: on a bounded number of threads, in the context of the cell that asked."""

from __future__ import annotations

import contextvars
import json
import threading
from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rlm_jupyter.core.errors import CancellationError, ScaffoldError
from rlm_jupyter.core.protocols import Queries

from .channels import Answerer

__all__ = ["Questions"]

_KINDS = frozenset({"llm_query", "llm_query_batched", "rlm_query", "rlm_query_batched"})
_CELLS_KEPT = 256  # threads of older cells may ask no more
_AT_ONCE = 64  # threads that answer one kernel; its code may start as many as it likes
_WAITING = 10_000  # queries


@dataclass(frozen=True, slots=True)
class _Asker:
    queries: Queries
    context: contextvars.Context


@dataclass(frozen=True, slots=True)
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

    def asked(self, query: Mapping[str, Any], text: bytes, answer: Answerer) -> None:
        """Begin to answer a query, or let it wait for its turn; ``text`` is the prompt and the model, as JSON."""
        with self._lock:
            if len(self._waiting) >= _WAITING:
                told = _error(ScaffoldError(f"More than {_WAITING:,} queries wait: ask in batches."))
                answer(query["query"], told)
                return
            self._waiting.append(_Query(query["query"], query["kind"], query.get("cell") or "", text, answer))
            if self._workers >= _AT_ONCE:
                return
            self._workers += 1
        threading.Thread(target=self._work, name="rlm-jupyter-kernel-query", daemon=True).start()

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
        told = json.dumps({"reply": _reply(queries, query.kind, query.text)}).encode("ascii")
    except BaseException as error:  # noqa: BLE001 - it is raised in the code that asked
        told = _error(error)
    query.answer(query.number, told)


def _error(error: BaseException) -> bytes:
    return json.dumps({"error": {"name": type(error).__name__, "message": str(error)}}).encode("ascii")


def _reply(queries: Queries | None, kind: str, text: bytes) -> Any:
    asked = json.loads(text)
    if kind not in _KINDS or not isinstance(asked, dict):
        msg = "This is no query of the scaffold's."
        raise ScaffoldError(msg)
    if queries is None:
        msg = "The run has ended: no further model call is made."
        raise CancellationError(msg)
    model = asked.get("model")
    return getattr(queries, kind)(asked.get("prompt"), None if model is None else str(model))
