"""What the store hands out: plain values, whole at the moment in which they were read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Change", "FoundRun", "Passage", "Passages", "Pruned", "RunRow", "SessionRow", "TextRow", "UsageRow"]


@dataclass(frozen=True, slots=True)
class Change:
    """What a batch of events changed about a run.

    ``began`` and ``ended`` say that in this batch the run itself started or ended; ``whole`` that it has ended and no
    number is missing. There is one also for a run of which the batch held only what was stored before.
    """

    run_id: str
    kernel_id: str
    notebook_id: int | None
    session_id: str | None
    status: str | None
    last_seq: int
    began: bool
    ended: bool
    whole: bool


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run; times are seconds since the epoch, ``cost`` is in US dollars and None while any price is unknown.

    ``status`` is None while the run is under way. ``notebook`` is the path, None where there is no notebook or it was
    deleted. ``events`` are stored, the last one of them numbered ``last_seq``. In lists, question, answer and error
    are cut to ``LIST_TEXT`` characters. ``max_iterations`` is None where it is not known; ``resumes``
    is the id of the run that it takes up again.
    """

    run_id: str
    notebook_id: int | None
    notebook: str | None
    kernel_id: str
    session_id: str | None
    turn: int | None
    cell_id: str | None
    question: str
    model: str
    backend: str
    environment: str
    status: str | None
    began: float
    ended: float | None
    answer: str | None
    error: str | None
    last_seq: int
    events: int
    whole: bool
    iterations: int
    subcalls: int
    children: int
    input_tokens: int
    output_tokens: int
    cost: float | None
    max_iterations: int | None
    resumes: str | None


@dataclass(frozen=True, slots=True)
class FoundRun(RunRow):
    """A run that a search found.

    ``excerpt`` is of the question or of the answer, as ``found_in`` says; ``hits`` are the places of the words in it:
    first character, and the one after the last.
    """

    excerpt: str
    found_in: Literal["question", "answer"]
    hits: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Passage:
    """A place in a span that a search found: ``excerpt`` is of what ``found_in`` names, ``hits`` as in ``FoundRun``."""

    span_id: str
    kind: str
    found_in: Literal["question", "code", "output", "prompt", "reply", "message", "answer", "error"]
    excerpt: str
    hits: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Passages:
    """What a search in a run found; ``more`` says that there are more, or that it was too much to look through."""

    found: tuple[Passage, ...]
    more: bool


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session of a notebook; ``turns`` counts the questions that were answered, ``runs`` all of its runs."""

    notebook_id: int | None
    notebook: str | None
    session_id: str
    first_question: str
    turns: int
    runs: int
    began: float
    updated: float


@dataclass(frozen=True, slots=True)
class TextRow:
    """A text of a run: a message, a prompt or a reply; with a ``media_type``, a picture in base64.

    ``size`` counts the characters of the whole, of which ``text`` is an excerpt when ``cut``; of a picture its bytes.
    With the ``encoding`` ``zlib``, ``text`` is the base64 of the compressed whole, which is a value as JSON.
    """

    digest: str
    seq: int
    size: int
    cut: bool
    text: str
    media_type: str | None = None
    encoding: str | None = None


@dataclass(frozen=True, slots=True)
class UsageRow:
    """What a run's calls to one model took; ``cost`` is of the calls whose price is known."""

    model: str
    calls: int
    input_tokens: int
    output_tokens: int
    cost: float | None
    unpriced_calls: int


@dataclass(frozen=True, slots=True)
class Pruned:
    """What pruning removed, or would remove."""

    runs: int
    bytes: int
