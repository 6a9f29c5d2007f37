"""Announces on Jupyter's event bus what changed: which run, session or notebook, and nothing of what was said in it."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .off_loop import off_loop
from .store import StoreError

if TYPE_CHECKING:
    from jupyter_events import EventLogger

    from rlm_jupyter.trace.wire import Steered

    from .store import Change, Store
    from .store.rows import RunRow

__all__ = ["INTERVAL", "SCHEMA_ID", "Changes"]

_log = logging.getLogger(__name__)

SCHEMA_ID = "urn:rlm-jupyter:changes:v1"

INTERVAL = 0.2
"""Seconds between two announcements of one run: five a second."""

_AT_ONCE = 50
"""Announcements of one interval. What is over waits for the next one: the bus is everybody's."""

_WAITING = 2_000
"""Runs that may wait to be announced; beyond that a kernel makes runs faster than anybody could look at them."""

_STEERED_KEPT, _STEERED_OF_A_KERNEL = 500, 50
"""Runs of which it is known how they are steered, of all kernels and of one."""


@dataclass(slots=True)
class _Waiting:
    """What is to be said of a run: that it began, once, and then the last thing that happened."""

    began: bool = False
    action: str | None = None


class Changes:
    """Announces changes, those of one run at most five times a second. All of it is called on the event loop."""

    def __init__(self, event_logger: EventLogger, store: Store) -> None:
        self._bus = event_logger
        self._store = store
        self._waiting: dict[str, _Waiting] = {}
        self._steered: dict[tuple[str, str], Steered] = {}  # by kernel too: each speaks of its own runs only
        self._task: asyncio.Task[None] | None = None
        self._has_complained = False
        # The server's logger outlives an extension that is loaded again.
        if SCHEMA_ID not in event_logger.schemas:
            event_logger.register_event_schema(Path(__file__).with_name("changes.yaml"))

    def announce(self, change: Change) -> None:
        """Announce what a batch of events changed about a run: its beginning and its last state are never left out."""
        if change.ended:
            self._steered.pop((change.kernel_id, change.run_id), None)
        self._add(change.run_id, "advanced" if change.status is None else "ended", began=change.began)

    def steered(self, kernel_id: str, steered: Steered) -> None:
        """Remember, and announce, how a kernel says that one of its runs is steered."""
        self._steered.pop((kernel_id, steered.run_id), None)
        own = [key for key in self._steered if key[0] == kernel_id]
        if len(own) >= _STEERED_OF_A_KERNEL:
            del self._steered[own[0]]
        elif len(self._steered) >= _STEERED_KEPT:
            del self._steered[next(iter(self._steered))]
        self._steered[kernel_id, steered.run_id] = steered
        self._add(steered.run_id, "steered")

    def gone(self, kernel_id: str) -> None:
        """Forget how the runs of a kernel that is no more, or that begins anew, were steered."""
        for key in [key for key in self._steered if key[0] == kernel_id]:
            del self._steered[key]

    def steered_of(self, run: RunRow) -> Steered | None:
        """Return how a run that is under way is steered, as its own kernel last said; None when it is not, or over."""
        steered = self._steered.get((run.kernel_id, run.run_id))
        if steered is None or run.status is not None:
            return None
        return steered if steered.paused or steered.stopping or steered.notes or steered.review else None

    def run_deleted(self, run: RunRow) -> None:
        """Announce that a run is no longer kept."""
        self._waiting.pop(run.run_id, None)
        self._emit(_facts(run) | {"action": "deleted"})

    def session_deleted(self, notebook_id: int | None, notebook: str | None, session_id: str) -> None:
        """Announce that a session is no longer kept, nor any of its runs."""
        self._emit(
            {
                "kind": "session",
                "action": "deleted",
                "session_id": session_id,
                "notebook_id": notebook_id,
                "notebook": notebook,
            }
        )

    def moved(self, notebook_id: int, path: str | None) -> None:
        """Announce that a notebook has another path, or none any more."""
        action = "deleted" if path is None else "moved"
        self._emit({"kind": "notebook", "action": action, "notebook_id": notebook_id, "notebook": path})

    async def close(self) -> None:
        """Announce nothing more."""
        self._waiting.clear()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _add(self, run_id: str, action: str, *, began: bool = False) -> None:
        if run_id not in self._waiting and len(self._waiting) >= _WAITING:
            return
        waiting = self._waiting.setdefault(run_id, _Waiting())
        waiting.began = waiting.began or began
        if not began or action == "ended":
            waiting.action = action if waiting.action != "ended" else "ended"
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._announce_waiting())

    async def _announce_waiting(self) -> None:
        while self._waiting:
            for run_id in list(self._waiting)[:_AT_ONCE]:
                await self._announce_run(run_id)
            await asyncio.sleep(INTERVAL)

    async def _announce_run(self, run_id: str) -> None:
        waiting = self._waiting.pop(run_id, None)  # before it is read, so that what happens meanwhile is said after it
        if waiting is None:
            return
        try:
            run = await off_loop(self._store.run, run_id)
        except StoreError as error:
            self._try_again(run_id, waiting, error)
            return
        self._has_complained = False
        if run is None:
            return
        action = "began" if waiting.began else waiting.action
        if waiting.began and waiting.action is not None:
            # To the end of the line, so that runs that have waited longer come first.
            self._waiting.setdefault(run_id, _Waiting(action=waiting.action))
        if action == "steered" and (run.kernel_id, run_id) not in self._steered:
            return  # what another kernel says of a run is not heard
        event = _facts(run) | {"action": action}
        steered = self.steered_of(run)
        if steered is not None:
            waits = steered.review is not None
            event["steered"] = {"paused": steered.paused, "stopping": steered.stopping, "waiting": waits}
        self._emit(event)

    def _try_again(self, run_id: str, waiting: _Waiting, error: StoreError) -> None:
        """Keep what is to be said of the run, after what has waited longer; say once why it is not said now."""
        later = self._waiting.pop(run_id, _Waiting())
        action = waiting.action if waiting.action == "ended" else later.action or waiting.action
        self._waiting[run_id] = _Waiting(waiting.began or later.began, action)
        if not self._has_complained:
            self._has_complained = True
            _log.error("What changed about runs cannot be announced now, and will be later: %s", error)

    def _emit(self, event: dict[str, Any]) -> None:
        self._bus.emit(schema_id=SCHEMA_ID, data=event)


def _facts(run: RunRow) -> dict[str, Any]:
    return {
        "kind": "run",
        "run_id": run.run_id,
        "session_id": run.session_id,
        "notebook_id": run.notebook_id,
        "notebook": run.notebook,
        "status": run.status,
        "last_seq": run.last_seq,
        "whole": run.whole,
    }
