"""What a run's own model was sent, call by call: the whole list of messages, of which a trace has each only once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rlm_jupyter.core.pictures import MEDIA_TYPES
from rlm_jupyter.trace.schema import MessageRecord, ModelCallEnd, ModelCallStart, SubcallEnd
from rlm_jupyter.trace.trace import Span, Trace

__all__ = ["calls_of", "content_of", "is_cut", "is_whole", "message_size", "runs_in"]

_OVERHEAD = 50
"""Characters that a message takes up besides its text, in any format."""


def runs_in(trace: Trace) -> Iterator[Span]:
    """Yield the runs of the tree, parents first."""
    return (span for span in trace.walk() if span.kind == "run")


def calls_of(run: Span) -> Iterator[tuple[Span, list[MessageRecord]]]:
    """Yield the calls of the run's own model, each with every message that it was sent, in order."""
    said: list[MessageRecord] = []
    for span in run.own():
        begun = span.start.payload
        if isinstance(begun, ModelCallStart):
            said = [*said[: max(0, begun.kept)], *begun.added]
            yield span, said


def message_size(trace: Trace, message: MessageRecord) -> int:
    """Return about how many characters the message takes up when it is written out, its pictures included."""
    digests = (message.digest, *message.images)
    return _OVERHEAD + sum(len(trace.text(digest)) + _OVERHEAD for digest in digests)


def is_cut(trace: Trace, digests: Sequence[str]) -> bool:
    """Return whether one of the texts and pictures is not in the trace, or not as a whole."""
    blobs = [trace.blobs.get(digest) for digest in digests]
    return any(blob is None or blob.cut or blob.encoding is not None for blob in blobs)


def is_whole(trace: Trace, span: Span) -> bool:
    """Return whether the call ended well, with a reply of which the trace has every word."""
    end = span.end.payload if span.end is not None else None
    if span.status != "ok" or not isinstance(end, ModelCallEnd | SubcallEnd) or end.reply is None:
        return False
    return not is_cut(trace, [end.reply])


def content_of(trace: Trace, text: str, images: Sequence[str]) -> str | list[dict[str, Any]]:
    """Return a message's content as OpenAI's API has it: the text, or parts where there are pictures."""
    if not images:
        return text
    parts: list[dict[str, Any]] = [{"type": "text", "text": text}] if text else []
    for digest in images:
        blob = trace.blobs.get(digest)
        if blob is not None and blob.media_type in MEDIA_TYPES and blob.text:
            url = f"data:{blob.media_type};base64,{blob.text}"
            parts.append({"type": "image_url", "image_url": {"url": url}})
    return parts
