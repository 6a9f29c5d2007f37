"""A trace as Markdown: for reading, in a notebook or anywhere else. Everything that a model wrote is made inert."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from rlm_jupyter.core.observation import head_and_tail
from rlm_jupyter.trace.schema import CodeEnd, RunEnd, RunStart, SubcallEnd, SubcallStart
from rlm_jupyter.trace.trace import Span, Trace

from .excerpt import excerpt
from .facts import (
    code_of,
    error_of,
    iteration_title,
    reply_to,
    run_line,
    seconds_text,
    status_text,
    token_counts,
    tokens_text,
)
from .inert import code_span, fenced, inert_markdown, plain_text
from .outputs import notebook_outputs, output_text

if TYPE_CHECKING:
    from rlm_jupyter.core.results import RLMChatCompletion

__all__ = ["child_run_markdown", "render", "render_completion", "subcalls_markdown", "to_markdown"]

_OUTPUT_LIMIT = 20_000  # characters of one output
_SUBCALLS_SHOWN = 50
_SUBCALL_LIMIT = 2_000  # characters of a sub-call's prompt or reply
_DEEPEST = 6  # Markdown has six levels of headings


def to_markdown(*traces: Trace) -> str:
    """Return the traces as one Markdown text, a rule between them: context, iterations, code, outputs, answer."""
    return "\n\n---\n\n".join("\n\n".join(_run(trace)) for trace in traces) + "\n"


def render(*traces: Trace) -> None:
    """Show the traces in the notebook, or print them where there is none."""
    _show(to_markdown(*traces))


def render_completion(completion: RLMChatCompletion) -> None:
    """Show a completion's answer and, below it, its trace; print them where there is no notebook."""
    answer, left_out = excerpt(completion.response)
    _show("\n\n".join([inert_markdown(answer), *([f"*{plain_text(left_out)}*"] if left_out else [])]) + "\n")
    completion.render_trace()


def subcalls_markdown(trace: Trace, calls: Sequence[Span]) -> str:
    """Return the prompts and replies of sub-calls, of many the first 50."""
    parts = ["\n\n".join(_subcall(trace, call, number)) for number, call in enumerate(calls[:_SUBCALLS_SHOWN], 1)]
    if len(calls) > _SUBCALLS_SHOWN:
        parts.append(f"… and {len(calls) - _SUBCALLS_SHOWN:,} more, which the log holds.")
    return "\n\n".join(parts)


def child_run_markdown(trace: Trace, child: Span, level: int) -> str:
    """Return a child run, its heading at this level and what is in it below."""
    return "\n\n".join(_child_run(trace, child, level))


def _run(trace: Trace) -> Iterator[str]:
    yield "## Run Context"
    yield fenced(json.dumps(_context(trace), indent=2, ensure_ascii=False), "json")
    if trace.damage:
        yield f"*{plain_text(trace.damage)}*"
    for iteration in trace.iterations:
        yield from _iteration(trace, iteration, 2)
    yield from _ending(trace)


def _context(trace: Trace) -> dict[str, Any]:
    run = trace.run
    context: dict[str, Any] = {"prompt": run.question, "model": run.model, "environment": run.environment}
    described = [record.model_dump(exclude_none=True, exclude={"digest", "sampled"}) for record in run.contexts]
    return {**context, "contexts": described} if described else context


def _ending(trace: Trace) -> Iterator[str]:
    outcome = trace.outcome
    if trace.answer:
        yield "## Answer" if trace.status == "ok" else "## Partial Answer"
        yield inert_markdown(trace.answer)
    if outcome is not None and outcome.error is not None:
        yield f"**{status_text(trace.status)}**: {plain_text(f'{outcome.error.name}: {outcome.error.message}')}"
    yield f"*{plain_text(run_line(trace))}*"


def _iteration(trace: Trace, iteration: Span, level: int) -> Iterator[str]:
    yield _heading(level, iteration_title(iteration))
    block = 0
    for span in iteration.children:
        if span.kind == "model_call":
            yield from _model_call(trace, span, level + 1)
        elif span.kind == "code":
            block += 1
            yield from _code(trace, span, block, level + 1)


def _model_call(trace: Trace, span: Span, level: int) -> Iterator[str]:
    reply, error = reply_to(trace, span), error_of(span)
    if reply:
        yield _heading(level, "Model Response")
        yield inert_markdown(reply)
    if error is not None:
        yield _heading(level, "Model Call Failed")
        yield fenced(f"{error.name}: {error.message}")


def _code(trace: Trace, span: Span, block: int, level: int) -> Iterator[str]:
    yield _heading(level, f"Code Block {block}")
    yield fenced(code_of(span), "python")
    for output in notebook_outputs(span):
        name, text = output_text(output)
        yield f"**{name}**"
        yield fenced(head_and_tail(text, _OUTPUT_LIMIT))
    end = span.end.payload if span.end is not None else None
    if isinstance(end, CodeEnd):
        for note in end.notes:
            yield f"**note**: {plain_text(note)}"
    calls = [child for child in span.children if child.kind == "subcall"]
    if calls:
        yield _heading(level + 1, f"Model Calls ({len(calls):,})")
        yield subcalls_markdown(trace, calls)
    for child in span.children:
        if child.kind == "run":
            yield from _child_run(trace, child, level + 1)


def _child_run(trace: Trace, child: Span, level: int) -> Iterator[str]:
    start, end = child.start.payload, child.end.payload if child.end is not None else None
    if not isinstance(start, RunStart):
        return
    yield _heading(level, "Child Run")
    counts = tokens_text(token_counts(child.walk()))
    line = " · ".join((status_text(child.status), start.model, counts, seconds_text(child.seconds)))
    yield f"*{plain_text(line)}*"
    yield fenced(head_and_tail(start.question, _SUBCALL_LIMIT))
    for span in child.children:
        if span.kind == "iteration":
            yield from _iteration(trace, span, level + 1)
    if isinstance(end, RunEnd):
        if end.answer:
            yield _heading(level + 1, "Answer" if child.status == "ok" else "Partial Answer")
            yield inert_markdown(end.answer)
        if end.error is not None:
            yield fenced(f"{end.error.name}: {end.error.message}")


def _subcall(trace: Trace, span: Span, number: int) -> Iterator[str]:
    start, end, error = span.start.payload, span.end.payload if span.end is not None else None, error_of(span)
    if not isinstance(start, SubcallStart):
        return
    answered = end.response_model if isinstance(end, SubcallEnd) and end.response_model else start.model
    counts = [tokens_text(token_counts([span])), seconds_text(span.seconds)] if span.end is not None else ["running"]
    status = [str(span.status)] if span.status not in ("ok", None) else []
    yield f"**{number}.** {' · '.join((code_span(answered), *status, *counts))}"
    yield fenced(head_and_tail(trace.text(start.prompt), _SUBCALL_LIMIT), "text")
    if error is not None:
        yield fenced(head_and_tail(f"{error.name}: {error.message}", _SUBCALL_LIMIT), "text")
    else:
        yield fenced(head_and_tail(reply_to(trace, span), _SUBCALL_LIMIT), "text")


def _heading(level: int, title: str) -> str:
    return f"{'#' * min(level, _DEEPEST)} {title}"


def _show(markdown: str) -> None:
    """Display Markdown where a front end can; IPython is asked only if the program has it already."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if getattr(shell, "kernel", None) is None:
        sys.stdout.write(markdown)
        return
    from IPython.display import Markdown, display

    display(Markdown(markdown))
