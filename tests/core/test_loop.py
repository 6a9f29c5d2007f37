"""The loop as it is: events in, effects out. No model, no kernel, nothing that waits."""

from __future__ import annotations

import asyncio
import copy
import inspect
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from rlm_jupyter.core.drive import adrive, drive
from rlm_jupyter.core.effects import BeginIteration, CallModel, Effect, EndIteration, ReopenAnswer, RunCode
from rlm_jupyter.core.errors import AnswerFormatError
from rlm_jupyter.core.loop import completion_loop, plain_loop
from rlm_jupyter.core.prompts import REMINDER, rejection
from rlm_jupyter.core.protocols import Message, ModelReply
from rlm_jupyter.core.results import CellError, REPLResult


def printed(text: str) -> REPLResult:
    return REPLResult(text, "", {}, outputs=[{"output_type": "stream", "name": "stdout", "text": text}])


def failed(message: str) -> REPLResult:
    return REPLResult("", message, {}, error=CellError("ValueError", message, f"Traceback: ValueError: {message}"))


def answered(text: str) -> REPLResult:
    return REPLResult("", "", {}, final_answer=text)


@dataclass
class Script:
    """Answers the loop's effects from two lists, and keeps what was asked for."""

    replies: Sequence[str]
    results: Sequence[REPLResult] = ()
    calls: list[list[Message]] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)

    def perform(self, effect: Effect) -> Any:
        self.effects.append(effect)
        if isinstance(effect, CallModel):
            self.calls.append(copy.deepcopy(list(effect.messages)))
            return ModelReply(self.replies[len(self.calls) - 1], "scripted")
        if isinstance(effect, RunCode):
            self.codes.append(effect.code)
            return self.results[len(self.codes) - 1]
        return None

    async def aperform(self, effect: Effect) -> Any:
        await asyncio.sleep(0)
        return self.perform(effect)

    @property
    def last_message(self) -> Message:
        return self.calls[-1][-1]


def opening() -> list[Message]:
    return [{"role": "system", "content": "You work in code."}, {"role": "user", "content": "What is the answer?"}]


LOOK = "I look.\n```repl\nprint(1)\n```"

RUNS: dict[str, tuple[list[str], list[REPLResult], str, list[str]]] = {
    "as text": (["FINAL(42)"], [], "42", []),
    "an empty text": (["FINAL()"], [], "", []),
    "by the code": ([LOOK], [answered("42")], "42", ["print(1)"]),
    "by a variable": (["FINAL_VAR(x)"], [answered("42")], "42", ["FINAL_VAR('x')"]),
    "by an expression": (["FINAL_VAR(x[0])"], [answered("42")], "42", ["FINAL_VAR(x[0])"]),
    "after a look": ([LOOK, "FINAL(42)"], [printed("1\n")], "42", ["print(1)"]),
    "by a variable that there is not, at first": (
        ["FINAL_VAR(y)", "FINAL_VAR(x)"],
        [failed("no variable 'y'"), answered("42")],
        "42",
        ["FINAL_VAR('y')", "FINAL_VAR('x')"],
    ),
    "code and FINAL in one reply": (
        [f"{LOOK}\nThe output is 41.\n\nFINAL(41)", "FINAL(42)"],
        [printed("42\n")],
        "42",
        ["print(1)"],
    ),
    "the first block answers": (["```repl\na\n```\n```repl\nb\n```"], [answered("42")], "42", ["a"]),
    "the second block answers": (
        ["```repl\na\n```\n```repl\nb\n```"],
        [printed(""), answered("42")],
        "42",
        ["a", "b"],
    ),
    "after idle talk": (["Hm.", "FINAL(42)"], [], "42", []),
}


@pytest.mark.parametrize(("replies", "results", "answer", "codes"), RUNS.values(), ids=RUNS.keys())
def test_answers(replies: list[str], results: list[REPLResult], answer: str, codes: list[str]) -> None:
    script = Script(replies, results)
    assert drive(completion_loop(opening(), 5), script.perform) == answer
    assert script.codes == codes
    assert len(script.calls) == len(replies)


@pytest.mark.parametrize(("replies", "results", "answer", "codes"), RUNS.values(), ids=RUNS.keys())
def test_both_drivers_do_the_same(replies: list[str], results: list[REPLResult], answer: str, codes: list[str]) -> None:
    one, other = Script(replies, results), Script(replies, results)
    assert drive(completion_loop(opening(), 5), one.perform) == answer
    assert asyncio.run(adrive(completion_loop(opening(), 5), other.aperform)) == answer
    assert one.calls == other.calls
    assert [type(effect) for effect in one.effects] == [type(effect) for effect in other.effects]


def test_the_effects_of_a_run_in_order() -> None:
    script = Script([LOOK, "FINAL(42)"], [printed("1\n")])
    drive(completion_loop(opening(), 5), script.perform)
    kinds = [effect for effect in script.effects if not isinstance(effect, CallModel)]
    assert kinds == [
        BeginIteration(1),
        RunCode("print(1)", 1),
        EndIteration(1),
        BeginIteration(2),
        EndIteration(2, "42"),
    ]


def test_the_model_is_shown_what_its_code_gave() -> None:
    script = Script([LOOK, "FINAL(42)"], [printed("forty-two\n")])
    drive(completion_loop(opening(), 5), script.perform)
    assert script.last_message == {"role": "user", "content": "Output:\nforty-two"}


def test_a_reply_without_code_and_answer_gets_a_reminder() -> None:
    script = Script(["I think it is 42.", "FINAL(42)"])
    drive(completion_loop(opening(), 5), script.perform)
    assert script.last_message == {"role": "user", "content": REMINDER}


def test_blocks_after_one_that_fails_are_not_run_and_the_model_is_told() -> None:
    three = "```repl\na\n```\n```repl\nb\n```\n```repl\nc\n```\n```repl\nd\n```"
    script = Script([three, "FINAL(42)"], [printed("fine\n"), failed("oops")])
    drive(completion_loop(opening(), 5), script.perform)
    assert script.codes == ["a", "b"]
    assert script.last_message["content"] == (
        "Output of block 1:\nfine\n\n"
        "Output of block 2:\nTraceback: ValueError: oops\n\n"
        "Blocks 3 to 4 were not run, because block 2 failed."
    )


def test_the_last_iteration_is_followed_by_a_request_for_the_answer_in_the_user_role() -> None:
    script = Script([LOOK, LOOK, "It is 42."], [printed("1\n")] * 2)
    assert drive(completion_loop(opening(), 2), script.perform) == "It is 42."
    assert script.last_message["role"] == "user"
    assert "all 2 iterations" in script.last_message["content"]
    assert [effect for effect in script.effects if isinstance(effect, BeginIteration)] == [
        BeginIteration(1),
        BeginIteration(2),
        BeginIteration(3, closing=True),
    ]
    assert script.effects[-1] == EndIteration(3, "It is 42.")


CLOSINGS = {
    "FINAL": ("FINAL(42)", [], "42", []),
    "FINAL_VAR": ("FINAL_VAR(x)", [answered("42")], "42", ["FINAL_VAR('x')"]),
    "FINAL_VAR of nothing": ("FINAL_VAR(x)", [failed("no variable")], "FINAL_VAR(x)", ["FINAL_VAR('x')"]),
    "code": ("```repl\nprint(1)\n```", [], "```repl\nprint(1)\n```", []),
}


@pytest.mark.parametrize(("reply", "results", "answer", "codes"), CLOSINGS.values(), ids=CLOSINGS.keys())
def test_the_closing_reply(reply: str, results: list[REPLResult], answer: str, codes: list[str]) -> None:
    script = Script([LOOK, reply], [printed("1\n"), *results])
    assert drive(completion_loop(opening(), 1), script.perform) == answer
    assert script.codes[1:] == codes


def test_messages_are_only_ever_added() -> None:
    """So that a provider's prefix cache hits: each call begins with all of the call before."""
    script = Script(
        [LOOK, "Hm.", "FINAL_VAR(y)", f"{LOOK}\nFINAL(41)", "It is 42."],
        [printed("x" * 50_000), failed("no variable 'y'"), printed("1\n")],
    )
    messages = opening()
    drive(completion_loop(messages, 4), script.perform)
    for before, after in zip(script.calls, script.calls[1:], strict=False):
        assert after[: len(before)] == before
        assert [message["role"] for message in after[len(before) :]][:2] == ["assistant", "user"]
    assert messages[: len(opening())] == opening()
    assert messages[-1] == {"role": "assistant", "content": "It is 42."}


def test_replies_stand_in_the_messages_as_they_were_sent() -> None:
    script = Script(["  Hm.\r\n\r\n", "FINAL(42)"])
    messages = opening()
    drive(completion_loop(messages, 5), script.perform)
    assert messages[2] == {"role": "assistant", "content": "  Hm.\r\n\r\n"}


def test_at_depth_0_the_reply_is_the_answer() -> None:
    script = Script(["FINAL(42) is what I would say.\n"])
    assert drive(plain_loop(opening()), script.perform) == "FINAL(42) is what I would say.\n"
    assert len(script.effects) == 1


def digits(answer: str) -> str | None:
    return None if answer.isdigit() else f"{answer!r} is no number."


REFUSED = rejection("'forty-two' is no number.")

REFUSALS: dict[str, tuple[str, list[REPLResult], str]] = {
    "as text": ("FINAL(forty-two)", [], REFUSED),
    "by the code": (LOOK, [answered("forty-two")], REFUSED),
    "by a variable": ("FINAL_VAR(x)", [answered("forty-two")], REFUSED),
    "after what the blocks printed": (
        "```repl\na\n```\n```repl\nb\n```\n```repl\nc\n```",
        [printed("fine\n"), answered("forty-two")],
        (
            "Output of block 1:\nfine\n\n"
            "Output of block 2: (nothing was printed, and the block does not end in an expression)\n\n"
            f"What stands after block 2 was not run, because that block answered.\n\n{REFUSED}"
        ),
    ),
}


@pytest.mark.parametrize(("reply", "results", "told"), REFUSALS.values(), ids=REFUSALS.keys())
def test_an_answer_that_is_not_accepted_goes_back_to_the_model(
    reply: str, results: list[REPLResult], told: str
) -> None:
    script = Script([reply, "FINAL(42)"], results)
    assert drive(completion_loop(opening(), 5, accept=digits), script.perform) == "42"
    assert script.last_message == {"role": "user", "content": told}
    ends = [effect for effect in script.effects if isinstance(effect, EndIteration)]
    assert ends == [EndIteration(1, None, "'forty-two' is no number."), EndIteration(2, "42")]
    assert script.effects.count(ReopenAnswer()) == 1


def test_an_answer_that_is_accepted_is_not_taken_back() -> None:
    script = Script([LOOK], [answered("42")])
    assert drive(completion_loop(opening(), 5, accept=digits), script.perform) == "42"
    assert ReopenAnswer() not in script.effects


def test_the_closing_reply_gets_one_more_chance() -> None:
    script = Script([LOOK, "It is forty-two.", " 42\n"], [printed("1\n")])
    assert drive(completion_loop(opening(), 1, accept=digits), script.perform) == "42"
    assert "'It is forty-two.' is no number." in script.last_message["content"]
    closing = [effect for effect in script.effects if isinstance(effect, BeginIteration) and effect.closing]
    assert closing == [BeginIteration(2, closing=True), BeginIteration(3, closing=True)]


def test_after_that_the_run_fails_with_the_answer_that_was_given() -> None:
    script = Script([LOOK, "It is forty-two.", "Forty-two!"], [printed("1\n")])
    with pytest.raises(AnswerFormatError, match="'Forty-two!' is no number") as caught:
        drive(completion_loop(opening(), 1, accept=digits), script.perform)
    assert caught.value.partial_answer == "Forty-two!"


def test_at_depth_0_a_reply_that_is_not_accepted_goes_back_to_the_model() -> None:
    script = Script(["Forty-two.", "42"])
    assert drive(plain_loop(opening(), 3, accept=digits), script.perform) == "42"
    assert [message["role"] for message in script.calls[-1]] == ["system", "user", "assistant", "user"]
    with pytest.raises(AnswerFormatError) as caught:
        drive(plain_loop(opening(), 2, accept=digits), Script(["One.", "Two."]).perform)
    assert caught.value.partial_answer == "Two."


def broken(effect: Effect) -> Any:
    msg = "the network is gone"
    raise ConnectionError(msg)


def test_what_breaks_a_driver_closes_the_loop() -> None:
    loops: list[Generator[Effect, Any, str]] = [completion_loop(opening(), 5), completion_loop(opening(), 5)]

    async def abroken(effect: Effect) -> Any:
        return broken(effect)

    with pytest.raises(ConnectionError):
        drive(loops[0], broken)
    with pytest.raises(ConnectionError):
        asyncio.run(adrive(loops[1], abroken))
    assert [inspect.getgeneratorstate(loop) for loop in loops] == [inspect.GEN_CLOSED] * 2


def test_json_and_nothing_else_is_an_answer_where_json_was_asked_for() -> None:
    def accept(text: str) -> str | None:
        return None if "right" in text else "It lacks 'right'."

    for reply in ('{"right": 1}', '\n["right"]\n', '```json\n{"right": 1}\n```'):
        loop = completion_loop(opening(), 3, accept=accept)
        assert drive(loop, Script([reply]).perform) == reply.strip()
