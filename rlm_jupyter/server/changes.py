"""Announces on Jupyter's event bus what changed: which run, session or notebook, and nothing of what was said in it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .off_loop import off_loop

if TYPE_CHECKING:
    from jupyter_events import EventLogger

    from rlm_jupyter.trace.wire import Steered

    from .store import Change, Store
    from .store.rows import RunRow

__all__ = ["INTERVAL", "SCHEMA_ID", "Changes"]

SCHEMA_ID = "urn:rlm-jupyter:changes:v1"

INTERVAL = 0.2
"""Seconds between two announcements of one run: five a second."""

_AT_ONCE = 50
"""Announcements of one interval. What is over waits for the next one: the bus is everybody's."""

_WAITING = 2_000
"""Runs that may wait to be announced; beyond that a kernel makes runs faster than anybody could look at them."""

_STEERED_KEPT = 500


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
        self._steered[kernel_id, steered.run_id] = steered
        if len(self._steered) > _STEERED_KEPT:
            del self._steered[next(iter(self._steered))]
        self._add(steered.run_id, "steered")

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
        waiting = self._waiting.pop(run_id, None)
        run = await off_loop(self._store.run, run_id)
        if waiting is None or run is None:
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
