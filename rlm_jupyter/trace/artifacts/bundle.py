"""A run's display, by MIME type: it reads in a terminal, a notebook, VS Code, GitHub, and in our own renderer."""

from __future__ import annotations

from typing import Any

from rlm_jupyter.trace.trace import Span, Trace

from .children import shallowest
from .excerpt import answer_excerpt, error_message, error_text
from .facts import is_out_of_iterations, run_line, span_name, status_text, token_counts
from .html_summary import html_summary
from .inert import inert_markdown, plain_text, without_controls
from .shapes import BundleError, BundleSpan, BundleUsage, RunBundle

__all__ = ["OUTPUT_VERSION", "RUN_MIME_TYPE", "mimebundle", "run_json"]

OUTPUT_VERSION = 1
"""Of what our own types in a cell's output look like, which the trace's version says nothing of.

The labextension shows the plain text of every other one.
"""

RUN_MIME_TYPE = "application/vnd.rlm-jupyter.run+json"

_SPANS_SHOWN = 500


def mimebundle(trace: Trace) -> dict[str, Any]:
    """Return the run as ``text/plain``, ``text/markdown``, ``text/html`` and our own type.

    Each holds a long answer by its head and tail and says where the whole is.
    """
    return {
        "text/plain": _plain(trace),
        "text/markdown": _markdown(trace),
        "text/html": html_summary(trace),
        RUN_MIME_TYPE: run_json(trace),
    }


def run_json(trace: Trace) -> dict[str, Any]:
    """Return the run in short, as ``RunBundle`` has it: 500 spans of its tree, and a long answer by head and tail."""
    run, outcome, root = trace.run, trace.outcome, trace.root
    sent, received = token_counts(trace.walk())
    usage = trace.usage
    answer, left_out = answer_excerpt(trace)
    error = outcome.error if outcome is not None else None
    bundle = RunBundle(
        version=OUTPUT_VERSION,
        run_id=trace.run_id,
        session_id=run.session_id,
        turn=run.turn,
        question=run.question,
        answer=answer if trace.answer is not None else None,
        answer_left_out=left_out or None,
        status=trace.status,
        out_of_iterations=is_out_of_iterations(trace),
        error=BundleError(name=error.name, message=error_message(error)) if error is not None else None,
        model=run.model,
        backend=run.backend,
        environment=run.environment,
        iterations=len(trace.iterations),
        max_iterations=run.max_iterations,
        subcalls=len(trace.subcalls),
        children=len(trace.children),
        usage=BundleUsage(calls=usage.total_calls, input_tokens=sent, output_tokens=received, cost=usage.total_cost),
        started=root.start.started if root is not None else None,
        ended=root.end.ended if root is not None and root.end is not None else None,
        changes=outcome.changes if outcome is not None else {},
        spans=[_span(span) for span in shallowest(trace, _SPANS_SHOWN)],
        spans_left_out=max(0, len(trace.spans) - _SPANS_SHOWN),
    )
    return bundle.model_dump()


def _span(span: Span) -> BundleSpan:
    return BundleSpan(
        id=span.span_id,
        parent=span.start.parent_id,
        kind=span.kind,
        name=span_name(span),
        started=span.start.started,
        ended=span.end.ended if span.end is not None else None,
        status=span.status,
    )


def _plain(trace: Trace) -> str:
    answer = without_controls("\n\n".join(filter(None, answer_excerpt(trace))))
    if trace.status == "ok":
        return answer
    error = trace.outcome.error if trace.outcome is not None else None
    why = without_controls(f": {error_text(error)}") if error is not None else ""
    told = f"[{status_text(trace.status)}{why}]"
    return f"{answer}\n\n[partial answer] {told}" if answer else told


def _markdown(trace: Trace) -> str:
    answer, left_out = answer_excerpt(trace)
    parts = [inert_markdown(answer)] if answer else []
    parts += [f"*{plain_text(left_out)}*"] if left_out else []
    error = trace.outcome.error if trace.outcome is not None else None
    if error is not None:
        parts.append(f"**{status_text(trace.status)}**: {plain_text(error_text(error))}")
    return "\n\n".join([*parts, f"*{plain_text(run_line(trace))}*"])
