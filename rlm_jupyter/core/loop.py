"""The recursive loop, as a generator: it yields what it needs and is sent what came of it.

It does no input and no output, so the same logic serves the synchronous and the asynchronous driver, and replay.
Source of the method: Recursive Language Models, arXiv 2512.24601.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from .effects import BeginIteration, CallModel, Effect, EndIteration, ReadAnswer, RunCode
from .observation import OBSERVATION_LIMIT, observe
from .prompts import REMINDER, closing_request
from .protocols import Message, ModelReply
from .reply import TextAnswer, read_reply
from .results import REPLResult

__all__ = ["completion_loop", "plain_loop"]


def completion_loop(
    messages: list[Message], max_iterations: int, observation_limit: int = OBSERVATION_LIMIT
) -> Generator[Effect, Any, str]:
    """Return the answer, after at most ``max_iterations`` iterations and one call that asks for it.

    ``messages`` begins the conversation; replies and observations are appended to it and nothing in it is changed, so
    that a provider's prefix cache hits.
    """
    for number in range(1, max_iterations + 1):
        yield BeginIteration(number)
        answer, told = yield from _iterate(messages, observation_limit)
        yield EndIteration(number, answer)
        if answer is not None:
            return answer
        # One message and not two: some servers' chat templates refuse two of the same role in a row.
        told = told if number < max_iterations else f"{told}\n\n{closing_request(max_iterations)}"
        messages.append({"role": "user", "content": told})
    return (yield from _close(messages, max_iterations + 1))


def _iterate(messages: list[Message], limit: int) -> Generator[Effect, Any, tuple[str | None, str]]:
    """Return the answer, or None and what the model is told then."""
    reply: ModelReply = yield CallModel(messages)
    messages.append({"role": "assistant", "content": reply.text})
    read = read_reply(reply.text)
    blocks = read.code_blocks
    if read.answer is not None:
        if not read.answer.is_variable:
            return read.answer.text, ""
        blocks = (_as_code(read.answer),)
    if not blocks:
        return None, REMINDER
    results: list[REPLResult] = []
    for index, code in enumerate(blocks, 1):
        result: REPLResult = yield RunCode(code, index)
        if result.final_answer is not None:
            return result.final_answer, ""
        results.append(result)
        if result.error is not None:
            break
    return None, observe(results, len(blocks), limit)


def _close(messages: list[Message], number: int) -> Generator[Effect, Any, str]:
    """Return the answer that was asked for in the user role, which every provider accepts last."""
    yield BeginIteration(number, closing=True)
    reply: ModelReply = yield CallModel(messages)
    messages.append({"role": "assistant", "content": reply.text})
    read = read_reply(reply.text)
    answer, text = read.answer, reply.text.strip()
    if read.code_blocks or not text:  # no code is run any more: what was answered so far is better than its source
        so_far: str | None = yield ReadAnswer()
        text = so_far if so_far is not None else text
    elif answer is not None and answer.is_variable:
        result: REPLResult = yield RunCode(_as_code(answer), 1)
        text = result.final_answer if result.final_answer is not None else text
    elif answer is not None:
        text = answer.text
    yield EndIteration(number, text)
    return text


def _as_code(answer: TextAnswer) -> str:
    return f"FINAL_VAR({answer.text!r})" if answer.text.isidentifier() else f"FINAL_VAR({answer.text})"


def plain_loop(messages: list[Message]) -> Generator[Effect, Any, str]:
    """Return the reply to the messages as they are: what a recursive completion is at depth 0."""
    reply: ModelReply = yield CallModel(messages)
    messages.append({"role": "assistant", "content": reply.text})
    return reply.text
