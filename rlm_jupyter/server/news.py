"""Carries what the worker finds out to the event loop: what changed in pieces, everything else at once."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ParamSpec

if TYPE_CHECKING:
    from rlm_jupyter.trace.wire import Hello, Question, Steered

    from .store import Change

__all__ = ["News"]

P = ParamSpec("P")

_PAUSE = 0.05
"""Seconds from one telling of what changed to the next."""

_AT_ONCE = 10
"""Changes that are told before the loop goes on with other things."""

_log = logging.getLogger(__name__)


class News:
    """Calls listeners on the loop; a listener that fails is reported, and harms no other."""

    def __init__(self) -> None:
        self.on_change: list[Callable[[Change], None]] = []
        self.on_hello: list[Callable[[str, Hello], None]] = []
        self.on_ask: list[Callable[[str, Question], None]] = []
        self.on_steered: list[Callable[[str, Steered], None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()
        self._changes: dict[str, Change] = {}
        self._expected = False

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Carry to this loop from now on."""
        self._loop = loop

    def changed(self, change: Change) -> None:
        """Tell that a run changed, soon; what changes meanwhile is told with it. For any thread."""
        with self._lock:
            before = self._changes.get(change.run_id)
            if before is not None:
                began, ended = before.began or change.began, before.ended or change.ended
                change = replace(change, began=began, ended=ended)
            self._changes[change.run_id] = change
            expected, self._expected = self._expected, True
        if not expected:
            self.post(self._tell_changes)

    def tell(self, listeners: Sequence[Callable[P, None]], *args: P.args, **kwargs: P.kwargs) -> None:
        """Call the listeners on the loop. For any thread."""
        self.post(self._call, listeners, args)

    def post(self, function: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
        """Call the function on the loop. For any thread; when the loop is over, nothing happens."""
        if self._loop is None:
            return
        try:
            self._loop.call_soon_threadsafe(lambda: function(*args, **kwargs))
        except RuntimeError:  # the loop is closed: the server ends, and nobody listens
            _log.debug("The event loop is over; %s was not called.", function)

    def _tell_changes(self) -> None:
        """Tell a few changes, and come back for the others, or for what has come in a while from now."""
        with self._lock:
            told = [self._changes.pop(run_id) for run_id in list(self._changes)[:_AT_ONCE]]
            self._expected = bool(told)
        if told and self._loop is not None:
            self._loop.call_later(0 if len(told) == _AT_ONCE else _PAUSE, self._tell_changes)
        for change in told:
            self._call(self.on_change, (change,))

    def _call(self, listeners: Sequence[Callable[..., None]], args: Sequence[object]) -> None:
        for listener in listeners:
            try:
                listener(*args)
            except Exception:  # noqa: BLE001 - whatever it is that listens; the others are still to be told
                _log.exception("%r failed; what it was told is stored all the same.", listener)
