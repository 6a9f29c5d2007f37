"""What the user said while a run was under way: to its model, and to a code block before it was run."""

from __future__ import annotations

from rlm_jupyter.trace.schema import CodeEnd, CodeStart, IterationStart, Review
from rlm_jupyter.trace.trace import Span

from .facts import code_of
from .inert import fenced, folded, plain_text

__all__ = ["notes_markdown", "notes_of", "proposed_code", "review_markdown", "review_of", "review_text"]

_TEXTS: dict[Review, str] = {
    "approved": "approved by the user",
    "edited": "changed by the user before it was run",
    "rejected": "rejected by the user, and not run",
}


def notes_of(iteration: Span) -> list[str]:
    """Return what the user said to the model before an iteration, each in a sentence that says so."""
    payload = iteration.start.payload
    return [f"The user said: {note}" for note in payload.notes] if isinstance(payload, IterationStart) else []


def notes_markdown(iteration: Span) -> list[str]:
    """Return what the user said to the model before an iteration, a paragraph each."""
    return [f"*{plain_text(note)}*" for note in notes_of(iteration)]


def review_of(span: Span) -> Review | None:
    """Return what the user said to a code block; None where nobody was asked."""
    payload = span.start.payload
    return payload.review if isinstance(payload, CodeStart) else None


def review_text(span: Span) -> str:
    """Return what the user said to a code block in a few words; nothing where nobody was asked."""
    review = review_of(span)
    return _TEXTS[review] if review is not None else ""


def proposed_code(span: Span) -> str:
    """Return the code of a block as the model wrote it, which may not be the code that ran."""
    payload = span.start.payload
    return payload.proposed if isinstance(payload, CodeStart) and payload.proposed is not None else code_of(span)


def review_markdown(span: Span) -> str:
    """Return what the user said to a block, and folded the model's code where it was not run."""
    review = review_of(span)
    parts = [f"*{plain_text(review_text(span))}*"]
    end = span.end.payload if span.end is not None else None
    if review == "rejected" and isinstance(end, CodeEnd):
        parts += [plain_text(note) for note in end.notes]
    if review in ("edited", "rejected"):
        parts.append(folded("the code that the model proposed", fenced(proposed_code(span), "python")))
    return "\n\n".join(parts)
