"""A run as HTML: the answer, and its steps folded below.

No script, no style sheet and nothing remote, since front ends strip them. Colours are JupyterLab's variables, and where
there are none the page's own colour, made fainter: readable on light and on dark.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from rlm_jupyter.core.observation import head_and_tail
from rlm_jupyter.trace.trace import Span, Trace

from .excerpt import answer_excerpt, error_text
from .facts import (
    code_of,
    count_text,
    error_of,
    iteration_title,
    prose_of,
    reply_to,
    run_line,
    seconds_text,
    status_text,
    token_counts,
    tokens_text,
)
from .inert import without_controls
from .outputs import notebook_outputs, output_text

__all__ = ["html_summary"]

_ITERATIONS_SHOWN = 100
_CODE_LIMIT = 4_000  # characters
_TEXT_LIMIT = 2_000

_FAINT = "color:var(--jp-ui-font-color2,inherit);opacity:.8"
_ERROR = "color:var(--jp-error-color1,#d32f2f)"
_PRE = (
    "margin:4px 0;padding:6px 8px;overflow:auto;max-height:24em;white-space:pre-wrap;word-break:normal;"
    "overflow-wrap:anywhere;color:inherit;background:rgba(128,128,128,.1);"
    "border:1px solid var(--jp-border-color2,rgba(128,128,128,.35));"
    "font-family:var(--jp-code-font-family,monospace);font-size:.92em"
)


def html_summary(trace: Trace) -> str:
    """Return the answer and the folded steps as one piece of HTML; what models and code wrote is escaped."""
    return f'<div class="rlm-run">{"".join(_parts(trace))}</div>'


def _parts(trace: Trace) -> Iterator[str]:
    answer, remark = answer_excerpt(trace)
    if answer:
        yield f'<div class="rlm-answer">{_rendered(answer)}</div>'
    if remark:
        yield f'<p style="{_FAINT}">{_text(remark)}</p>'
    error = trace.outcome.error if trace.outcome is not None else None
    if error is not None:
        yield f'<p style="{_ERROR}"><b>{status_text(trace.status)}</b>: {_text(error_text(error))}</p>'
    yield f'<details><summary style="{_FAINT}">{_text(run_line(trace))}</summary>'
    yield '<div style="margin-left:1em">'
    for iteration in trace.iterations[:_ITERATIONS_SHOWN]:
        yield from _iteration(trace, iteration)
    left_out = len(trace.iterations) - _ITERATIONS_SHOWN
    if left_out > 0:
        yield f'<p style="{_FAINT}">… and {count_text(left_out, "more iteration")}</p>'
    yield "</div></details>"


def _iteration(trace: Trace, iteration: Span) -> Iterator[str]:
    blocks = [span for span in iteration.children if span.kind == "code"]
    calls = [span for block in blocks for span in block.walk() if span.kind == "subcall"]
    facts = [iteration_title(iteration), count_text(len(blocks), "block"), count_text(len(calls), "sub-call")]
    facts += [tokens_text(token_counts(iteration.walk())), seconds_text(iteration.seconds)]
    yield f"<details><summary>{_text(' · '.join(facts))}</summary>"
    codes = [code_of(block) for block in blocks]
    for call in iteration.children:
        if call.kind == "model_call":
            prose = prose_of(reply_to(trace, call), codes)
            yield f'<p style="white-space:pre-wrap">{_text(head_and_tail(prose, _TEXT_LIMIT))}</p>' if prose else ""
            yield from _error(call)
    for block in blocks:
        yield f'<pre style="{_PRE}"><code>{_text(head_and_tail(code_of(block), _CODE_LIMIT))}</code></pre>'
        for output in notebook_outputs(block):
            name, text = output_text(output)
            yield f'<pre style="{_PRE}" title="{name}">{_text(head_and_tail(text, _TEXT_LIMIT))}</pre>'
    yield "</details>"


def _error(span: Span) -> Iterator[str]:
    error = error_of(span)
    if error is not None:
        yield f'<p style="{_ERROR}">{_text(error_text(error))}</p>'


def _text(text: str) -> str:
    return escape(without_controls(text))


def _rendered(markdown: str) -> str:
    """Return Markdown as HTML: HTML in it is shown as text, images are not loaded, script links are no links."""
    from markdown_it import MarkdownIt

    parser = MarkdownIt("js-default", {"html": False, "linkify": False}).disable("image")
    # Front ends give an output's <pre> no room and break its words; there is no style sheet to say otherwise.
    return str(parser.render(without_controls(markdown))).replace("<pre>", f'<pre style="{_PRE}">')
