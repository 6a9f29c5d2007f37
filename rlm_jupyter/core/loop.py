"""The recursive loop, as a generator: it yields what it needs and is sent what came of it.

It does no input and no output, so the same logic serves the synchronous and the asynchronous driver, and replay.
Source of the method: Recursive Language Models, arXiv 2512.24601.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from .compaction import Compaction, Conversation
from .effects import BeginIteration, Effect, EndIteration, ReadAnswer, ReopenAnswer, RunCode
from .errors import AnswerFormatError
from .observation import OBSERVATION_LIMIT, observe
from .prompts import CUT_OFF, REMINDER, closing_request, rejection, user_note
from .protocols import Message
from .reply import TextAnswer, read_reply
from .results import REPLResult

__all__ = ["Accept", "completion_loop", "plain_loop"]

Accept: TypeAlias = Callable[[str], str | None]
"""Returns what is wrong with an answer, or None when it is accepted."""


@dataclass(frozen=True, slots=True)
class _Step:
    """What an iteration came to: an answer, or what the model is told then and what was wrong with its answer."""

    answer: str | None = None
    told: str = ""
    rejected: str | None = None


def completion_loop(
    messages: list[Message],
    max_iterations: int,
    observation_limit: int = OBSERVATION_LIMIT,
    *,
    accept: Accept | None = None,
    compaction: Compaction | None = None,
) -> Generator[Effect, Any, str]:
    """Return the answer, after at most ``max_iterations`` iterations and one call that asks for it.

    ``messages`` begins the conversation; replies and observations are appended to it and nothing in it is changed, so
    that a provider's prefix cache hits. With ``compaction``, the model is sent a summary once it becomes too long. With
    ``accept``, an answer with which something is wrong goes back to the model, in the end once more; raises
    ``AnswerFormatError`` when that one is not accepted either.
    """
    conversation = Conversation(messages, compaction)
    notes: Sequence[str] | None = None
    for number in range(1, max_iterations + 1):
        yield BeginIteration(number, notes=notes or ())
        step = yield from _iterate(conversation, accept, observation_limit)
        told = f"{CUT_OFF}\n\n{step.told}".rstrip() if conversation.was_cut else step.told
        notes = yield EndIteration(number, step.answer, step.rejected)
        if step.answer is not None:
            return step.answer
        last = closing_request(max_iterations, typed=accept is not None) if number == max_iterations else ""
        yield from conversation.tell(told, _with_notes(notes, last))
    begin = BeginIteration(max_iterations + 1, closing=True, notes=notes or ())
    answer, complaint, notes = yield from _close(conversation, accept, begin)
    if complaint is not None:
        yield from conversation.tell(rejection(complaint, plain=True), _with_notes(notes))
        begin = BeginIteration(max_iterations + 2, closing=True, notes=notes or ())
        answer, complaint, _ = yield from _close(conversation, accept, begin, last=True)
    if complaint is not None:
        raise _wrong_format(answer, complaint)
    return answer


_OPENINGS = ("{", "[", "```json")
"""How a reply begins that is an answer in JSON and nothing else."""


def _iterate(conversation: Conversation, accept: Accept | None, limit: int) -> Generator[Effect, Any, _Step]:
    reply = yield from conversation.ask()
    read = read_reply(reply)
    blocks = read.code_blocks
    if conversation.was_cut and read.is_open:  # what a half of it does, nobody meant; half an answer is none
        blocks = blocks[:-1]
        if not blocks:
            return _Step()
    if read.answer is not None:
        if not read.answer.is_variable:
            return (yield from _judged(read.answer.text, accept))
        blocks = (_as_code(read.answer),)
    if not blocks and accept is not None and reply.lstrip().startswith(_OPENINGS) and accept(reply) is None:
        return _Step(reply.strip())  # a model that is asked for JSON may well send nothing else
    if not blocks:
        return _Step(told=REMINDER)
    results: list[REPLResult] = []
    for index, code in enumerate(blocks, 1):
        result: REPLResult = yield RunCode(code, index)
        results.append(result)
        if result.final_answer is not None:
            shown = any(each.outputs or each.notes for each in results)
            seen = [observe(results, index, limit)] if shown else []
            if index < len(blocks):
                seen.append(f"What stands after block {index} was not run, because that block answered.")
            return (yield from _judged(result.final_answer, accept, *seen))
        if result.error is not None or result.rejected:
            break
    return _Step(told=observe(results, len(blocks), limit))


def _judged(answer: str, accept: Accept | None, *seen: str) -> Generator[Effect, Any, _Step]:
    """Return the answer; one that is not accepted is taken back, and the model told why, after what it has ``seen``."""
    complaint = accept(answer) if accept is not None else None
    if complaint is None:
        return _Step(answer)
    yield ReopenAnswer()
    return _Step(None, "\n\n".join([*seen, rejection(complaint)]), complaint)


def _with_notes(notes: Sequence[str] | None, request: str = "") -> str:
    """Return what must not drown in a summary: what the user has to say, and then what is asked of the model."""
    return "\n\n".join([*map(user_note, notes or ()), *([request] if request else [])])


def _close(
    conversation: Conversation, accept: Accept | None, begin: BeginIteration, *, last: bool = False
) -> Generator[Effect, Any, tuple[str, str | None, Sequence[str] | None]]:
    """Return the answer that was asked for in the user role, which every provider accepts last, and what is wrong.

    The third is what the user had to say meanwhile.
    """
    yield begin
    reply = yield from conversation.ask()
    read = read_reply(reply)
    answer, text = read.answer, reply.strip()
    if read.code_blocks or not text:  # no code is run any more: what was answered so far is better than its source
        so_far: str | None = yield ReadAnswer()
        text = so_far if so_far is not None else text
    elif answer is not None and answer.is_variable:
        result: REPLResult = yield RunCode(_as_code(answer), 1)
        text = result.final_answer if result.final_answer is not None else text
    elif answer is not None:
        text = answer.text
    complaint = accept(text) if accept is not None else None
    notes = yield EndIteration(begin.number, text if complaint is None else None, complaint, last)
    return text, complaint, notes


def _as_code(answer: TextAnswer) -> str:
    return f"FINAL_VAR({answer.text!r})" if answer.text.isidentifier() else f"FINAL_VAR({answer.text})"


def plain_loop(
    messages: list[Message], attempts: int = 1, *, accept: Accept | None = None
) -> Generator[Effect, Any, str]:
    """Return the reply to the messages as they are: what a recursive completion is at depth 0.

    With ``accept``, a reply with which something is wrong goes back to the model; raises ``AnswerFormatError`` when
    there is none to accept after ``attempts`` replies.
    """
    conversation = Conversation(messages)
    while True:
        reply = yield from conversation.ask()
        complaint = accept(reply) if accept is not None else None
        if complaint is None:
            return reply
        attempts -= 1
        if attempts <= 0:
            raise _wrong_format(reply, complaint)
        yield from conversation.tell(rejection(complaint, plain=True))


def _wrong_format(answer: str, complaint: str) -> AnswerFormatError:
    msg = f"The model gave no answer that fits what was asked for. {complaint}"
    return AnswerFormatError(msg, partial_answer=answer)
