"""A trace under the names that the field uses for it: run metadata, and iterations with their code blocks."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from rlm_jupyter.trace.schema import CodeEnd, IterationEnd, ModelCallStart, SubcallStart
from rlm_jupyter.trace.trace import Span, Trace

from .children import children_of
from .facts import code_of, error_of, is_compaction, rejection_of, reply_to
from .outputs import notebook_outputs, output_text
from .review import proposed_code, review_of
from .room import Room, text_room

__all__ = ["trajectory"]

_LEVELS = 20
"""Levels of child runs that are told with all that they did: what reads JSON has bounds for how deep it is."""


def trajectory(trace: Trace) -> dict[str, Any]:
    """Return ``run_metadata`` and ``iterations`` as plain values.

    An iteration's ``prompt`` holds the messages that it added; what was sent before them stands in the iterations
    before. So each shows what it had, and the whole grows with the run and no faster.
    """
    return _trajectory(trace, _LEVELS, text_room(trace))


def _trajectory(trace: Trace, levels: int, room: Room) -> dict[str, Any]:
    run = trace.run
    metadata = {
        "run_id": trace.run_id,
        "root_model": run.model,
        "max_iterations": run.max_iterations,
        "backend": run.backend,
        "environment_type": run.environment,
        "question": run.question,
        "contexts": [record.model_dump() for record in run.contexts],
    }
    iterations = [_iteration(trace, span, number, levels, room) for number, span in enumerate(trace.iterations, 1)]
    return {"run_metadata": metadata, "iterations": iterations}


def _iteration(trace: Trace, span: Span, number: int, levels: int, room: Room) -> dict[str, Any]:
    calls = [child for child in span.children if child.kind == "model_call"]
    answers = [call for call in calls if not is_compaction(call)]
    end = span.end.payload if span.end is not None else None
    answered = isinstance(end, IterationEnd) and end.answered
    told: dict[str, Any] = {
        "type": "iteration",
        "iteration": number,
        "timestamp": datetime.fromtimestamp(span.start.started, tz=timezone.utc).isoformat(),
        "prompt": [message for call in answers for message in _messages(trace, call, room)],
        "response": "".join(_held(room, reply_to(trace, call)) for call in answers),
        "code_blocks": [
            {"code": code_of(child), "result": _result(trace, child, levels, room), **_review(child)}
            for child in span.children
            if child.kind == "code"
        ],
        "final_answer": trace.answer if answered else None,
        "iteration_time": span.seconds,
    }
    if complaint := rejection_of(span):
        told["rejected"] = complaint
    if len(answers) < len(calls):
        told["compactions"] = [_held(room, reply_to(trace, call)) for call in calls if is_compaction(call)]
    return told


def _review(block: Span) -> dict[str, str]:
    review = review_of(block)
    proposed = {"proposed": proposed_code(block)} if review == "edited" else {}
    return {"review": review, **proposed} if review is not None else {}


def _messages(trace: Trace, call: Span, room: Room) -> list[dict[str, str]]:
    payload = call.start.payload
    added = payload.added if isinstance(payload, ModelCallStart) else []
    return [{"role": message.role, "content": _held(room, trace.text(message.digest))} for message in added]


def _result(trace: Trace, span: Span, levels: int, room: Room) -> dict[str, Any]:
    texts: dict[str, list[str]] = {"stdout": [], "stderr": []}
    for output in notebook_outputs(span):
        name, text = output_text(output)
        texts["stderr" if name in ("stderr", "error") else "stdout"].append(text)
    end = span.end.payload if span.end is not None else None
    return {
        "stdout": "".join(texts["stdout"]),
        "stderr": "".join(texts["stderr"]),
        "execution_time": span.seconds,
        "rlm_calls": [
            *(_call(trace, child, room) for child in span.children if child.kind == "subcall"),
            *(_child(trace.part(child.span_id), levels - 1, room) for child in (children_of(span) if levels else ())),
        ],
        "final_answer": end.final_answer if isinstance(end, CodeEnd) else None,
    }


def _child(child: Trace, levels: int, room: Room) -> dict[str, Any]:
    """Return a child run as the field has it: a call whose metadata is the child's own trajectory."""
    error = child.outcome.error if child.outcome is not None else None
    call = {
        "root_model": child.run.model,
        "prompt": child.run.question,
        "response": child.answer or "",
        "usage_summary": child.usage.to_dict(),
        "execution_time": child.root.seconds if child.root is not None else None,
        "metadata": _trajectory(child, levels, room),
    }
    return call if error is None else {**call, "error": f"{error.name}: {error.message}"}


def _call(trace: Trace, span: Span, room: Room) -> dict[str, Any]:
    payload, error = span.start.payload, error_of(span)
    call: dict[str, Any] = {"response": _held(room, reply_to(trace, span)), "execution_time": span.seconds}
    if isinstance(payload, SubcallStart):
        call = {"root_model": payload.model, "prompt": _held(room, trace.text(payload.prompt)), **call}
    return call if error is None else {**call, "error": f"{error.name}: {error.message}"}


def _held(room: Room, text: str) -> str:
    """Return the text, or what stands for one of those that are said again and again."""
    return text if room.take(len(text)) else f"[{len(text):,} characters]"
