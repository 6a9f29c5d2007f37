"""Answers what the kernel's code asks, each query on a thread of its own and in the context of the cell that asked."""

from __future__ import annotations

import contextvars
import json
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rlm_jupyter.core.errors import CancellationError, ScaffoldError
from rlm_jupyter.core.protocols import Queries

from .channels import Answerer

__all__ = ["Questions"]

_KINDS = frozenset({"llm_query", "llm_query_batched", "rlm_query", "rlm_query_batched"})
_CELLS_KEPT = 256  # threads of older cells may ask no more


@dataclass(frozen=True, slots=True)
class _Asker:
    queries: Queries
    context: contextvars.Context


class Questions:
    """Knows the cells that may ask, and who answers each of them. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._askers: OrderedDict[str, _Asker] = OrderedDict()

    def let_ask(self, cell: str, queries: Queries, context: contextvars.Context) -> None:
        """Let the cell, and threads that outlive it, ask these queries in this context."""
        with self._lock:
            self._askers[cell] = _Asker(queries, context)
            while len(self._askers) > _CELLS_KEPT:
                self._askers.popitem(last=False)

    def end(self) -> None:
        """Let no cell so far ask any more: their run is over."""
        with self._lock:
            self._askers.clear()

    def asked(self, query: Mapping[str, Any], text: bytes, answer: Answerer) -> None:
        """Begin to answer a query; ``text`` is the prompt and the model, as JSON."""
        with self._lock:
            asker = self._askers.get(query.get("cell") or "")
        context = asker.context.copy() if asker is not None else contextvars.Context()
        threading.Thread(
            target=context.run,
            args=(_answer, asker.queries if asker is not None else None, dict(query), text, answer),
            name="rlm-jupyter-kernel-query",
            daemon=True,
        ).start()


def _answer(queries: Queries | None, query: Mapping[str, Any], text: bytes, answer: Answerer) -> None:
    told: dict[str, Any]
    try:
        told = {"reply": _reply(queries, str(query.get("kind")), text)}
    except BaseException as error:  # noqa: BLE001 - it is raised in the code that asked
        told = {"error": {"name": type(error).__name__, "message": str(error)}}
    answer(str(query.get("query")), json.dumps(told).encode("ascii"))


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
