"""A run as HTML: the answer, and its steps folded below.

No script, no style sheet and nothing remote, since front ends strip them. Small figures stand where they were shown.
Colours are JupyterLab's variables, and where there are none the page's own colour, made fainter: readable on light and
on dark.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from rlm_jupyter.core.observation import head_and_tail
from rlm_jupyter.trace.trace import Span, Trace

from .children import LISTED, child_line, children_of, children_text, shown_in_full
from .excerpt import answer_excerpt, error_text
from .facts import (
    code_of,
    compaction_text,
    count_text,
    error_of,
    is_compaction,
    iteration_title,
    prose_of,
    rejection_of,
    reply_to,
    run_line,
    seconds_text,
    status_text,
    token_counts,
    tokens_text,
)
from .figures import Figures, figure_forms, figures_in
from .inert import without_controls
from .outputs import notebook_outputs, output_text
from .review import notes_of, proposed_code, review_of, review_text

__all__ = ["html_summary", "markdown_html", "steps_html"]

_STEPS_SHOWN = 100
_STEPS_OF_CHILD_SHOWN = 20
_CODE_LIMIT = 4_000  # characters
_TEXT_LIMIT = 2_000
_CHILD_LIMIT = 1_000  # characters of each text in a child run
_CHILDREN_IN_FULL = 40  # of the whole tree: a display is kept in the user's notebook

_FIGURE_LIMIT = 64_000  # characters of base64, for it stands in the user's notebook, and once more in its trace
_FIGURES_LIMIT = 256_000

_FAINT = "opacity:.7"
_ERROR = "color:var(--jp-error-color1,#d32f2f)"
_PRE = (
    "margin:4px 0;padding:6px 8px;overflow:auto;max-height:24em;white-space:pre-wrap;word-break:normal;"
    "overflow-wrap:anywhere;color:inherit;background:rgba(128,128,128,.1);"
    "border:1px solid var(--jp-border-color2,rgba(128,128,128,.35));"
    "font-family:var(--jp-code-font-family,monospace);font-size:.92em"
)
_CODE = "background:none"  # front ends give code a ground of its own, which would be a stripe on that of the <pre>


# Any other scheme starts some program with what a model wrote, and a relative link leads into the reader's own files.
_LINK = re.compile(r"(?:https?://|mailto:)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Page:
    """What holds for the whole of it: which child runs are shown and not only listed, and with which pictures."""

    full: frozenset[str]
    figures: Figures


def html_summary(trace: Trace) -> str:
    """Return the answer and the folded steps as one piece of HTML; what models and code wrote is escaped."""
    return f'<div class="rlm-run">{"".join(_parts(trace))}</div>'


def steps_html(trace: Trace, figures: Figures) -> str:
    """Return what a run did, step by step, each folded."""
    full = frozenset(child.span_id for child in trace.children[:_CHILDREN_IN_FULL])
    return "".join(_steps(trace, _Page(full, figures), 0))


def markdown_html(markdown: str) -> str:
    """Return Markdown as HTML: HTML in it is shown as text, images are not loaded, links lead to the web or nowhere."""
    from markdown_it import MarkdownIt

    parser = MarkdownIt("js-default", {"html": False, "linkify": False}).disable("image")
    parser.validateLink = lambda url: _LINK.match(url) is not None  # type: ignore[method-assign]
    rendered = str(parser.render(without_controls(markdown))).replace("<a href=", '<a rel="noopener noreferrer" href=')
    # Front ends give an output's <pre> no room and break its words; there is no style sheet to say otherwise.
    return rendered.replace("<pre><code", f'<pre style="{_PRE}"><code style="{_CODE}"')


def _parts(trace: Trace) -> Iterator[str]:
    answer, remark = answer_excerpt(trace)
    if answer:
        yield f'<div class="rlm-answer">{markdown_html(answer)}</div>'
    if remark:
        yield f'<p style="{_FAINT}">{_text(remark)}</p>'
    error = trace.outcome.error if trace.outcome is not None else None
    if error is not None:
        yield f'<p style="{_ERROR}"><b>{status_text(trace.status)}</b>: {_text(error_text(error))}</p>'
    yield f'<details><summary style="{_FAINT}">{_text(run_line(trace))}</summary>'
    yield '<div style="margin-left:1em">'
    yield steps_html(trace, Figures(_FIGURE_LIMIT, _FIGURES_LIMIT, svg=False))
    yield "</div></details>"


def _steps(trace: Trace, page: _Page, depth: int) -> Iterator[str]:
    """Tell what a run did, in its order."""
    shown = _STEPS_OF_CHILD_SHOWN if depth else _STEPS_SHOWN
    if trace.root is None:
        return
    steps = [span for span in trace.root.children if span.kind == "iteration" or is_compaction(span)]
    for span in steps[:shown]:
        yield from _compaction(span) if is_compaction(span) else _iteration(trace, span, page, depth)
    if len(steps) > shown:
        yield f'<p style="{_FAINT}">… and {count_text(len(steps) - shown, "more step")}</p>'
    yield from _children(trace, children_of(trace.root), page, depth + 1)


def _iteration(trace: Trace, iteration: Span, page: _Page, depth: int) -> Iterator[str]:
    blocks = [span for span in iteration.children if span.kind == "code"]
    yield f"<details><summary>{_text(' · '.join(_iteration_facts(iteration, blocks)))}</summary>"
    codes = [proposed_code(block) for block in blocks]
    limit = _CHILD_LIMIT if depth else _TEXT_LIMIT
    if notes := "\n".join(notes_of(iteration)):
        yield f'<p style="white-space:pre-wrap;{_FAINT}">{_text(head_and_tail(notes, limit))}</p>'
    for call in iteration.children:
        if is_compaction(call):
            yield from _compaction(call)
        elif call.kind == "model_call":
            prose = prose_of(reply_to(trace, call), codes)
            yield f'<p style="white-space:pre-wrap">{_text(head_and_tail(prose, limit))}</p>' if prose else ""
            yield from _error(call)
    for block in blocks:
        code = head_and_tail(code_of(block), _CHILD_LIMIT if depth else _CODE_LIMIT)
        yield from _review(block, _CHILD_LIMIT if depth else _CODE_LIMIT)
        yield f'<pre style="{_PRE}"><code style="{_CODE}">{_text(code)}</code></pre>'
        for output in notebook_outputs(block):
            name, text = output_text(output, figure_forms(output))
            yield f'<pre style="{_PRE}" title="{name}">{_text(head_and_tail(text, limit))}</pre>' if text else ""
            yield from page.figures.html(figures_in(output))
        yield from _children(trace, children_of(block), page, depth + 1)
    yield from _children(trace, children_of(iteration), page, depth + 1)
    if complaint := rejection_of(iteration):
        told = _text(head_and_tail(complaint, limit))
        yield f'<p style="{_ERROR}"><b>The answer was not accepted</b>: {told}</p>'
    yield "</details>"


def _review(block: Span, limit: int) -> Iterator[str]:
    if review := review_of(block):
        yield f'<p style="{_FAINT}">{_text(review_text(block))}</p>'
    if review == "edited":
        proposed = _text(head_and_tail(proposed_code(block), limit))
        yield f'<details><summary style="{_FAINT}">the code that the model proposed</summary>'
        yield f'<pre style="{_PRE}"><code style="{_CODE}">{proposed}</code></pre></details>'


def _iteration_facts(iteration: Span, blocks: Sequence[Span]) -> list[str]:
    calls = [span for block in blocks for span in block.walk() if span.kind == "subcall"]
    children = [span for block in blocks for span in block.walk() if span.kind == "run"]
    facts = [iteration_title(iteration), count_text(len(blocks), "block"), count_text(len(calls), "sub-call")]
    facts += [count_text(len(children), "child run")] if children else []
    return [*facts, tokens_text(token_counts(iteration.walk())), seconds_text(iteration.seconds)]


def _children(trace: Trace, children: Sequence[Span], page: _Page, depth: int) -> Iterator[str]:
    """List the child runs that a block started; the first of them unfold to what they did."""
    if not children:
        return
    yield f"<details><summary>{_text(children_text(children))}</summary>"
    yield '<div style="margin-left:1em">'
    for number, span in enumerate(children[:LISTED], 1):
        child = trace.part(span.span_id)
        line = f"{number}. {_text(child_line(child))}"
        if number > shown_in_full(depth) or span.span_id not in page.full:
            yield f"<div>{line}</div>"
            continue
        yield f"<details><summary>{line}</summary>"
        yield '<div style="margin-left:1em">'
        yield f'<pre style="{_PRE}" title="question">{_text(head_and_tail(child.run.question, _CHILD_LIMIT))}</pre>'
        yield from _steps(child, page, depth)
        answer = head_and_tail(child.answer or "", _CHILD_LIMIT)
        yield f'<div class="rlm-answer">{markdown_html(answer)}</div>' if answer else ""
        yield from _error(span)
        yield "</div></details>"
    if len(children) > LISTED:
        yield f'<p style="{_FAINT}">… and {len(children) - LISTED:,} more</p>'
    yield "</div></details>"


def _compaction(call: Span) -> Iterator[str]:
    yield f'<p style="{_FAINT}">{_text(compaction_text(call))}</p>'


def _error(span: Span) -> Iterator[str]:
    error = error_of(span)
    if error is not None:
        yield f'<p style="{_ERROR}">{_text(error_text(error))}</p>'


def _text(text: str) -> str:
    return escape(without_controls(text))
