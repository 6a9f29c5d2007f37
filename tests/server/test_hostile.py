"""Ten thousand hostile messages: nothing breaks, nothing is written elsewhere, and what is sound is stored."""

from __future__ import annotations

import asyncio
from pathlib import Path

import psutil
import pytest
from hostile_messages import Hostile, packed
from jupyter_client.session import Session
from kernel_by_hand import Listener, eventually
from made_runs import begun_run, made_run

from rlm_jupyter.server.refusal import RefusedError
from rlm_jupyter.server.validation import read_message

MESSAGES = 10_000
PUBLISHED = 500
EVERY = 500


@pytest.mark.timeout(300)
async def test_hostile_messages_harm_nothing(
    listener: Listener, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hostile, victim = await listener.greeted(), await listener.greeted()
    theirs = begun_run("Which colour has the lamp?")
    await victim.publish(theirs)
    await eventually(lambda: listener.store.run(theirs[0].run_id), "the victim's run")
    before = listener.store.spans(theirs[0].run_id, limit=1_000)
    files = _files(tmp_path)
    memory = psutil.Process().memory_info().rss

    bait = begun_run("Which colour has the door?")
    session = Session(key=hostile.manager.session.key)
    source = Hostile(session, bait, [theirs[0].run_id, "0" * 32], seed=1)
    good = []
    for number, message in enumerate(source.messages(MESSAGES - PUBLISHED)):
        listener.intake.accept(hostile.kernel_id, message)
        if number % EVERY == 0:
            events = made_run(f"Where does the walrus live, asked for the {number}th time?")
            told = [event.model_dump(mode="json") for event in events]
            content = {"comm_id": "rlm_jupyter-ab", "data": {"type": "events", "events": told}}
            listener.intake.accept(hostile.kernel_id, packed(session, content))
            good.append(events[0].run_id)
        if number % 50 == 0:
            await asyncio.sleep(0)
    # Others really come from the kernel, also one that is far too large.
    data = source.data(PUBLISHED)
    for start in range(0, PUBLISHED, 50):
        await hostile.say(*data[start : start + 50])
    await hostile.run("comm.send({'type': 'events', 'events': [], 'more': 'x' * 40_000_000})")
    await hostile.hello(load_id="still-there")
    await eventually(
        lambda: "still-there" in [message.load_id for _, message in listener.told if message.type == "hello"],
        "that the kernel is heard",
    )
    await eventually(lambda: listener.intake.stats()["queue"]["messages"] == 0, "the end of them all")

    for run_id in good:
        await listener.whole(run_id)
    last = made_run("Where does the walrus live?")
    await victim.publish(last)
    await listener.whole(last[0].run_id)
    assert "Traceback" not in "".join(record.exc_text or "" for record in caplog.records)
    assert [record.getMessage() for record in caplog.records if record.name.startswith("rlm_jupyter")] == []
    assert listener.store.spans(theirs[0].run_id, limit=1_000) == before
    assert _files(tmp_path) == files
    stats = listener.intake.stats()
    assert stats["received"]["messages"] >= MESSAGES
    wanted = {"malformed", "signature", "replay", "type", "json", "schema", "value", "foreign", "conflict"}
    assert wanted <= set(stats["refused"]), stats
    assert psutil.Process().memory_info().rss - memory < 300_000_000, "what was refused is kept somewhere"


async def test_a_message_that_is_too_large_is_not_even_read(listener: Listener) -> None:
    kernel = await listener.greeted()
    session = Session(key=kernel.manager.session.key)
    listener.intake.accept(kernel.kernel_id, packed(session, b'"' + b"x" * 40_000_000 + b'"'))
    listener.intake.accept(kernel.kernel_id, [b""] * 1_000)
    assert listener.refused["size"] == 2
    assert listener.intake.stats()["queue"] == {"messages": 0, "bytes": 0}


@pytest.mark.parametrize(
    "raw",
    [
        b"[" + b"1," * 15_000_000 + b"1]",
        b"[" + b"[]," * 900_000 + b"[]]",
        b'["' + b'\\"' * 3_900_000,
        b'{"data": {"events": [' + b'"",' * 2_000_000,
        b'{"a": {"b": [' + b"{}," * 100_001 + b"{}]}}",
    ],
    ids=["numbers", "lists", "quotes", "texts", "events"],
)
async def test_the_loop_goes_on_while_a_message_of_too_many_values_is_refused(listener: Listener, raw: bytes) -> None:
    kernel = await listener.greeted()
    events = made_run("Where does the walrus live?")
    listener.intake.accept(kernel.kernel_id, packed(Session(key=kernel.manager.session.key), raw))
    await kernel.publish(events)
    await listener.whole(events[0].run_id)
    assert listener.refused.total() == 1


def test_a_block_that_waits_for_a_decision_is_no_longer_than_one_that_may_be_sent_back() -> None:
    review = {"review_id": "r1", "code": "x" * 500_000, "iteration": 1, "index": 1}
    steered = {"type": "steered", "run_id": "0" * 32, "review": review}
    assert read_message(steered)[0].type == "steered"
    review["code"] = "x" * 500_001
    with pytest.raises(RefusedError):
        read_message(steered)


def _files(folder: Path) -> set[str]:
    """What lies in the test's folders and beside them, apart from what belongs to kernels and to the store."""
    found = {str(path) for path in folder.rglob("*") if not {"runtime", "store", "home"} & set(path.parts)}
    return found | {str(path) for path in (*folder.parent.iterdir(), *Path("/tmp").glob("hostile*"))}
