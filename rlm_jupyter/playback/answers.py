"""Answers what the code of a recorded run asks, from the recording."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from rlm_jupyter.core.digest import text_digest
from rlm_jupyter.core.errors import CancellationError, ClientError, RLMError, ScaffoldError, failure_text
from rlm_jupyter.core.pictures import looks_like
from rlm_jupyter.core.protocols import Prompt, Queries
from rlm_jupyter.runs.earlier import EarlierBlock, EarlierRun, outcome_of
from rlm_jupyter.trace.context_record import context_record
from rlm_jupyter.trace.recorder import writable
from rlm_jupyter.trace.redaction import Redactor
from rlm_jupyter.trace.schema import RunStart, SubcallStart
from rlm_jupyter.trace.trace import Span

from .asked import Asked

__all__ = ["MissingCall", "NotRecordedCallError", "OnChild", "RecordedQueries"]

_SHOWN = 200  # characters of a prompt in a message

OnChild: TypeAlias = Callable[[EarlierRun, Any], None]
"""Told of each recorded child run that is asked for again, with its prompt, before its answer is given."""

_Slot: TypeAlias = "str | Exception"

_Key: TypeAlias = "tuple[str, str | None, tuple[str, ...] | None]"
"""The block that a recorded call is taken from, and its prompt: the digests of its text and pictures, or a context."""


class NotRecordedCallError(ClientError):
    """Code asked what its recording does not hold, so that nobody could answer."""


@dataclass(frozen=True, slots=True)
class MissingCall:
    """A call that is not in the recording: its function, the beginning of its prompt, and the block that made it.

    ``live`` when a model was asked in place of the recording.
    """

    name: str
    prompt: str
    block: EarlierBlock | None = None
    live: bool = False


class RecordedQueries:
    """Answers the calls of one recorded run's code from the recording, each recorded answer once.

    What is not there goes to ``live``; without it, ``NotRecordedCallError`` is raised, in a batch too. Safe to use from
    any thread.
    """

    def __init__(
        self, run: EarlierRun, redactor: Redactor, live: Queries | None = None, *, on_child: OnChild | None = None
    ) -> None:
        self._run = run
        self._redactor = redactor
        self._live = live
        self._on_child = on_child
        self._lock = threading.Lock()
        self._block: EarlierBlock | None = None
        self._missing: list[MissingCall] = []
        self._taken: Counter[_Key] = Counter()
        self._answered = 0

    def begin(self, block: EarlierBlock | None) -> None:
        """Say which block's code runs from now on: its own answers are taken before those of others."""
        self._block = block

    @property
    def answered(self) -> int:
        """How many calls were answered from the recording, children among them."""
        return self._answered

    @property
    def missing(self) -> list[MissingCall]:
        """The calls that were not in the recording, in their order."""
        return list(self._missing)

    def not_asked(self, block: EarlierBlock) -> list[Span]:
        """Return the recorded calls and children of the block that have not been asked for again, in their order."""
        taken = self._taken.copy()
        left = []
        for span in block.span.children:
            key = _key(block, span)
            if key is None or (key[2] is not None and outcome_of(block.trace, span) is None):
                continue
            if taken[key] > 0:
                taken[key] -= 1
            else:
                left.append(span)
        return left

    def llm_query(self, prompt: Prompt, model: str | None = None) -> str:
        """Return the recorded reply; raises the recorded error."""
        return _reply(self._answers("llm_query", [prompt], model)[0])

    def llm_query_batched(self, prompts: Sequence[Prompt], model: str | None = None) -> list[str]:
        """Return the recorded replies in the order of the prompts; a slot that had failed says ``Error: ...``."""
        return [_slot(each) for each in self._answers("llm_query", _listed(prompts, "llm_query"), model)]

    def rlm_query(self, prompt: Any, model: str | None = None) -> str:
        """Return the recorded child's answer; raises what had ended it."""
        return _reply(self._answers("rlm_query", [prompt], model)[0])

    def rlm_query_batched(self, prompts: Sequence[Any], model: str | None = None) -> list[str]:
        """Return the recorded answers in the order of the prompts; a slot that had failed says ``Error: ...``."""
        return [_slot(each) for each in self._answers("rlm_query", _listed(prompts, "rlm_query"), model)]

    async def llm_query_async(self, prompt: Prompt, model: str | None = None) -> str:
        """Return what ``llm_query`` does; the event loop is free while a model is asked."""
        return await self._awaited("llm_query", prompt, model)

    async def rlm_query_async(self, prompt: Any, model: str | None = None) -> str:
        """Return what ``rlm_query`` does; the event loop is free while a child is replayed."""
        return await self._awaited("rlm_query", prompt, model)

    async def _awaited(self, name: str, prompt: Any, model: str | None) -> str:
        answer = (await asyncio.to_thread(self._answers, name, [prompt], model))[0]
        if isinstance(answer, _BrokenOffError) and answer.by_its_task:
            await asyncio.Event().wait()  # until the task that awaits it is cancelled, as it was
        return _reply(answer)

    def _answers(self, name: str, prompts: Sequence[Any], model: str | None) -> list[_Slot]:
        """Return what came of each call. Raises ``NotRecordedCallError`` for one that nobody can answer."""
        block = self._block
        read = [Asked.of_call(prompt) if name == "llm_query" else Asked.of_child(prompt) for prompt in prompts]
        found = [self._recorded(name, each, model, block) for each in read]
        absent = [at for at, answer in enumerate(found) if answer is None]
        self._note(name, [prompts[at] for at in absent], len(prompts), block)
        if absent and self._live is not None:
            for at, answer in zip(absent, self._asked(name, [prompts[at] for at in absent], model), strict=True):
                found[at] = answer
        return [answer for answer in found if answer is not None]

    def _note(self, name: str, absent: list[Any], asked: int, block: EarlierBlock | None) -> None:
        shown = [_preview(prompt) for prompt in absent]
        live = self._live is not None
        with self._lock:
            self._answered += asked - len(absent)
            self._missing += [MissingCall(name, each, block, live) for each in shown]
        if absent and not live:
            raise NotRecordedCallError(_not_recorded(name, shown[0], len(shown)))

    def _asked(self, name: str, prompts: list[Any], model: str | None) -> Sequence[_Slot]:
        """Ask the live model. What fails where one prompt is asked is the outcome of that prompt."""
        if len(prompts) > 1:
            batched: list[str] = getattr(self._live, f"{name}_batched")(prompts, model)
            return batched
        try:
            return [getattr(self._live, name)(prompts[0], model)]
        except RLMError as error:
            return [error]

    def _recorded(self, name: str, asked: Asked, model: str | None, current: EarlierBlock | None) -> _Slot | None:
        """Return what is recorded of the call: a child's answer, or else a reply, of this block or of any."""
        blocks = [each for each in [current] if each is not None]
        own = current.span.span_id if current is not None else None  # one that is played anew is another object
        blocks += [each for each in self._run.blocks if each.span.span_id != own]
        for block in blocks if name == "rlm_query" else ():
            child = block.child(asked.context)
            if child is not None:
                self._take((block.span.span_id, asked.context, None))
                if self._on_child is not None:
                    self._on_child(child, asked.prompt)
                return _answer_of(child)
        if asked.text is None:
            return asked.error
        prompt = text_digest(self._redactor.named(writable(asked.text)))
        for block in blocks:
            outcome = block.reply(prompt, asked.images, model)
            if outcome is not None:
                self._take((block.span.span_id, prompt, tuple(asked.images)))
                return outcome if isinstance(outcome, Exception) else outcome.text
        return asked.error or self._broken_off(prompt, asked.images, current)

    def _take(self, key: _Key) -> None:
        with self._lock:
            self._taken[key] += 1

    def _broken_off(self, prompt: str, images: Sequence[str], block: EarlierBlock | None) -> _Slot | None:
        """Return that the call was broken off when it was recorded: by the code itself, or with its block."""
        for span in block.span.children if block is not None else ():
            start, once = span.start.payload, (span.span_id, None, None)
            if not isinstance(start, SubcallStart) or start.prompt != prompt or start.images != list(images):
                continue
            if not self._taken[once] and outcome_of(self._run.trace, span) is None:
                self._take(once)
                return _BrokenOffError(by_its_task=block is not None and block.end is not None)
        return None


def _key(block: EarlierBlock, span: Span) -> _Key | None:
    start = span.start.payload
    if isinstance(start, SubcallStart):
        return block.span.span_id, start.prompt, tuple(start.images)
    if isinstance(start, RunStart):
        return block.span.span_id, start.contexts[0].digest if start.contexts else None, None
    return None


class _BrokenOffError(CancellationError):
    def __init__(self, *, by_its_task: bool) -> None:
        super().__init__("This call was broken off when it was recorded.")
        self.by_its_task = by_its_task


def _answer_of(child: EarlierRun) -> _Slot:
    """Return the answer that a recorded child gave, or what ended it."""
    told = child.answer if child.failure is None else child.failure
    if told is not None:
        return told
    end = child.end
    partial = end.answer if end is not None else None
    if end is not None and end.answer_size is not None and child.span.status == "ok":
        size = f"{len(partial or ''):,} of the {end.answer_size:,}"
        return ClientError(f"The recording holds {size} characters of this child's answer.")
    return CancellationError("The child run was interrupted.", partial_answer=partial)


def _not_recorded(name: str, shown: str, count: int) -> str:
    more = f", and {count - 1} more of the batch," if count > 1 else ""
    return (
        f"{name}({shown!r}){more} is not in the recording, and no model is asked while it is played. "
        "Play it with live=True to ask one."
    )


def _listed(prompts: Iterable[Any], single: str) -> list[Any]:
    if isinstance(prompts, str) or looks_like(prompts) is not None:
        msg = f"{single}_batched takes a list of prompts; for one prompt use {single}."
        raise ScaffoldError(msg)
    return list(prompts)


def _preview(prompt: Any) -> str:
    text = prompt if isinstance(prompt, str) else context_record("prompt", prompt).preview
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def _reply(answer: _Slot) -> str:
    if isinstance(answer, Exception):
        raise answer
    return answer


def _slot(answer: _Slot) -> str:
    return f"Error: {failure_text(answer)}" if isinstance(answer, Exception) else answer
