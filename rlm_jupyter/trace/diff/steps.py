"""What a run did, step by step in its order, as texts that can be held against another run's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rlm_jupyter.core.digest import text_digest
from rlm_jupyter.trace.artifacts.children import children_of
from rlm_jupyter.trace.artifacts.facts import code_of, error_of, is_compaction, rejection_of, reply_to
from rlm_jupyter.trace.artifacts.outputs import notebook_outputs, output_text
from rlm_jupyter.trace.schema import CodeEnd, RunEnd, RunStart, SubcallStart
from rlm_jupyter.trace.trace import Span, Trace

__all__ = ["Piece", "pieces_of"]


@dataclass(frozen=True, slots=True)
class Piece:
    """Something that was said or done in an iteration: its sort (``reply``, ``code``, ...), place and text."""

    sort: str
    place: str
    text: str


def pieces_of(trace: Trace, iteration: Span) -> Iterator[Piece]:
    """Yield what happened in an iteration, in its order: what the model said, and per block what came of it."""
    for call in iteration.children:
        if call.kind == "model_call":
            sort = "summary" if is_compaction(call) else "reply"
            error = error_of(call)
            yield Piece(sort, sort, reply_to(trace, call))
            if error is not None:
                yield Piece("error", f"{sort}'s error", f"{error.name}: {error.message}")
    blocks = [child for child in iteration.children if child.kind == "code"]
    for number, block in enumerate(blocks, 1):
        yield from _block(trace, block, f"block {number}")
    yield from _asked(trace, iteration, "outside of blocks")
    if complaint := rejection_of(iteration):
        yield Piece("rejection", "what was wrong with the answer", complaint)


def _block(trace: Trace, block: Span, place: str) -> Iterator[Piece]:
    yield Piece("code", f"{place}, code", code_of(block))
    yield from _asked(trace, block, place)
    for number, output in enumerate(notebook_outputs(block), 1):
        kind, text = output_text(output)
        yield Piece("output", f"{place}, output {number} ({kind})", f"{text}{_rich(output)}")
    end = block.end.payload if block.end is not None else None
    if isinstance(end, CodeEnd) and end.final_answer is not None:
        yield Piece("answer", f"{place}, answer", end.final_answer)


def _rich(output: dict[str, Any]) -> str:
    """Return the digest of what an output holds beside its text: pictures, HTML."""
    data = output.get("data")
    rich = {name: value for name, value in data.items() if name != "text/plain"} if isinstance(data, dict) else {}
    return f" [{text_digest(json.dumps(rich, sort_keys=True, default=str))[:24]}]" if rich else ""


def _asked(trace: Trace, span: Span, place: str) -> Iterator[Piece]:
    """Yield sub-calls and child runs; those of a batch in the order of its slots, as they began in any."""
    calls = [child for child in span.children if child.kind == "subcall"]
    for number, call in enumerate(sorted(calls, key=_slot), 1):
        start, error = call.start.payload, error_of(call)
        prompt = trace.text(start.prompt) if isinstance(start, SubcallStart) else ""
        yield Piece("sub-call", f"{place}, prompt of sub-call {number}", prompt)
        said = f"{error.name}: {error.message}" if error is not None else reply_to(trace, call)
        yield Piece("sub-call", f"{place}, reply to sub-call {number}", said)
    for number, child in enumerate(children_of(span), 1):
        begun, ended = child.start.payload, child.end.payload if child.end is not None else None
        if isinstance(begun, RunStart):
            yield Piece("child run", f"{place}, question of child run {number}", begun.question)
        answer = ended.answer if isinstance(ended, RunEnd) else None
        yield Piece("child run", f"{place}, answer of child run {number}", answer or "")


def _slot(call: Span) -> tuple[str, int, int]:
    start = call.start.payload
    if isinstance(start, SubcallStart) and start.batch is not None:
        return start.batch, start.index or 0, call.start.seq
    return "", 0, call.start.seq
