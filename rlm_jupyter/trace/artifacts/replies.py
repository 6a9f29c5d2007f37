"""What there is to say of a model call besides prompt and reply: what was odd, what the model thought, pictures."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from rlm_jupyter.core.observation import head_and_tail
from rlm_jupyter.core.pictures import MEDIA_TYPES
from rlm_jupyter.trace.schema import (
    Blob,
    ModelCallEnd,
    ModelCallStart,
    SubcallEnd,
    SubcallStart,
)
from rlm_jupyter.trace.trace import Span, Trace

from .facts import is_cached, token_counts, tokens_text
from .inert import fenced, folded, plain_text

__all__ = ["call_text", "notes_on", "pictures_of", "remarks_markdown"]

_REASONING_LIMIT = 20_000  # characters
_NOTES_SHOWN = 10
_NOTE_LIMIT = 1_000  # characters


def notes_on(span: Span) -> list[str]:
    """Return what was odd about the reply to a call."""
    end = span.end.payload if span.end is not None else None
    notes = end.notes[:_NOTES_SHOWN] if isinstance(end, ModelCallEnd | SubcallEnd) else []
    return [head_and_tail(note, _NOTE_LIMIT) for note in notes]


def call_text(span: Span) -> str:
    """Return what a call took in tokens, or that its reply comes from a recording."""
    return "cached" if is_cached(span) else tokens_text(token_counts([span]))


def remarks_markdown(trace: Trace, span: Span, limit: int = _REASONING_LIMIT) -> Iterator[str]:
    """Yield what is to be told below a reply: its notes, where it comes from, sampling, and folded the reasoning."""
    if is_cached(span):
        yield "*cached: no server was asked for this reply*"
    start, end = span.start.payload, span.end.payload if span.end is not None else None
    if isinstance(start, ModelCallStart | SubcallStart) and start.sampling:
        told = ", ".join(f"{name}={json.dumps(value)}" for name, value in start.sampling.items())
        yield f"*sampling: {plain_text(head_and_tail(told, _NOTE_LIMIT))}*"
    for note in notes_on(span):
        yield f"**note**: {plain_text(note)}"
    if isinstance(end, ModelCallEnd | SubcallEnd) and (reasoning := trace.text(end.reasoning)):
        yield folded("reasoning", fenced(head_and_tail(reasoning, limit), "text"))


def pictures_of(trace: Trace, spans: Iterable[Span]) -> list[Blob]:
    """Return the pictures that came to the models with these calls, each once, as far as the trace holds them."""
    digests: dict[str, None] = {}
    for span in spans:
        start = span.start.payload
        if isinstance(start, SubcallStart):
            digests.update(dict.fromkeys(start.images))
        elif isinstance(start, ModelCallStart):
            digests.update(dict.fromkeys(image for message in start.added for image in message.images))
    blobs = (trace.blobs.get(digest) for digest in digests)
    return [blob for blob in blobs if blob is not None and blob.media_type in MEDIA_TYPES and blob.text]
