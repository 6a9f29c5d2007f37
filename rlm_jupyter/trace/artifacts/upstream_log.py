"""A trace in the log format of PyPI's ``rlms``, so that its visualizer opens it.

The shape is that of ``rlms`` 0.1.3: a line of metadata, then one for each iteration (``rlm/logger/rlm_logger.py``, and
the ``to_dict`` methods in ``rlm/core/types.py``); and for each call that model code made ``prompt_tokens`` and
``completion_tokens``, which the visualizer reads (``visualizer/src/lib/types.ts``) and ``rlms`` does not write. Numbers
that it cannot do without are 0 where nobody knows them, for the format has no word for that.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from typing import Any

from rlm_jupyter.core.usage import Usage, UsageSummary
from rlm_jupyter.trace.schema import (
    CodeEnd,
    IterationEnd,
    MessageRecord,
    ModelCallEnd,
    ModelCallStart,
    RunEnd,
    RunStart,
    SubcallEnd,
    SubcallStart,
)
from rlm_jupyter.trace.trace import Span, Trace

from .children import children_of
from .conversation import calls_of, message_size
from .facts import code_of, error_of, is_compaction, reply_to
from .outputs import notebook_outputs, output_text
from .room import EXPORT_LIMIT, Room, text_room

__all__ = ["upstream_log"]

_PICTURE, _PICTURES = "\n[picture]", 100
_LEFT_OUT = "[left out: the log has so many texts already]"

_DEEPEST = 12
"""Levels of child runs that are told with their own iterations; below, a child is its question and its answer."""


def upstream_log(trace: Trace) -> str:
    """Return the log as JSON lines. Raises ``ValueError`` for a trace that has no run.

    Each iteration has the whole list of messages that it was asked with, as upstream's have, so that the log grows with
    the square of the iterations. Beyond ``EXPORT_LIMIT`` characters an iteration has only the messages that it added.
    """
    run, root = trace.run, trace.root
    iterations = _Log(trace).iterations(root, 0) if root is not None else ()
    begun = _time(root.start.started if root is not None else 0)
    lines = [{"type": "metadata", "timestamp": begun, **_metadata(run)}, *iterations]
    return "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines)


def _metadata(run: RunStart) -> dict[str, Any]:
    """Return what a run was made with; the trace does not say how deep it might have gone."""
    return {
        "root_model": run.model,
        "max_depth": None,
        "max_iterations": run.max_iterations,
        "backend": run.backend,
        "backend_kwargs": {"model_name": run.model},
        "environment_type": run.environment,
        "environment_kwargs": {},
        "other_backends": None,
    }


class _Log:
    """The runs of one trace, in upstream's words, and the room that what they repeat takes up."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._again = Room(EXPORT_LIMIT)  # for what was said before, and is said again with each call
        self._once = text_room(trace)

    def iterations(self, run: Span, depth: int) -> Iterator[dict[str, Any]]:
        sent = {call.span_id: messages for call, messages in self._prompts(run)}
        iterations = [span for span in run.children if span.kind == "iteration"]
        for number, span in enumerate(iterations, 1):
            calls = [child for child in span.children if child.kind == "model_call" and not is_compaction(child)]
            blocks = [child for child in span.children if child.kind == "code"]
            end = span.end.payload if span.end is not None else None
            answered = isinstance(end, IterationEnd) and end.answered
            yield {
                "type": "iteration",
                "iteration": number,
                "timestamp": _time(span.end.ended if span.end is not None else span.start.started),
                "prompt": [message for call in calls for message in sent.get(call.span_id, [])],
                "response": "".join(self._reply(call) for call in calls),
                "code_blocks": [self._block(run, block, depth, first=number == 1) for block in blocks],
                "final_answer": _answer(run) if answered else None,
                "iteration_time": _seconds(span) if span.end is not None else None,
            }

    def _prompts(self, run: Span) -> Iterator[tuple[Span, list[dict[str, str]]]]:
        """Yield each call of the run's model with all that it was sent; only the new messages when there is no room."""
        for call, messages in calls_of(run):
            if is_compaction(call):
                continue
            begun = call.start.payload
            new = len(begun.added) if isinstance(begun, ModelCallStart) else 0
            told, added = messages[: len(messages) - new], messages[len(messages) - new :]
            if not self._again.take(sum(message_size(self._trace, message) for message in told)):
                told = []
            again = [self._message(message, self._trace.text(message.digest)) for message in told]
            yield call, [*again, *(self._message(each, self._text(self._trace.text(each.digest))) for each in added)]

    def _message(self, message: MessageRecord, text: str) -> dict[str, str]:
        return {"role": message.role, "content": f"{text}{_PICTURE * min(len(message.images), _PICTURES)}"}

    def _reply(self, call: Span) -> str:
        return self._text(reply_to(self._trace, call))

    def _text(self, text: str) -> str:
        return text if self._once.take(len(text)) else _LEFT_OUT

    def _block(self, run: Span, block: Span, depth: int, *, first: bool) -> dict[str, Any]:
        texts: dict[str, list[str]] = {"stdout": [], "stderr": []}
        for output in notebook_outputs(block):
            name, text = output_text(output)
            texts["stderr" if name in ("stderr", "error") else "stdout"].append(text)
        end = block.end.payload if block.end is not None else None
        calls = [self._call(child) for child in block.children if child.kind == "subcall"]
        result = {
            "stdout": "".join(texts["stdout"]),
            "stderr": "".join(texts["stderr"]),
            "locals": _contexts(run) if first else {},
            "execution_time": _seconds(block),
            "rlm_calls": [*calls, *(self._child(child, depth + 1) for child in children_of(block))],
            "final_answer": end.final_answer if isinstance(end, CodeEnd) else None,
        }
        return {"code": code_of(block), "result": result}

    def _call(self, span: Span) -> dict[str, Any]:
        begun = span.start.payload
        prompt = self._text(self._trace.text(begun.prompt)) if isinstance(begun, SubcallStart) else ""
        model = begun.model if isinstance(begun, SubcallStart) else ""
        return _completion(span, model, prompt, self._reply(span), _usage([span]))

    def _child(self, span: Span, depth: int) -> dict[str, Any]:
        """Return a child run as upstream has it: a call whose metadata holds the child's own iterations."""
        begun = span.start.payload
        if not isinstance(begun, RunStart):
            return {}
        call = _completion(span, begun.model, begun.question, _answer(span) or "", _usage(span.walk()))
        if depth <= _DEEPEST:
            call["metadata"] = {"run_metadata": _metadata(begun), "iterations": list(self.iterations(span, depth))}
        return call


def _completion(span: Span, model: str, prompt: str, response: str, usage: UsageSummary) -> dict[str, Any]:
    error = error_of(span)
    call = {
        "root_model": model,
        "prompt": prompt,
        "response": response,
        "prompt_tokens": usage.total_input_tokens,
        "completion_tokens": usage.total_output_tokens,
        "usage_summary": usage.to_dict(),
        "execution_time": _seconds(span),
    }
    return call if error is None else {**call, "error": f"{error.name}: {error.message}"}


def _usage(spans: Iterable[Span]) -> UsageSummary:
    summary = UsageSummary()
    for span in spans:
        begun, ended = span.start.payload, span.end.payload if span.end is not None else None
        if isinstance(begun, ModelCallStart | SubcallStart) and isinstance(ended, ModelCallEnd | SubcallEnd):
            usage = Usage(**ended.usage.model_dump())
            model = ended.response_model or begun.model
            summary.add(model, usage, ended.retries, cached=ended.cached, lost=ended.lost)
    return summary


def _answer(run: Span) -> str | None:
    end = run.end.payload if run.end is not None else None
    return end.answer if isinstance(end, RunEnd) else None


def _contexts(run: Span) -> dict[str, str]:
    """Return how the run's contexts begin: the visualizer shows ``context`` among the variables of a block."""
    begun = run.start.payload
    return {record.name: record.preview for record in begun.contexts} if isinstance(begun, RunStart) else {}


def _seconds(span: Span) -> float:
    seconds = span.seconds
    return seconds if seconds is not None and math.isfinite(seconds) else 0.0


def _time(seconds: float) -> str:
    """Return a moment in ISO 8601, in UTC; the epoch for a number that is none."""
    try:
        return datetime.fromtimestamp(seconds, tz=timezone.utc).isoformat()
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, tz=timezone.utc).isoformat()
