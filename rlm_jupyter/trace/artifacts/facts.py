"""What a trace says in a line: status, seconds, tokens, cost. What nobody knows is called unknown, never 0."""

from __future__ import annotations

import math
from collections.abc import Iterable

from rlm_jupyter.trace.omitted import Omitted, Tally
from rlm_jupyter.trace.schema import (
    CodeStart,
    ErrorRecord,
    IterationEnd,
    IterationStart,
    ModelCallEnd,
    ModelCallStart,
    RunStart,
    Status,
    SubcallEnd,
    SubcallStart,
    UsageRecord,
)
from rlm_jupyter.trace.trace import Span, Trace

__all__ = [
    "child_count",
    "code_of",
    "compaction_text",
    "cost_of",
    "cost_text",
    "count_text",
    "error_of",
    "first_line",
    "is_cached",
    "is_compaction",
    "is_out_of_iterations",
    "iteration_title",
    "omitted_below",
    "outcome_text",
    "prose_of",
    "rejection_of",
    "reply_to",
    "run_line",
    "seconds_text",
    "span_name",
    "status_text",
    "subcall_count",
    "token_counts",
    "tokens_of",
    "tokens_text",
]

_STATUS: dict[Status | None, str] = {
    None: "running",
    "ok": "answered",
    "error": "failed",
    "interrupted": "interrupted",
    "limit": "stopped at a limit",
}


def status_text(status: Status | None) -> str:
    """Return how a run ended, in a word or a few."""
    return _STATUS[status]


def is_out_of_iterations(trace: Trace) -> bool:
    """Return whether the run answered because its iterations were used up, and it was asked for what it had."""
    last = trace.iterations[-1].start.payload if trace.iterations else None
    return trace.status == "ok" and isinstance(last, IterationStart) and last.closing


def outcome_text(trace: Trace) -> str:
    """Return how the trace's run ended; an answer that was asked for when the iterations were used up is told apart."""
    if is_out_of_iterations(trace):
        return "out of iterations, answered with what it had"
    return status_text(trace.status)


def seconds_text(seconds: float | None) -> str:
    """Return a duration for people: ``4 ms``, ``1.8 s``, ``2 min 5 s``; ``unknown`` when there is none."""
    if seconds is None or not math.isfinite(seconds):
        return "unknown"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60} s"


def cost_text(cost: float | None) -> str:
    """Return US dollars for people; ``unknown`` when nobody said."""
    if cost is None:
        return "unknown"
    return f"${cost:.2f}" if cost >= 1 or cost == 0 else f"${cost:.4f}"


def count_text(count: int, noun: str) -> str:
    """Return a number and its noun: ``1 iteration``, ``1,200 sub-calls``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def token_counts(spans: Iterable[Span]) -> tuple[int | None, int | None]:
    """Return the input and output tokens of the calls among the spans; None while no server said.

    A reply from a recording took none.
    """
    sent: int | None = None
    received: int | None = None
    for span in spans:
        end = span.end.payload if span.end is not None else None
        if isinstance(end, ModelCallEnd | SubcallEnd):
            usage = UsageRecord(input_tokens=0, output_tokens=0) if end.cached else end.usage
            if usage.input_tokens is not None:
                sent = (sent or 0) + usage.input_tokens
            if usage.output_tokens is not None:
                received = (received or 0) + usage.output_tokens
    return sent, received


def tokens_text(counts: tuple[int | None, int | None]) -> str:
    """Return token counts for people: ``1,200 tokens in, 30 out``."""
    sent, received = counts
    if sent is None and received is None:
        return "tokens unknown"
    return f"{_known(sent)} tokens in, {_known(received)} out"


def omitted_below(trace: Trace, span: Span) -> Omitted:
    """Return what the trace leaves out below a span."""
    return trace.omitted.get(span.span_id) or Omitted()


def subcall_count(trace: Trace) -> int:
    """Return how many sub-calls were made at any depth, also those that the trace leaves out."""
    omitted = sum(omitted.calls.count + omitted.deeper.count for omitted in trace.omitted.values())
    return len(trace.subcalls) + omitted


def child_count(trace: Trace) -> int:
    """Return how many child runs there were at any depth, also those that the trace leaves out."""
    return len(trace.children) + sum(omitted.runs + omitted.children for omitted in trace.omitted.values())


def tokens_of(trace: Trace) -> tuple[int | None, int | None]:
    """Return the input and output tokens of all calls, also of those that the trace leaves out."""
    total = Tally()
    total.add_tokens(*token_counts(trace.walk()))
    for omitted in trace.omitted.values():
        for tally in (omitted.calls, omitted.deeper):
            total.add_tokens(tally.input_tokens, tally.output_tokens)
    return total.input_tokens, total.output_tokens


def cost_of(trace: Trace) -> float | None:
    """Return what all calls cost, also those that the trace leaves out; None when it is not known of all."""
    tallies = [tally for omitted in trace.omitted.values() for tally in (omitted.calls, omitted.deeper)]
    shown = trace.usage.total_cost
    if shown is None or any(tally.unpriced for tally in tallies):
        return None
    return shown + sum(tally.cost for tally in tallies)


def run_line(trace: Trace) -> str:
    """Return the run in a line: status, model, iterations, sub-calls, child runs, tokens, cost, seconds."""
    parts = [outcome_text(trace), trace.run.model, count_text(len(trace.iterations), "iteration")]
    parts.append(count_text(subcall_count(trace), "sub-call"))
    children = child_count(trace)
    parts += [count_text(children, "child run")] if children else []
    cached = sum(is_cached(span) for span in trace.walk())
    parts += [f"{count_text(cached, 'call')} cached"] if cached else []
    parts.append(tokens_text(tokens_of(trace)))
    parts.append(f"cost {cost_text(cost_of(trace))}")
    if trace.root is not None and trace.root.seconds is not None:
        parts.append(seconds_text(trace.root.seconds))
    return " · ".join(parts)


def is_cached(span: Span) -> bool:
    """Return whether the span is a call whose reply comes from a recording: it took no tokens and no money."""
    payload = span.end.payload if span.end is not None else None
    return isinstance(payload, ModelCallEnd | SubcallEnd) and payload.cached


def is_compaction(span: Span) -> bool:
    """Return whether the span is a model call that summed up the conversation."""
    payload = span.start.payload
    return isinstance(payload, ModelCallStart) and payload.purpose == "compaction"


def compaction_text(span: Span) -> str:
    """Return in a line what summing up the conversation took."""
    failed = error_of(span)
    told = f"failed: {first_line(f'{failed.name}: {failed.message}')}" if failed is not None else ""
    took = seconds_text(span.seconds) if span.end is not None else "running"
    parts = [
        "the conversation was summed up",
        told,
        "cached" if is_cached(span) else tokens_text(token_counts([span])),
        took,
    ]
    return " · ".join(part for part in parts if part)


def rejection_of(iteration: Span) -> str:
    """Return what was wrong with the answer that the iteration gave, and nothing when it was not refused."""
    payload = iteration.end.payload if iteration.end is not None else None
    return (payload.rejected or "") if isinstance(payload, IterationEnd) else ""


def iteration_title(span: Span) -> str:
    """Return an iteration's heading; the last call, which asks for the answer, is told apart."""
    payload = span.start.payload
    if not isinstance(payload, IterationStart):
        return span_name(span)
    return f"Iteration {payload.number}" + (" (asked for the final answer)" if payload.closing else "")


def span_name(span: Span) -> str:
    """Return what a list calls the span: the model, the code's first line, the question."""
    payload = span.start.payload
    if isinstance(payload, IterationStart):
        return f"Iteration {payload.number}"
    if isinstance(payload, RunStart):
        return first_line(payload.question)
    if isinstance(payload, CodeStart):
        return first_line(payload.code)
    return payload.model if isinstance(payload, SubcallStart) else getattr(payload, "model", span.kind)


def code_of(span: Span) -> str:
    """Return the code of a code span, and nothing of another."""
    payload = span.start.payload
    return payload.code if isinstance(payload, CodeStart) else ""


def error_of(span: Span) -> ErrorRecord | None:
    """Return the error that the span ended with."""
    payload = span.end.payload if span.end is not None else None
    return getattr(payload, "error", None)


def reply_to(trace: Trace, span: Span) -> str:
    """Return the model's reply to a call; the excerpt of one that was cut, and what has come of one without its end."""
    payload = span.end.payload if span.end is not None else None
    reply = trace.text(payload.reply) if isinstance(payload, ModelCallEnd | SubcallEnd) else ""
    return reply or span.text


def prose_of(reply: str, codes: Iterable[str]) -> str:
    """Return the reply without the code blocks that were run; a block that was not run stays in it."""
    lines = reply.split("\n")
    for code in codes:
        body = [line.strip() for line in code.rstrip("\n").split("\n")]
        for start in range(len(lines)):
            if _is_fence(lines[start]) and [line.strip() for line in lines[start + 1 : start + 1 + len(body)]] == body:
                end = start + 1 + len(body)
                while end < len(lines) and not lines[end].strip():
                    end += 1
                del lines[start : end + (end < len(lines) and _is_fence(lines[end]))]
                break
    return "\n".join(lines).strip()


def _is_fence(line: str) -> bool:
    return line.strip().startswith(("```", "~~~"))


def first_line(text: str) -> str:
    """Return the first line that says something, of a long one its beginning."""
    line = next((line.strip() for line in text.split("\n") if line.strip()), "")
    return line if len(line) <= 100 else f"{line[:100]}…"


def _known(count: int | None) -> str:
    return "unknown" if count is None else f"{count:,}"
