"""Runs as a terminal shows them: plain text, without anything that a terminal would obey."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rlm_jupyter.core.observation import head_and_tail
from rlm_jupyter.trace.artifacts.children import child_line, children_of
from rlm_jupyter.trace.artifacts.facts import (
    code_of,
    compaction_text,
    count_text,
    error_of,
    first_line,
    is_compaction,
    iteration_title,
    prose_of,
    rejection_of,
    reply_to,
    run_line,
    token_counts,
    tokens_text,
)
from rlm_jupyter.trace.artifacts.inert import without_controls
from rlm_jupyter.trace.artifacts.outputs import notebook_outputs, output_text
from rlm_jupyter.trace.artifacts.review import proposed_code, review_text
from rlm_jupyter.trace.trace import Span, Trace

__all__ = ["run_list", "run_text"]

_LONG = 20_000  # characters of a reply, a block, an output
_LISTED = 200
_CHILDREN = 50


def run_list(traces: Sequence[Trace]) -> str:
    """Return the runs in a line each: number, id, question, and how it went."""
    lines = [
        f"{number:>4}  {without_controls(trace.run_id)[:32]}  {_inline(trace.run.question)}  "
        f"({_inline(run_line(trace))})"
        for number, trace in enumerate(traces[:_LISTED], 1)
    ]
    more = [f"      ... and {len(traces) - _LISTED:,} more"] if len(traces) > _LISTED else []
    return "\n".join([*lines, *more])


def run_text(trace: Trace) -> str:
    """Return the run as a text to read: question, steps, answer."""
    return "\n".join(without_controls(line) for line in _lines(trace)) + "\n"


def _lines(trace: Trace) -> Iterator[str]:
    yield f"# {trace.run.question.strip()}"
    yield f"run {trace.run_id}"
    yield run_line(trace)
    yield from [trace.damage] if trace.damage else []
    yield from (f"context {each.name}: {each.type}, {each.size} {each.unit}" for each in trace.run.contexts)
    for iteration in trace.iterations:
        yield ""
        yield f"## {iteration_title(iteration)}"
        yield from _iteration(trace, iteration)
    error = trace.outcome.error if trace.outcome is not None else None
    if error is not None:
        yield ""
        yield f"{error.name}: {head_and_tail(error.message, _LONG)}"
    if trace.answer:
        yield ""
        yield "## Answer" if trace.status == "ok" else "## Partial answer"
        yield trace.answer


def _iteration(trace: Trace, iteration: Span) -> Iterator[str]:
    blocks = [child for child in iteration.children if child.kind == "code"]
    codes = [proposed_code(block) for block in blocks]
    for call in iteration.children:
        if is_compaction(call):
            yield f"({compaction_text(call)})"
        elif call.kind == "model_call":
            yield head_and_tail(prose_of(reply_to(trace, call), codes), _LONG)
            error = error_of(call)
            yield from [f"The model call failed: {error.name}: {error.message}"] if error is not None else []
    for block in blocks:
        yield from _block(trace, block)
    if complaint := rejection_of(iteration):
        yield f"The answer was not accepted: {complaint}"


def _block(trace: Trace, block: Span) -> Iterator[str]:
    yield from [f"({review})"] if (review := review_text(block)) else []
    yield from (f">>> {line}" for line in head_and_tail(code_of(block), _LONG).rstrip("\n").split("\n"))
    calls = [child for child in block.children if child.kind == "subcall"]
    if calls:
        yield f"  [{count_text(len(calls), 'sub-call')}, {tokens_text(token_counts(calls))}]"
    children = children_of(block)
    yield from (f"  [child run: {child_line(trace.part(child.span_id))}]" for child in children[:_CHILDREN])
    yield from [f"  [... and {len(children) - _CHILDREN:,} more child runs]"] if len(children) > _CHILDREN else []
    for output in notebook_outputs(block):
        yield head_and_tail(output_text(output)[1], _LONG).rstrip("\n")


def _inline(text: str) -> str:
    return first_line(" ".join(without_controls(text).split()))
