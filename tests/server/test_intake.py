"""What kernels publish is stored whole, whatever is lost on the way; the kernels are real, and speak by hand."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections import Counter
from typing import Any

import pytest
from jupyter_client.session import Session
from kernel_by_hand import Listener, eventually
from made_runs import begun_run, made_run

from rlm_jupyter.server.gaps import Gaps
from rlm_jupyter.server.intake import Intake
from rlm_jupyter.server.refusal import RefusedError

FAR = "a-kernel-elsewhere"


async def test_a_gap_is_asked_for_and_closed(listener: Listener) -> None:
    kernel = await listener.greeted()
    events = made_run("Where does the walrus live?")
    lost = {3, 4, 7}
    await kernel.publish([event for event in events if event.seq not in lost])
    (missing,) = await kernel.heard("missing")
    assert missing[1] == {"type": "missing", "run_id": events[0].run_id, "ranges": [[3, 4], [7, 7]]}
    await kernel.publish([event for event in events if event.seq in lost])
    (stored,) = await kernel.heard("stored")
    assert stored[1]["events"] == len(events)
    await listener.whole(events[0].run_id)


async def test_a_gap_in_a_run_that_is_under_way_is_asked_for_again_until_it_is_closed(listener: Listener) -> None:
    kernel = await listener.greeted()
    events = begun_run("Where does the walrus live?")
    await kernel.publish(events[:2] + events[4:])
    asked = await kernel.heard("missing", 2)
    assert [data["ranges"] for _, data in asked] == [[[2, 3]], [[2, 3]]]
    await kernel.publish(events[2:4])
    await eventually(lambda: not listener.store.missing(events[0].run_id), "the missing events")


async def test_events_in_any_order_and_twice_are_stored_once(listener: Listener) -> None:
    kernel = await listener.greeted()
    events = made_run("Where does the walrus live?")
    await kernel.publish(list(reversed(events)))
    await kernel.publish(events)
    stored = await kernel.heard("stored", 2)  # the first answer may have been lost, so it is given again
    assert {data["events"] for _, data in stored} == {len(events)}
    run = listener.store.run(events[0].run_id)
    assert run is not None
    assert run.events == len(events)
    assert listener.refused.total() == 0


async def test_one_bad_event_does_not_harm_its_neighbours(listener: Listener) -> None:
    kernel = await listener.greeted()
    events = made_run("Where does the walrus live?")
    told: list[Any] = [event.model_dump(mode="json") for event in events]
    bad = [{**told[2], "run_id": "../../x"}, {**told[2], "seq": -1}, {**told[2], "more": 1}, {}, None, 7, [told[2]]]
    await kernel.say({"type": "events", "events": [*told[:3], *bad, *told[3:]]})
    await listener.whole(events[0].run_id)
    assert listener.refused == Counter({"value": 2, "schema": 2, "malformed": 3})


async def test_a_run_belongs_to_the_kernel_that_began_it(listener: Listener) -> None:
    mine, other = await listener.greeted(), await listener.greeted()
    events = begun_run("Where does the walrus live?")
    run_id = events[0].run_id
    await mine.publish(events)
    await eventually(lambda: listener.store.run(run_id), "the run")
    end = made_run()[-1]
    await other.publish([end.model_copy(update={"run_id": run_id, "seq": events[-1].seq + 1})])
    await other.say({"type": "steered", "run_id": run_id, "paused": True})
    await eventually(lambda: listener.refused == Counter(conflict=1, foreign=1), "that both are refused")
    run = listener.store.run(run_id)
    assert run is not None
    assert run.status is None
    await mine.say({"type": "steered", "run_id": run_id, "paused": True})
    (steered,) = await listener.hears(mine.kernel_id, "steered")
    assert steered.paused
    assert [each for each, message in listener.told if message.type == "steered"] == [mine.kernel_id]


async def test_questions_reach_who_answers_them(listener: Listener) -> None:
    kernel = await listener.greeted()
    await kernel.say(
        {"type": "ask_sessions", "request_id": "1"}, {"type": "ask_session", "request_id": "2", "session_id": "ab"}
    )
    (sessions,) = await listener.hears(kernel.kernel_id, "ask_sessions")
    (session,) = await listener.hears(kernel.kernel_id, "ask_session")
    assert (sessions.request_id, session.request_id, session.session_id) == ("1", "2", "ab")


async def test_what_a_front_end_relays_is_stored_when_it_is_answered(listener: Listener) -> None:
    hello = {"type": "hello", "protocol": 1, "load_id": "a", "version": "0.1", "reach": "subshell"}
    events = made_run("Where does the walrus live?")
    told = {"type": "events", "events": [event.model_dump(mode="json") for event in events]}
    await _relay(listener, [hello, told, 5, {"type": "events"}])
    run = listener.store.run(events[0].run_id)
    assert run is not None
    assert (run.kernel_id, run.whole) == (FAR, True)
    assert listener.refused == Counter({"malformed": 1, "schema": 1})


async def test_what_is_relayed_is_answered_through_the_relay(listener: Listener) -> None:
    listener.link.relays(FAR)
    events = made_run("Where does the walrus live?")
    told = {"type": "events", "events": [event.model_dump(mode="json") for event in events]}
    heard = await _relay(listener, [told])
    while len(heard) < 2:
        heard += await _relay(listener, [])
    assert heard == [
        {"type": "introduce"},
        {"type": "stored", "run_id": events[0].run_id, "events": len(events)},
    ]


async def test_a_front_end_is_told_when_there_is_no_room_for_what_it_relays(listener: Listener) -> None:
    with pytest.raises(RefusedError) as refused:
        await listener.intake.relay(FAR, [{}], 200_000_000)
    assert refused.value.reason == "queue"
    assert listener.refused == Counter(queue=1)


async def test_a_front_end_is_told_when_what_it_relays_is_not_read_in_time(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rlm_jupyter.server.intake._RELAY_SECONDS", 0.05)
    goes_on = threading.Event()

    def notebook_of(kernel_id: str) -> None:
        goes_on.wait(30)

    intake = Intake(listener.store, listener.link, notebook_of)
    intake.start()
    events = made_run("Where does the walrus live?")
    told = {"type": "events", "events": [event.model_dump(mode="json") for event in events]}
    with pytest.raises(RefusedError):
        await intake.relay(FAR, [told])
    goes_on.set()
    await listener.whole(events[0].run_id)
    monkeypatch.undo()
    assert await intake.relay(FAR, [told]) is not None  # the thread has outlived it
    await intake.stop()


async def test_what_goes_wrong_with_one_kernel_harms_no_other_and_is_asked_for(
    listener: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    kernel = await listener.greeted()
    collecting: list[bool] = []

    def notebook_of(kernel_id: str) -> None:
        collecting.append(gc.isenabled())
        if kernel_id == "bad" and collecting.count(True) < 3:
            raise ZeroDivisionError

    intake = Intake(listener.store, listener.link, notebook_of)
    bad, good = made_run("Where does the walrus live?"), made_run("And the lamp?")
    for kernel_id, events in (("bad", bad), ("good", good)):
        intake.open(kernel_id, kernel.manager.session)
        session = Session(key=kernel.manager.session.key)
        told = [event.model_dump(mode="json") for event in events]
        content = {"comm_id": "rlm_jupyter-ab", "data": {"type": "events", "events": told}}
        intake.accept(kernel_id, frames(session, content))
    intake.start()  # so that both are in one batch
    await listener.whole(good[0].run_id)
    assert "The kernel bad" not in caplog.text
    assert "ZeroDivisionError" in caplog.text
    assert listener.store.run(bad[0].run_id) is None
    assert [run_id for _, run_id in intake._worker.gaps.due(float("inf"))] == [bad[0].run_id]
    await intake.stop()
    assert all(collecting)


async def test_a_store_that_cannot_say_what_is_missing_is_asked_again(listener: Listener) -> None:
    gaps, run_id = Gaps(), "0" * 32
    gaps.heard("kernel", run_id, [0, 3], now=0.0)
    pauses, now = [], 1.0
    for _ in range(4):
        assert gaps.due(now) == [("kernel", run_id)]
        gaps.unknown("kernel", run_id, now)
        pauses.append(gaps.wait(now))
        now += pauses[-1] or 0.0
    assert pauses == [1.0, 2.0, 4.0, 8.0]
    assert gaps.found("kernel", run_id, [(1, 2)], now)
    assert gaps.asked == 1


async def test_nobody_relays_a_kernel_that_the_server_hears(listener: Listener) -> None:
    kernel = await listener.kernel()
    with pytest.raises(ValueError, match="hears this kernel itself"):
        await listener.intake.relay(kernel.kernel_id, [])


async def test_a_flood_is_refused_and_counted_and_another_kernel_is_heard_meanwhile(listener: Listener) -> None:
    flooding, other = await listener.greeted(), await listener.greeted()
    session = Session(key=flooding.manager.session.key)
    content = {"comm_id": "rlm_jupyter-ab", "data": {"type": "events", "events": []}}
    flood = [frames(session, content) for _ in range(50_000)]
    for number, message in enumerate(flood):
        listener.intake.accept(flooding.kernel_id, message)
        if number % 1_000 == 0:
            await asyncio.sleep(0)
    events = made_run("Where does the walrus live?")
    await other.publish(events)
    await listener.whole(events[0].run_id)
    await eventually(lambda: listener.intake.stats()["queue"]["messages"] == 0, "the end of the flood")
    refused = listener.refused
    assert set(refused) <= {"rate", "queue"}
    assert refused.total() > 20_000


async def test_a_burst_of_events_is_no_flood(listener: Listener) -> None:
    kernel = await listener.greeted()
    events = made_run(subcalls=5_000)
    session = Session(key=kernel.manager.session.key)
    for start in range(0, len(events), 2_000):
        told = [event.model_dump(mode="json") for event in events[start : start + 2_000]]
        content = {"comm_id": "rlm_jupyter-ab", "data": {"type": "events", "events": told}}
        listener.intake.accept(kernel.kernel_id, frames(session, content))
    await listener.whole(events[0].run_id)
    assert listener.refused.total() == 0
    # What changed is told in pieces, however many batches there were.
    await eventually(lambda: listener.changes and listener.changes[-1].whole, "the news of the end")
    assert sum(change.began for change in listener.changes) == 1


async def test_a_store_that_fails_for_a_while_loses_nothing(listener: Listener) -> None:
    kernel = await listener.greeted()
    events = made_run("Where does the walrus live?")
    folder = listener.store.path.parent
    folder.mkdir(parents=True, exist_ok=True)
    listener.store.path.mkdir()  # nobody can write there
    await kernel.publish(events)
    await eventually(lambda: listener.refused["store"] == len(events), "that they could not be stored")
    listener.store.path.rmdir()
    await kernel.publish(events[-1:])
    asked = await kernel.heard("missing")
    (first, last), *_ = asked[0][1]["ranges"]
    assert (first, last) == (0, len(events) - 2)
    await kernel.publish(events)
    await listener.whole(events[0].run_id)


async def test_what_has_come_is_stored_when_the_server_ends(listener: Listener) -> None:
    kernel = await listener.greeted()
    events = made_run("Where does the walrus live?")
    session = Session(key=kernel.manager.session.key)
    told = [event.model_dump(mode="json") for event in events]
    content = {"comm_id": "rlm_jupyter-ab", "data": {"type": "events", "events": told}}
    listener.intake.accept(kernel.kernel_id, frames(session, content))
    await listener.intake.stop()
    run = listener.store.run(events[0].run_id)
    assert run is not None
    assert run.whole


async def test_a_listener_that_fails_harms_no_other(listener: Listener, caplog: pytest.LogCaptureFixture) -> None:
    listener.intake.on_change.insert(0, lambda change: 1 / 0)  # type: ignore[arg-type]
    kernel = await listener.greeted()
    events = made_run("Where does the walrus live?")
    await kernel.publish(events)
    await eventually(lambda: any(change.whole for change in listener.changes), "the news of it")
    assert "ZeroDivisionError" in caplog.text


def frames(session: Session, content: Any, kind: str = "comm_msg") -> list[bytes]:
    """A message as it comes out of a kernel's socket."""
    return [b"comm-rlm_jupyter-ab", *session.serialize(session.msg(kind, content))]


async def _relay(listener: Listener, messages: list[Any]) -> list[dict[str, Any]]:
    return await listener.intake.relay(FAR, messages)
