"""What our own MIME types hold: the run below a cell, and the state of one that is under way.

A renderer reads them, also from notebooks that were saved years ago: fields are added, and none changes its meaning.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from rlm_jupyter.trace.schema import Status

__all__ = ["BundleError", "BundleSpan", "BundleUsage", "LiveBundle", "RunBundle"]


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class BundleError(_Shape):
    """What a run failed with; the message may be cut."""

    name: str
    message: str


class BundleUsage(_Shape):
    """What the calls of a run took, in tokens and US dollars; None means that it is not known."""

    calls: int
    input_tokens: int | None
    output_tokens: int | None
    cost: float | None


class BundleSpan(_Shape):
    """A span of a run's tree; ``status`` is None, as ``ended`` is, while it is under way."""

    id: str
    parent: str | None
    kind: Literal["run", "iteration", "model_call", "code", "subcall"]
    name: str
    started: float
    ended: float | None
    status: Status | None


class RunBundle(_Shape):
    """A run in short: question, answer, status, usage, and 500 spans of its tree, the root's own steps first.

    ``out_of_iterations``: it answered with what it had when its iterations were used up.
    ``answer_left_out`` is a sentence for below an answer that is an excerpt, and None below a whole one.
    Times are seconds since the epoch, cost is in US dollars; None means unknown.
    """

    version: int
    run_id: str
    session_id: str | None
    turn: int | None
    question: str
    answer: str | None
    answer_left_out: str | None
    status: Status | None
    out_of_iterations: bool
    error: BundleError | None
    model: str
    backend: str
    environment: str
    iterations: int
    max_iterations: int
    subcalls: int
    children: int
    usage: BundleUsage
    started: float | None
    ended: float | None
    changes: dict[str, list[str]]
    spans: list[BundleSpan]
    spans_left_out: int


class LiveBundle(_Shape):
    """A run that is under way, as the cell's live display tells it.

    ``run_id`` is empty until the run begins; ``lines`` say how far it is, ``tail`` is the end of the reply that is
    being written. ``status`` is None until the run ends.
    """

    version: int
    run_id: str
    status: Status | None
    lines: list[str]
    tail: str
