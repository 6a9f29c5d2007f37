"""Steering as it is: what the user asks for, and what the loop makes of it. Nothing that waits."""

from __future__ import annotations

import copy
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import pytest

from rlm_jupyter.core.compaction import Compaction
from rlm_jupyter.core.drive import drive
from rlm_jupyter.core.effects import BeginIteration, CallModel, Effect, EndIteration, RunCode
from rlm_jupyter.core.errors import CancellationError, ConfigurationError
from rlm_jupyter.core.loop import completion_loop
from rlm_jupyter.core.prompts import GO_ON, closing_request, rejection, user_note
from rlm_jupyter.core.protocols import Message, ModelReply
from rlm_jupyter.core.results import REPLResult
from rlm_jupyter.core.steering import NOTE_LIMIT, Decision, ProposedBlock, Steering, SteeringState, Stopped, Waits
from rlm_jupyter.core.usage import Usage

LOOK = "```repl\nprint(1)\n```"
THREE = "```repl\na\n```\n```repl\nb\n```\n```repl\nc\n```"
SEEN = "Output: (nothing was printed, and the block does not end in an expression)"


def result(*notes: str, rejected: bool = False) -> REPLResult:
    return REPLResult("", "", {}, notes=list(notes), rejected=rejected)


def digits(answer: str) -> str | None:
    return None if answer.isdigit() else f"{answer!r} is no number."


@dataclass
class Script:
    """Answers the loop: replies in order, a result for each block, notes by the number of the iteration that ends."""

    replies: Sequence[str]
    notes: dict[int, list[str]] = field(default_factory=dict)
    results: Sequence[REPLResult] = ()
    input_tokens: int | None = None
    calls: list[list[Message]] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)
    begins: list[BeginIteration] = field(default_factory=list)
    ends: list[EndIteration] = field(default_factory=list)

    def perform(self, effect: Effect) -> Any:
        if isinstance(effect, CallModel):
            self.calls.append(copy.deepcopy(list(effect.messages)))
            return ModelReply(self.replies[len(self.calls) - 1], "m", Usage(input_tokens=self.input_tokens))
        if isinstance(effect, RunCode):
            self.codes.append(effect.code)
            return self.results[len(self.codes) - 1] if self.results else result()
        if isinstance(effect, BeginIteration):
            self.begins.append(effect)
        if isinstance(effect, EndIteration):
            self.ends.append(effect)
            return self.notes.get(effect.number)
        return None

    @property
    def told(self) -> list[str]:
        """What the model was told last before each of its replies but the first."""
        return [call[-1]["content"] for call in self.calls[1:]]


def opening() -> list[Message]:
    return [{"role": "system", "content": "You work in code."}, {"role": "user", "content": "What is the answer?"}]


NOTES: dict[str, tuple[list[str], dict[int, list[str]], int, list[str]]] = {
    "after what the code gave": ([LOOK, "FINAL(1)"], {1: ["Hurry."]}, 5, [f"{SEEN}\n\nThe user says: Hurry."]),
    "several, in their order": (
        [LOOK, "FINAL(1)"],
        {1: ["One.", "Two."]},
        5,
        [f"{SEEN}\n\nThe user says: One.\n\nThe user says: Two."],
    ),
    "each in the message after its iteration, and in no other": (
        [LOOK, LOOK, LOOK, "FINAL(1)"],
        {2: ["Hurry."]},
        5,
        [SEEN, f"{SEEN}\n\nThe user says: Hurry.", SEEN],
    ),
    "before the request for a final answer": (
        [LOOK, "1"],
        {1: ["Hurry."]},
        1,
        [f"{SEEN}\n\nThe user says: Hurry.\n\n{closing_request(1, typed=True)}"],
    ),
    "with what is wrong with an answer": (
        ["FINAL(one)", "FINAL(1)"],
        {1: ["In digits."]},
        5,
        [f"{rejection(repr('one') + ' is no number.')}\n\nThe user says: In digits."],
    ),
    "with what is wrong with the closing answer": (
        [LOOK, "one", "1"],
        {2: ["In digits."]},
        1,
        [
            f"{SEEN}\n\n{closing_request(1, typed=True)}",
            f"{rejection(repr('one') + ' is no number.', plain=True)}\n\nThe user says: In digits.",
        ],
    ),
    "not after an answer": ([LOOK, "FINAL(1)"], {2: ["Too late."]}, 5, [SEEN]),
}


@pytest.mark.parametrize(("replies", "notes", "iterations", "told"), NOTES.values(), ids=NOTES.keys())
def test_notes(replies: list[str], notes: dict[int, list[str]], iterations: int, told: list[str]) -> None:
    script = Script(replies, notes)
    messages = opening()
    assert drive(completion_loop(messages, iterations, accept=digits), script.perform) == "1"
    assert script.told == told
    expected = {begin.number: notes.get(begin.number - 1, []) for begin in script.begins}
    assert {begin.number: list(begin.notes) for begin in script.begins} == expected
    assert [message["role"] for message in messages] == ["system", *["user", "assistant"] * (len(messages) // 2)]
    for before, after in zip(script.calls, script.calls[1:], strict=False):
        assert after[: len(before)] == before


def test_a_note_does_not_drown_in_a_summary() -> None:
    script = Script([LOOK, "so far", "FINAL(1)"], {1: ["Mind the walrus."]}, input_tokens=90)
    drive(completion_loop(opening(), 5, compaction=Compaction(0.5, 100)), script.perform)
    asked, gone_on = script.told
    assert "walrus" not in asked
    assert gone_on == f"{GO_ON}\n\n{user_note('Mind the walrus.')}"


def test_only_the_last_chance_is_the_last_iteration() -> None:
    script = Script([LOOK, "one", "1"])
    drive(completion_loop(opening(), 1, accept=digits), script.perform)
    assert [end.last for end in script.ends] == [False, False, True]


REJECTIONS: dict[str, tuple[str, list[REPLResult], list[str], str]] = {
    "the only block": (LOOK, [result("No.", rejected=True)], ["print(1)"], "Output:\nNote: No."),
    "what follows is not run": (
        THREE,
        [result(), result("No.", rejected=True)],
        ["a", "b"],
        (
            "Output of block 1: (nothing was printed, and the block does not end in an expression)\n\n"
            "Output of block 2:\nNote: No.\n\n"
            "Block 3 was not run, because block 2 was rejected."
        ),
    ),
    "an answer by a variable": (
        "FINAL_VAR(x)",
        [result("No.", rejected=True)],
        ["FINAL_VAR('x')"],
        "Output:\nNote: No.",
    ),
}


@pytest.mark.parametrize(("reply", "results", "codes", "told"), REJECTIONS.values(), ids=REJECTIONS.keys())
def test_rejected_blocks(reply: str, results: list[REPLResult], codes: list[str], told: str) -> None:
    script = Script([reply, "FINAL(1)"], results=results)
    assert drive(completion_loop(opening(), 5), script.perform) == "1"
    assert script.codes == codes
    assert script.told == [told]


# What Steering itself makes of it


def waited(steps: Waits[Any]) -> list[Future[Any]]:
    """Return what the steps wait for now: one future, or nothing when they are over."""
    try:
        return [next(steps)]
    except StopIteration:
        return []


def heeded(steering: Steering, number: int = 1) -> list[str]:
    """Return the notes of an iteration's end that has nothing to wait for."""

    def refuse(future: Future[Any]) -> None:
        pytest.fail("It waits.")

    return drive(steering.heed(number, notes=True), refuse)


def test_nothing_asked_for_is_nothing_done() -> None:
    steering = Steering()
    assert heeded(steering) == []
    steering.check(1)
    assert steering.state == SteeringState()


def test_a_note_is_told_once_and_only_to_who_asks_for_notes() -> None:
    steering = Steering()
    assert steering.note("  Hurry. ")
    assert steering.note(" ")
    assert steering.state.notes == 1
    assert drive(steering.heed(1), lambda future: None) == []
    assert heeded(steering) == ["Hurry."]
    assert heeded(steering) == []
    steering.note("x" * 3 * NOTE_LIMIT)
    assert len(heeded(steering)[0]) < 1.1 * NOTE_LIMIT


@pytest.mark.parametrize(("number", "when"), [(0, "before its first iteration"), (2, "after iteration 2")])
def test_stop(number: int, when: str) -> None:
    steering = Steering()
    steering.pause()
    steering.note("Never told.")
    steering.stop()
    steering.pause()
    assert steering.state == SteeringState(stopping=True, notes=1)
    with pytest.raises(Stopped, match=f"The run was stopped {when}"):
        heeded(steering, number)
    with pytest.raises(CancellationError):
        steering.check(number)


def test_a_pause_holds_everybody_until_it_ends() -> None:
    steering = Steering()
    steering.pause()
    runs = [steering.heed(1, notes=True), steering.heed(1), steering.heed(1)]
    held = [waited(run)[0] for run in runs]
    assert not any(future.done() for future in held)
    held[2].cancel()  # with the scope of a child that ended
    steering.note("Told after the pause.")
    steering.resume()
    assert [future.result(0) for future in held[:2]] == [None, None]
    with pytest.raises(StopIteration) as over:
        runs[0].send(None)
    assert over.value.value == ["Told after the pause."]


def test_a_pause_that_begins_again_goes_on() -> None:
    steering = Steering()
    steering.pause()
    run = steering.heed(1)
    (first,) = waited(run)
    steering.resume()
    steering.pause()
    second = run.send(first.result(0))
    assert not second.done()
    steering.stop()
    with pytest.raises(Stopped):
        run.send(second.result(0))


def test_what_is_over_is_not_steered() -> None:
    steering = Steering()
    steering.close()
    assert [steering.stop(), steering.pause(), steering.resume(), steering.note("Hello?")] == [False] * 4
    assert not steering.decide("any", Decision("approved"))
    assert steering.state == SteeringState()


def block(review_id: str, code: str = "print(1)") -> ProposedBlock:
    return ProposedBlock(review_id, code, 1, 1)


def test_every_change_is_told_in_order_and_no_state_twice() -> None:
    states: list[SteeringState] = []
    steering = Steering(lambda block: None)
    steering.on_change = states.append
    review = steering.review(block("r"))
    for change in (steering.pause, steering.pause, steering.resume, steering.resume, lambda: steering.note("Hm.")):
        change()
    next(review)
    steering.decide("r", Decision("approved"))
    heeded(steering)
    steering.stop()
    assert states == [
        SteeringState(paused=True),
        SteeringState(),
        SteeringState(notes=1),
        SteeringState(notes=1, review=block("r")),
        SteeringState(notes=1),
        SteeringState(),
        SteeringState(stopping=True),
    ]


def test_a_reviewer_who_decides_is_not_waited_for() -> None:
    steering = Steering(lambda block: Decision("rejected", reason=block.code))
    with pytest.raises(StopIteration) as over:
        next(steering.review(block("r", "import os")))
    assert over.value.value == Decision("rejected", reason="import os")
    assert steering.state.review is None


def test_a_decision_is_for_the_block_that_waits() -> None:
    steering = Steering(lambda block: None)
    assert not steering.decide("r", Decision("approved"))
    review = steering.review(block("r"))
    future = next(review)
    assert steering.state.review == block("r")
    assert not steering.decide("another", Decision("approved"))
    assert steering.decide("r", Decision("edited", "2"))
    assert not steering.decide("r", Decision("approved")), "the first decision stands"
    with pytest.raises(StopIteration) as over:
        review.send(future.result(0))
    assert over.value.value == Decision("edited", "2")


def test_whoever_was_to_decide_goes_away() -> None:
    here = [None, Decision("approved")]
    steering = Steering(lambda block: here.pop(0))
    review = steering.review(block("r"))
    future = next(review)
    steering.ask_again()
    assert not steering.decide("r", Decision("rejected"))
    with pytest.raises(StopIteration) as over:
        review.send(future.result(0))
    assert over.value.value == Decision("approved")


@pytest.mark.parametrize("depth", [0, 1])
def test_a_stop_ends_the_wait_for_a_decision(depth: int) -> None:
    steering = Steering(lambda block: None)
    waiting, queued = (steering.review(ProposedBlock(name, "print(1)", 3, 2, depth)) for name in "wq")
    decided, turn = next(waiting), next(queued)
    steering.stop()
    assert steering.state == SteeringState(stopping=True)
    assert not steering.decide("w", Decision("approved"))
    where = "at block 2 of iteration 3" + (" of a child run" if depth else "")
    with pytest.raises(Stopped, match=f"^The run was stopped {where}\\.$"):
        waiting.send(decided.result(0))
    with pytest.raises(Stopped):
        queued.send(turn.result(0))
    assert steering.state == SteeringState(stopping=True)


def test_nobody_is_asked_about_a_block_once_the_run_is_to_stop() -> None:
    steering = Steering(lambda block: pytest.fail("It asks."))
    steering.stop()
    with pytest.raises(Stopped):
        next(steering.review(block("r")))


def test_a_stop_while_the_reviewer_looks_who_is_there() -> None:
    steering = Steering()

    def looks(block: ProposedBlock) -> None:
        steering.stop()

    steering.reviewer = looks
    review = steering.review(block("r"))
    with pytest.raises(Stopped):
        review.send(next(review).result(0))


def test_a_decision_that_came_before_the_stop_stands() -> None:
    steering = Steering(lambda block: None)
    review = steering.review(block("r"))
    future = next(review)
    steering.decide("r", Decision("approved"))
    steering.stop()
    with pytest.raises(StopIteration) as over:
        review.send(future.result(0))
    assert over.value.value == Decision("approved")


def test_blocks_wait_for_their_turn() -> None:
    steering = Steering(lambda block: None)
    reviews = {name: steering.review(block(name)) for name in "abc"}
    waits = {name: next(review) for name, review in reviews.items()}
    assert steering.state.review == block("a")
    assert not steering.decide("b", Decision("approved"))
    reviews["b"].close()  # its run has ended
    reviews["a"].close()
    waits["c"] = reviews["c"].send(waits["c"].result(0))
    assert steering.state.review == block("c")
    assert steering.decide("c", Decision("approved"))


def test_decisions_that_cannot_be_carried_out_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="Decision\\('edited', code="):
        Decision("edited")
    with pytest.raises(ConfigurationError, match="'approved', 'edited', 'rejected'"):
        Decision("perhaps")  # type: ignore[arg-type]


def test_many_threads_at_once() -> None:
    """Notes are told once each, whoever else is at it, and the last state that is told is the last one."""
    steering = Steering()
    states: list[SteeringState] = []
    steering.on_change = states.append

    def work(name: int) -> None:
        for number in range(50):
            steering.pause()
            steering.note(f"{name}.{number}")
            steering.resume()

    threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    taken: list[str] = []
    while any(thread.is_alive() for thread in threads):
        taken += drive(steering.heed(1, notes=True), lambda future: future.result(10))
    for thread in threads:
        thread.join()
    taken += heeded(steering)
    assert sorted(taken) == sorted(f"{name}.{number}" for name in range(8) for number in range(50))
    assert states[-1] == steering.state == SteeringState()


def test_effects_of_an_iteration_say_when_notes_are_asked_for() -> None:
    effects: list[Effect] = []
    script = Script([LOOK, "FINAL(1)"])

    def perform(effect: Effect) -> Any:
        effects.append(effect)
        return script.perform(effect)

    drive(completion_loop(opening(), 5), perform)
    kinds = [type(effect) for effect in effects]
    assert kinds == [BeginIteration, CallModel, RunCode, EndIteration, BeginIteration, CallModel, EndIteration]
