"""A run as it was recorded, for those who play it again: its replies in order, its blocks, and what those asked."""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias, cast

from rlm_jupyter.core import errors
from rlm_jupyter.core.errors import ClientError, RLMError
from rlm_jupyter.core.protocols import ModelReply
from rlm_jupyter.core.usage import Usage
from rlm_jupyter.trace.schema import (
    CodeEnd,
    CodeStart,
    ErrorRecord,
    IterationStart,
    ModelCallEnd,
    ModelCallStart,
    RunEnd,
    RunStart,
    SubcallEnd,
    SubcallStart,
)
from rlm_jupyter.trace.trace import Span, Trace

__all__ = ["CutReplyError", "EarlierBlock", "EarlierCall", "EarlierRun", "Outcome", "outcome_of"]

Outcome: TypeAlias = ModelReply | ClientError


class CutReplyError(ClientError):
    """The trace holds a part of the reply: it was too long to be recorded as a whole."""


class EarlierCall:
    """A call of the run's own model that got a reply: ``span`` is where it stands, ``reply`` what came."""

    def __init__(self, span: Span, reply: ModelReply) -> None:
        self.span = span
        self.reply = reply

    @property
    def start(self) -> ModelCallStart:
        """What the model was sent."""
        return cast(ModelCallStart, self.span.start.payload)


class EarlierBlock:
    """A code block that was run. What it asked is found by the prompt, each recorded answer once.

    Safe to use from any thread.
    """

    def __init__(self, trace: Trace, span: Span) -> None:
        self.trace = trace
        self.span = span
        self._lock = threading.Lock()
        self._calls: dict[tuple[str, tuple[str, ...]], list[tuple[str, Outcome]]] = defaultdict(list)
        self._children: dict[str | None, deque[Span]] = defaultdict(deque)
        for each in sorted(span.children, key=lambda child: child.start.seq):
            start = each.start.payload
            if isinstance(start, SubcallStart):
                outcome = outcome_of(trace, each)
                if outcome is not None:
                    self._calls[start.prompt, tuple(start.images)].append((start.model, outcome))
            elif isinstance(start, RunStart):
                self._children[start.contexts[0].digest if start.contexts else None].append(each)

    @property
    def start(self) -> CodeStart:
        """The code, and how it came to be run."""
        return cast(CodeStart, self.span.start.payload)

    @property
    def end(self) -> CodeEnd | None:
        """What came of it; None when the run was cut while it ran."""
        end = self.span.end.payload if self.span.end is not None else None
        return end if isinstance(end, CodeEnd) and self.span.status in ("ok", "error") else None

    def reply(
        self, prompt: str, images: Sequence[str] = (), model: str | None = None, *, failed: bool = True
    ) -> Outcome | None:
        """Take the next recorded outcome of this prompt, named by its digest; None when there is none left.

        One that ``model`` gave is taken before others. Without those that ``failed``, only whole replies are taken.
        """
        with self._lock:
            outcomes = self._calls.get((prompt, tuple(images)), [])
            could = [at for at, (_, each) in enumerate(outcomes) if failed or isinstance(each, ModelReply)]
            if not could:
                return None
            at = next((at for at in could if outcomes[at][0] == model), could[0])
            return outcomes.pop(at)[1]

    def child(self, context: str | None, index: int | None = None) -> EarlierRun | None:
        """Take the next recorded child run whose context has this digest; None when there is none left.

        One that was the ``index``-th of its batch is taken before others.
        """
        with self._lock:
            spans = self._children.get(context)
            if not spans:
                return None
            slots = (at for at, span in enumerate(spans) if cast(RunStart, span.start.payload).index == index)
            at = next(slots, 0)
            span = spans[at]
            del spans[at]
            return EarlierRun(self.trace, span)


class EarlierRun:
    """One run of a trace: ``span`` is the root's, or a child's."""

    def __init__(self, trace: Trace, span: Span) -> None:
        self.trace = trace
        self.span = span
        own = span.own()
        self._calls: dict[tuple[int, str], list[EarlierCall | None]] = defaultdict(list)
        self.blocks = [EarlierBlock(trace, each) for each in own if each.kind == "code"]
        """The code blocks that began, in their order."""
        numbers = {each.span_id: _number(each) for each in own if each.kind == "iteration"}
        self._at = {(numbers.get(each.span.start.parent_id or "", 0), each.start.index): each for each in self.blocks}
        iteration = 0
        for each in own:
            iteration = numbers.get(each.span_id, iteration)
            if isinstance(start := each.start.payload, ModelCallStart):
                reply = outcome_of(trace, each)
                call = EarlierCall(each, reply) if isinstance(reply, ModelReply) else None
                self._calls[iteration, start.purpose].append(call)

    @property
    def start(self) -> RunStart:
        """What the run was asked, of whom and where."""
        return cast(RunStart, self.span.start.payload)

    @property
    def end(self) -> RunEnd | None:
        """How it ended; None when it was cut off before it could say so."""
        end = self.span.end.payload if self.span.end is not None else None
        return end if isinstance(end, RunEnd) else None

    @property
    def answer(self) -> str | None:
        """Its whole answer; None when it has none, or the trace holds only a part."""
        end = self.end
        return (end.answer or "") if self.span.status == "ok" and end is not None and end.answer_size is None else None

    @property
    def failure(self) -> RLMError | None:
        """What it failed of, as whoever had asked for it was told; None when it did not fail, or was broken off."""
        end = self.end
        if end is None or end.error is None or self.span.status not in ("error", "limit"):
            return None
        return _raised(end.error, end.answer)

    def block(self, iteration: int, index: int) -> EarlierBlock | None:
        """Return the block with this index of an iteration; None when it did not begin."""
        return self._at.get((iteration, index))

    def calls(self, iteration: int, purpose: str) -> list[EarlierCall | None]:
        """Return the calls of the run's own model in an iteration, or between it and the next one, in their order.

        None stands for one whose whole reply is not there: it failed, was broken off, or the trace has a part of it.
        """
        return self._calls.get((iteration, purpose), [])

    @property
    def iterations(self) -> list[Span]:
        """Its iterations, in order."""
        return [each for each in self.span.children if each.kind == "iteration"]


def _number(span: Span) -> int:
    start = span.start.payload
    return start.number if isinstance(start, IterationStart) else 0


def _raised(record: ErrorRecord, partial: str | None) -> RLMError:
    """Return the error as one of our own, of the recorded name where it is one of these."""
    kind = getattr(errors, record.name, None) if record.name in errors.__all__ else None
    if not isinstance(kind, type) or not issubclass(kind, RLMError):
        kind = ClientError
    error = kind(record.message)
    error.partial_answer = partial
    return error


def outcome_of(trace: Trace, span: Span) -> Outcome | None:
    """Return what a call came to; None of one that was broken off, for its reply is not the whole."""
    ended = span.end.payload if span.end is not None else None
    begun = span.start.payload
    if not isinstance(ended, ModelCallEnd | SubcallEnd) or not isinstance(begun, ModelCallStart | SubcallStart):
        return None
    if ended.error is not None and span.status == "error":
        return ClientError(ended.error.message)
    blob = trace.blobs.get(ended.reply) if ended.reply is not None else None
    if span.status != "ok" or blob is None:
        return None
    if blob.cut:
        msg = (
            f"The reply that is recorded for this request is a part of the whole: {len(blob.text):,} of {blob.size:,} "
            "characters. Play it from the cache that the run was asked with."
        )
        return CutReplyError(msg)
    reply = ModelReply(
        text=blob.text,
        model=ended.response_model or begun.model,
        usage=Usage(**ended.usage.model_dump()),
        finish_reason=ended.finish_reason,
        response_id=ended.response_id,
        notes=tuple(ended.notes),
        cached=True,
    )
    reasoning = trace.text(ended.reasoning)
    return replace(reply, reasoning=reasoning) if reasoning else reply
