"""Announcements on the event bus: what changed and where to look, and nothing of what was said."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from jupyter_events import EventLogger
from recorded_runs import Recorded, begun, recorded

from rlm_jupyter.server.changes import INTERVAL, SCHEMA_ID, Changes
from rlm_jupyter.server.store import Store
from rlm_jupyter.trace.wire import ProposedCode, Steered

KERNEL = "11111111-2222-4333-8444-555555555555"
OTHER = "99999999-2222-4333-8444-555555555555"


class Bus:
    """What is announced, and when."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.logger = EventLogger()
        self.changes = Changes(self.logger, store)
        self.heard: list[dict[str, Any]] = []
        self.times: list[float] = []
        self.logger.add_listener(schema_id=SCHEMA_ID, listener=self._hear)

    async def _hear(self, logger: EventLogger, schema_id: str, data: dict[str, Any]) -> None:
        self.heard.append(data)
        self.times.append(time.monotonic())

    def take(self, events: list[Recorded], notebook_id: int | None = None) -> None:
        """Store events, and announce what they changed, as the intake does."""
        for change in self.store.take(KERNEL, notebook_id, events)[0]:
            self.changes.announce(change)

    async def until(self, look: Callable[[], Any]) -> None:
        """Wait until it is true."""
        deadline = time.monotonic() + 20
        while not look():
            assert time.monotonic() < deadline, self.heard
            await asyncio.sleep(0.01)

    def actions(self) -> list[str]:
        return [event["action"] for event in self.heard]


@asynccontextmanager
async def listening(path: Path) -> AsyncIterator[Bus]:
    store = Store(path / "store.sqlite3")
    bus = Bus(store)
    try:
        yield bus
    finally:
        await bus.changes.close()
        store.close()


async def test_a_run_is_announced_from_its_beginning_to_its_end(tmp_path: Path) -> None:
    async with listening(tmp_path) as bus:
        events = recorded("Which colour has the lamp?")
        notebook = bus.store.notebook("shelf/analysis.ipynb")
        bus.take(events[:8], notebook)
        await bus.until(lambda: bus.heard)
        bus.take(events[8:20], notebook)
        await bus.until(lambda: len(bus.heard) == 2)
        bus.take(events[20:], notebook)
        await bus.until(lambda: "ended" in bus.actions())
        assert bus.actions() == ["began", "advanced", "ended"]
        first, _, last = bus.heard
        run = events[0].run_id
        assert (first["kind"], first["run_id"], first["notebook"]) == ("run", run, "shelf/analysis.ipynb")
        assert (first["status"], first["last_seq"], first["whole"]) == (None, 7, False)
        assert (last["status"], last["last_seq"], last["whole"]) == ("ok", len(events) - 1, True)
        assert last["notebook_id"] == notebook


async def test_a_busy_run_is_announced_five_times_a_second_with_its_first_and_last_state(tmp_path: Path) -> None:
    async with listening(tmp_path) as bus:
        for events in (recorded("Which colour has the lamp?"), recorded("And the door?")):
            for event in events:
                bus.take([event])
                await asyncio.sleep(0)
        await bus.until(lambda: bus.actions().count("ended") == 2)
        for run_id in {event["run_id"] for event in bus.heard}:
            told = [(event, at) for event, at in zip(bus.heard, bus.times, strict=True) if event["run_id"] == run_id]
            assert [told[0][0]["action"], told[-1][0]["action"]] == ["began", "ended"]
            assert told[-1][0]["whole"] is True
            pauses = [after - before for (_, before), (_, after) in itertools.pairwise(told)]
            assert min(pauses) > INTERVAL / 2


async def test_no_word_of_question_or_answer_is_in_an_event(tmp_path: Path) -> None:
    async with listening(tmp_path) as bus:
        events = recorded("Which colour has the lamp?")
        for event in begun(events):
            bus.take([event])
        code = ProposedCode(review_id="r1", code="print('the lamp is red')", iteration=1, index=1)
        bus.changes.steered(KERNEL, Steered(run_id=events[0].run_id, review=code))
        await bus.until(lambda: any("steered" in event for event in bus.heard))
        bus.take(events)
        await bus.until(lambda: "ended" in bus.actions())
        assert "lamp" not in json.dumps(bus.heard)


async def test_how_a_run_is_steered_is_announced_and_kept_until_its_end(tmp_path: Path) -> None:
    async with listening(tmp_path) as bus:
        events = recorded("Which colour has the lamp?")
        run_id = events[0].run_id
        bus.take(events[:8])
        await bus.until(lambda: bus.heard)
        bus.changes.steered(KERNEL, Steered(run_id=run_id, paused=True, notes=1))
        await bus.until(lambda: "steered" in bus.actions())
        assert bus.heard[-1]["steered"] == {"paused": True, "stopping": False, "waiting": False}
        run = bus.store.run(run_id)
        assert run is not None
        assert bus.changes.steered_of(run) == Steered(run_id=run_id, paused=True, notes=1)
        bus.changes.steered(KERNEL, Steered(run_id=run_id))
        await bus.until(lambda: bus.actions().count("steered") == 2)
        assert "steered" not in bus.heard[-1]
        assert bus.changes.steered_of(run) is None
        bus.changes.steered(KERNEL, Steered(run_id=run_id, stopping=True))
        bus.take(events)
        await bus.until(lambda: "ended" in bus.actions())
        assert "steered" not in bus.heard[-1]


async def test_what_a_kernel_says_of_another_kernels_run_is_not_heard(tmp_path: Path) -> None:
    async with listening(tmp_path) as bus:
        events = recorded("Which colour has the lamp?")
        run_id = events[0].run_id
        bus.take(events[:8])
        await bus.until(lambda: bus.heard)
        bus.changes.steered(KERNEL, Steered(run_id=run_id, paused=True))
        await bus.until(lambda: "steered" in bus.actions())
        count = len(bus.heard)
        bus.changes.steered(OTHER, Steered(run_id=run_id, stopping=True))
        bus.changes.steered(OTHER, Steered(run_id="0" * 32, stopping=True))
        bus.take(events[8:12])
        await bus.until(lambda: len(bus.heard) > count)
        assert all(event["steered"]["stopping"] is False for event in bus.heard[count - 1 :])
        run = bus.store.run(run_id)
        assert run is not None
        assert bus.changes.steered_of(run) == Steered(run_id=run_id, paused=True)


async def test_what_could_not_be_read_is_announced_when_it_can(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with listening(tmp_path) as bus:
        events = recorded("Which colour has the lamp?")
        changes = bus.store.take(KERNEL, None, events)[0]
        store = Store(tmp_path)  # a folder, which cannot be read
        bus.changes._store = store
        for change in changes:
            bus.changes.announce(change)
        await bus.until(lambda: caplog.text.count("cannot be announced now") == 1)
        bus.changes._store = bus.store
        await bus.until(lambda: "ended" in bus.actions())
        assert bus.actions() == ["began", "ended"]
        store.close()


async def test_how_runs_are_steered_is_forgotten_with_their_kernel_and_bounded_for_each(tmp_path: Path) -> None:
    async with listening(tmp_path) as bus:
        events = recorded("Which colour has the lamp?")
        run_id = events[0].run_id
        bus.take(events[:8])
        run = bus.store.run(run_id)
        assert run is not None
        bus.changes.steered(KERNEL, Steered(run_id=run_id, paused=True))
        for number in range(1_000):
            bus.changes.steered(OTHER, Steered(run_id=f"{number:032x}", paused=True))
        assert bus.changes.steered_of(run) is not None
        bus.changes.gone(OTHER)
        assert bus.changes.steered_of(run) is not None
        bus.changes.gone(KERNEL)
        assert bus.changes.steered_of(run) is None


async def test_a_move_and_what_is_deleted_are_announced(tmp_path: Path) -> None:
    async with listening(tmp_path) as bus:
        bus.changes.moved(7, "new.ipynb")
        bus.changes.moved(7, None)
        bus.changes.session_deleted(7, "new.ipynb", "abc")
        events = recorded("Which colour has the lamp?")
        bus.store.take(KERNEL, None, events)
        run = bus.store.run(events[0].run_id)
        assert run is not None
        bus.changes.run_deleted(run)
        await bus.until(lambda: len(bus.heard) == 4)
        assert bus.heard[0] == {"kind": "notebook", "action": "moved", "notebook_id": 7, "notebook": "new.ipynb"}
        assert bus.heard[1] == {"kind": "notebook", "action": "deleted", "notebook_id": 7, "notebook": None}
        assert [(event["kind"], event["action"]) for event in bus.heard[2:]] == [
            ("session", "deleted"),
            ("run", "deleted"),
        ]


async def test_more_runs_than_anybody_could_look_at_do_not_take_the_bus(tmp_path: Path) -> None:
    async with listening(tmp_path) as bus:
        events = recorded("Which colour has the lamp?")
        copies = [[event.model_copy(update={"run_id": f"{number:032x}"}) for event in events] for number in range(150)]
        for copy in copies:
            bus.take(copy)
        await bus.until(lambda: bus.actions().count("ended") == len(copies))
        assert len(bus.heard) == 2 * len(copies)
        pauses = [after - before for before, after in zip(bus.times, bus.times[50:], strict=False)]
        assert min(pauses) > INTERVAL / 2


async def test_the_schema_is_registered_once_for_a_server(tmp_path: Path) -> None:
    async with listening(tmp_path) as bus:
        Changes(bus.logger, bus.store)
        assert SCHEMA_ID in bus.logger.schemas


async def test_nothing_is_announced_after_the_end(tmp_path: Path) -> None:
    async with listening(tmp_path) as bus:
        bus.take(recorded("Which colour has the lamp?"))
        await bus.changes.close()
        await bus.changes.close()
        assert bus.heard == []
