"""A trace as Markdown: for reading, in a notebook or anywhere else. Everything that a model wrote is made inert."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from rlm_jupyter.core.observation import head_and_tail
from rlm_jupyter.trace.schema import CodeEnd, SubcallEnd, SubcallStart
from rlm_jupyter.trace.trace import Span, Trace

from .children import LISTED, child_line, children_of, children_text, shown_in_full
from .excerpt import excerpt
from .facts import (
    code_of,
    compaction_text,
    count_text,
    error_of,
    is_compaction,
    iteration_title,
    omitted_below,
    rejection_of,
    reply_to,
    run_line,
    seconds_text,
    status_text,
)
from .figures import Figures, figure_forms, figures_in, figures_of
from .inert import code_span, fenced, folded, inert_markdown, plain_text
from .outputs import notebook_outputs, output_text
from .replies import call_text, remarks_markdown
from .review import notes_markdown, proposed_code, review_of, review_text
from .room import ENDLESS, Room, text_room

if TYPE_CHECKING:
    from rlm_jupyter.core.results import RLMChatCompletion

__all__ = [
    "children_markdown",
    "compaction_markdown",
    "rejection_markdown",
    "render",
    "render_completion",
    "subcalls_markdown",
    "to_markdown",
]

_OUTPUT_LIMIT = 20_000  # characters of one output
_SUBCALLS_SHOWN = 50
_ELSEWHERE = "the store or the log"
_SUBCALL_LIMIT = 2_000  # characters of a sub-call's prompt or reply
_CHILD_LIMIT = 2_000  # characters of each text in a child run
_CHILD_ITERATIONS_SHOWN = 30
_FIGURE_LIMIT = 1_500_000  # characters of base64; viewers give up on lines that are much longer
_FIGURES_LIMIT = 12_000_000
_DEEPEST = 6  # Markdown has six levels of headings


@dataclass(frozen=True, slots=True)
class _Place:
    """Where on the page something is told: below which headings, in a child run how deep, and with how much room."""

    level: int
    depth: int = 0
    room: Room = ENDLESS
    figures: Figures = field(default_factory=lambda: Figures(0, 0))

    def under(self) -> _Place:
        """Return the place under a heading that stands here."""
        return replace(self, level=self.level + 1)

    def within(self) -> _Place:
        """Return the place of what child runs did that were started here."""
        return replace(self, depth=self.depth + 1)

    def holds(self, text: str) -> str:
        """Return the text, or what stands for it where there is no room."""
        return text if self.room.take(len(text)) else f"*{len(text):,} characters, which {_ELSEWHERE} holds.*"


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


def subcalls_markdown(
    trace: Trace, calls: Sequence[Span], room: Room = ENDLESS, more: int = 0, figures: Figures | None = None
) -> str:
    """Return the prompts and replies of sub-calls, of many the first 50, and no more than there is room for.

    ``more`` is how many there were beside those that are given; the pictures in prompts are shown with ``figures``.
    """
    parts: list[str] = []
    for number, call in enumerate(calls[:_SUBCALLS_SHOWN], 1):
        told = "" if room.full else "\n\n".join(_subcall(trace, call, number))
        if not told or not room.take(len(told)):
            break
        parts.append(told)
        parts += figures.markdown(figures_of(trace, call)) if figures is not None else ()
    left_out = len(calls) + more - len(parts)
    if left_out:
        parts.append(f"… and {left_out:,} more, which {_ELSEWHERE} holds.")
    return "\n\n".join(parts)


def children_markdown(trace: Trace, span: Span, level: int, room: Room = ENDLESS) -> str:
    """Return the child runs below a span: of several first a line for each, then folded what the first 20 did.

    Headings begin at ``level``. What there is no room for is counted; nothing is said where there are no child runs.
    """
    return "\n\n".join(_children(trace, span, _Place(level, 1, room)))


def compaction_markdown(call: Span) -> str:
    """Return the line that stands for a model call which summed up the conversation."""
    return f"*{plain_text(compaction_text(call))}*"


def rejection_markdown(complaint: str) -> str:
    """Return what was wrong with an answer that was refused."""
    return f"**The answer was not accepted**: {plain_text(head_and_tail(complaint, _SUBCALL_LIMIT))}"


def _run(trace: Trace) -> Iterator[str]:
    yield "## Run Context"
    yield fenced(json.dumps(_context(trace), indent=2, ensure_ascii=False), "json")
    if trace.damage:
        yield f"*{plain_text(trace.damage)}*"
    if trace.root is not None:
        place = _Place(2, room=text_room(trace), figures=Figures(_FIGURE_LIMIT, _FIGURES_LIMIT, svg=False))
        yield from _steps(trace, trace.root.children, place)
        yield from _asked(trace, trace.root, place)
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


def _steps(trace: Trace, spans: Sequence[Span], place: _Place) -> Iterator[str]:
    """Tell what a run did, in its order."""
    for span in spans:
        if span.kind == "iteration":
            yield from _iteration(trace, span, place)
        elif is_compaction(span):
            yield compaction_markdown(span)


def _iteration(trace: Trace, iteration: Span, place: _Place) -> Iterator[str]:
    yield _heading(place.level, iteration_title(iteration))
    yield from map(place.holds, notes_markdown(iteration))
    block = 0
    for span in iteration.children:
        if is_compaction(span):
            yield compaction_markdown(span)
        elif span.kind == "model_call":
            yield from _model_call(trace, span, place.under())
        elif span.kind == "code":
            block += 1
            yield from _code(trace, span, block, place.under())
    yield from _asked(trace, iteration, place.under())
    if complaint := rejection_of(iteration):
        yield rejection_markdown(complaint)


def _model_call(trace: Trace, span: Span, place: _Place) -> Iterator[str]:
    reply, error = reply_to(trace, span), error_of(span)
    yield from place.figures.markdown(figures_of(trace, span))
    if reply:
        yield _heading(place.level, "Model Response")
        shown = head_and_tail(reply, _CHILD_LIMIT) if place.depth else reply
        yield place.holds(shown if place.room.full else inert_markdown(shown))
    limit = (_CHILD_LIMIT,) if place.depth else ()
    yield from map(place.holds, remarks_markdown(trace, span, *limit))
    if error is not None:
        yield _heading(place.level, "Model Call Failed")
        yield fenced(f"{error.name}: {error.message}")


def _code(trace: Trace, span: Span, block: int, place: _Place) -> Iterator[str]:
    yield _heading(place.level, f"Code Block {block}")
    if review := review_of(span):
        yield f"*{plain_text(review_text(span))}*"
    if review == "edited":
        proposed = head_and_tail(proposed_code(span), _CHILD_LIMIT) if place.depth else proposed_code(span)
        yield place.holds(folded("the code that the model proposed", fenced(proposed, "python")))
    yield place.holds(fenced(head_and_tail(code_of(span), _CHILD_LIMIT) if place.depth else code_of(span), "python"))
    for output in notebook_outputs(span):
        name, text = output_text(output, figure_forms(output))
        yield f"**{name}**"
        if text:
            yield place.holds(fenced(head_and_tail(text, _CHILD_LIMIT if place.depth else _OUTPUT_LIMIT)))
        yield from place.figures.markdown(figures_in(output))
    end = span.end.payload if span.end is not None else None
    if isinstance(end, CodeEnd):
        for note in end.notes:
            yield f"**note**: {plain_text(note)}"
    yield from _asked(trace, span, place.under())


def _asked(trace: Trace, span: Span, place: _Place) -> Iterator[str]:
    """Tell which models and child runs were asked right below a span, a code block as a rule."""
    calls, more = [child for child in span.children if child.kind == "subcall"], omitted_below(trace, span).calls.count
    if calls or more:
        yield _heading(place.level, f"Model Calls ({len(calls) + more:,})")
        yield subcalls_markdown(trace, calls, place.room, more, place.figures)
    yield from _children(trace, span, place.within())


def _children(trace: Trace, span: Span, place: _Place) -> Iterator[str]:
    children = children_of(span)
    total = len(children) + omitted_below(trace, span).runs
    if not total:
        return
    listed = [] if place.room.full else [trace.part(child.span_id) for child in children[:LISTED]]
    alone = total == 1
    if not alone:
        yield _heading(place.level, f"Child Runs ({total:,})")
        if children:
            yield f"*{plain_text(children_text(children))}*"
        lines = [f"{number}. {plain_text(child_line(part))}" for number, part in enumerate(listed, 1)]
        yield place.holds("\n".join(lines))
        if total > len(listed):
            yield f"… and {total - len(listed):,} more, which {_ELSEWHERE} holds."
    shown = 0
    for part in listed[: shown_in_full(place.depth)]:
        if place.room.full:
            break
        shown += 1
        title = "Child Run" if alone else f"Child Run {shown}"
        inside = "\n\n".join(_child(part, title, place))
        yield folded(f"{title} · {run_line(part)}", inside)
    if shown < total:
        yield f"What {count_text(total - shown, 'more child run')} did, {_ELSEWHERE} holds."


def _child(child: Trace, title: str, place: _Place) -> Iterator[str]:
    yield _heading(place.level, title)
    yield place.holds(fenced(head_and_tail(child.run.question, _SUBCALL_LIMIT)))
    if child.root is not None:
        steps = child.root.children
        yield from _steps(child, steps[:_CHILD_ITERATIONS_SHOWN], place.under())
        if len(steps) > _CHILD_ITERATIONS_SHOWN:
            left_out = count_text(len(steps) - _CHILD_ITERATIONS_SHOWN, "more step")
            yield f"… and {left_out}, which {_ELSEWHERE} holds."
        yield from _asked(child, child.root, place.under())
    outcome = child.outcome
    if outcome is not None and outcome.answer:
        yield _heading(place.level + 1, "Answer" if child.status == "ok" else "Partial Answer")
        yield place.holds(inert_markdown(head_and_tail(outcome.answer, _CHILD_LIMIT)))
    if outcome is not None and outcome.error is not None:
        yield fenced(head_and_tail(f"{outcome.error.name}: {outcome.error.message}", _SUBCALL_LIMIT))


def _subcall(trace: Trace, span: Span, number: int) -> Iterator[str]:
    start, end, error = span.start.payload, span.end.payload if span.end is not None else None, error_of(span)
    if not isinstance(start, SubcallStart):
        return
    answered = end.response_model if isinstance(end, SubcallEnd) and end.response_model else start.model
    counts = [call_text(span), seconds_text(span.seconds)] if span.end is not None else ["running"]
    status = [str(span.status)] if span.status not in ("ok", None) else []
    yield f"**{number}.** {' · '.join((code_span(answered), *status, *counts))}"
    yield fenced(head_and_tail(trace.text(start.prompt), _SUBCALL_LIMIT), "text")
    if error is not None:
        yield fenced(head_and_tail(f"{error.name}: {error.message}", _SUBCALL_LIMIT), "text")
    else:
        yield fenced(head_and_tail(reply_to(trace, span), _SUBCALL_LIMIT), "text")
    yield from remarks_markdown(trace, span, _SUBCALL_LIMIT)


def _heading(level: int, title: str) -> str:
    return f"{'#' * min(level, _DEEPEST)} {title}"


def _show(markdown: str) -> None:
    """Display Markdown where a front end can; IPython is asked only if the program has it already."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if getattr(shell, "kernel", None) is None:
        sys.stdout.write(markdown)
        return
    from IPython.display import display

    display({"text/markdown": markdown, "text/plain": markdown}, raw=True)
