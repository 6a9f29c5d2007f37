"""A trace as examples to fine-tune a model on, in OpenAI's chat format: a conversation a line.

The rules are those of OpenAI's supervised fine-tuning: ``{"messages": [...]}``, each with a role and a content that is
not empty, pictures as data URLs in content parts, the last message the assistant's. Roles take turns, which many
trainers ask for: neighbouring messages of one role are joined.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from rlm_jupyter.trace.schema import MessageRecord, ModelCallEnd, SubcallEnd, SubcallStart
from rlm_jupyter.trace.trace import Span, Trace

from .conversation import calls_of, content_of, is_cut, is_whole, message_size, runs_in
from .facts import count_text
from .room import EXPORT_LIMIT, Room

__all__ = ["Chats", "chats"]


@dataclass(slots=True)
class Chats:
    """The examples of a trace, and how many more there would be."""

    examples: list[dict[str, Any]] = field(default_factory=list)
    cut: int = 0
    """Left out because the trace has a text or picture of theirs only in part."""
    too_many: int = 0
    """Left out because there were too many characters already (``EXPORT_LIMIT``)."""
    unanswered: int = 0
    """Runs left out, the root among them, because they did not come to an answer."""

    def to_jsonl(self) -> str:
        """Return the examples as JSON lines."""
        return "".join(f"{json.dumps(example, ensure_ascii=False)}\n" for example in self.examples)

    @property
    def left_out(self) -> str | None:
        """What is not among the examples, in a sentence; None when all of it is."""
        told = []
        if self.cut:
            told.append(f"{count_text(self.cut, 'conversation')} of which the trace has a text or picture only in part")
        if self.too_many:
            told.append(f"{count_text(self.too_many, 'conversation')} beyond {EXPORT_LIMIT:,} characters")
        if self.unanswered:
            told.append(f"{count_text(self.unanswered, 'run')} without an answer (unanswered=True takes them in)")
        return f"Left out: {'; '.join(told)}." if told else None


def chats(trace: Trace, *, subcalls: bool = False, unanswered: bool = False) -> Chats:
    """Return a conversation for each run of the tree, and one more for each time that it was summed up.

    With ``subcalls``, also one for each sub-call that was answered: prompt and reply. With ``unanswered``, also of runs
    that failed or were cut, up to their last reply.
    """
    found, room = Chats(), Room(EXPORT_LIMIT)
    for run in runs_in(trace):
        if run.status != "ok" and not unanswered:
            found.unanswered += 1
            continue
        for messages, call in _conversations(run):
            _add(found, room, trace, messages, call)
        if subcalls:
            for span in run.own():
                if isinstance(span.start.payload, SubcallStart) and span.status == "ok":
                    _add(found, room, trace, [_prompt(span.start.payload)], span)
    return found


def _conversations(run: Span) -> Iterator[tuple[list[MessageRecord], Span]]:
    """Yield what was sent with each call that no later one goes on from, and the call itself."""
    last: tuple[list[MessageRecord], Span] | None = None
    for call, messages in calls_of(run):
        if not _is_answered(call):
            continue
        if last is not None and not _goes_on(messages, last[0]):
            yield last
        last = messages, call
    if last is not None:
        yield last


def _goes_on(messages: list[MessageRecord], before: list[MessageRecord]) -> bool:
    return len(messages) >= len(before) and messages[: len(before)] == before


def _is_answered(call: Span) -> bool:
    end = call.end.payload if call.end is not None else None
    return call.status == "ok" and isinstance(end, ModelCallEnd) and end.reply is not None


def _prompt(start: SubcallStart) -> MessageRecord:
    return MessageRecord(role="user", digest=start.prompt, images=start.images)


def _add(found: Chats, room: Room, trace: Trace, messages: list[MessageRecord], call: Span) -> None:
    """Add one example, unless it is not whole, says nothing, or does not fit."""
    end = call.end.payload if call.end is not None else None
    digests = [digest for message in messages for digest in (message.digest, *message.images)]
    if not is_whole(trace, call) or is_cut(trace, digests) or not isinstance(end, ModelCallEnd | SubcallEnd):
        found.cut += 1
        return
    if not room.take(sum(message_size(trace, message) for message in messages) + len(trace.text(end.reply))):
        found.too_many += 1
        return
    said = [(each.role, content_of(trace, trace.text(each.digest), each.images)) for each in messages]
    example = _in_turns([*said, ("assistant", trace.text(end.reply))])
    if len(example) > 1 and example[-1]["role"] == "assistant":  # an empty reply teaches nothing
        found.examples.append({"messages": example})


def _in_turns(said: Iterable[tuple[str, str | list[dict[str, Any]]]]) -> list[dict[str, Any]]:
    """Return the messages with neighbours of one role joined, and empty ones left out."""
    turns: list[dict[str, Any]] = []
    for role, content in said:
        if not (content.strip() if isinstance(content, str) else content):
            continue
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] = _joined(turns[-1]["content"], content)
        else:
            turns.append({"role": role, "content": content})
    return turns


def _joined(first: str | list[dict[str, Any]], second: str | list[dict[str, Any]]) -> str | list[dict[str, Any]]:
    if isinstance(first, str) and isinstance(second, str):
        return f"{first}\n\n{second}"
    return [*_parts(first), *_parts(second)]


def _parts(content: str | list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content
