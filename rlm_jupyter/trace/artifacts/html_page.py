"""A run as one HTML file, which opens from disk: nothing is fetched, and only our own script runs.

Question, answer and steps stand in it as they are, for readers without scripts and for paper; the script puts in the
steps' place the tree on one clock, with search. What models and code wrote is escaped in the one part, and in the other
data that the script sets as text. The policy at the top allows this script, by its hash, and ``data:`` pictures.
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from collections.abc import Iterator
from datetime import datetime, timezone
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any

from rlm_jupyter.core.observation import head_and_tail
from rlm_jupyter.trace.schema import ContextRecord
from rlm_jupyter.trace.trace import Trace

from .excerpt import ANSWER_SHOWN, error_text
from .facts import (
    child_count,
    cost_of,
    cost_text,
    is_cached,
    is_out_of_iterations,
    outcome_text,
    seconds_text,
    subcall_count,
    tokens_of,
)
from .figures import Figures
from .html_summary import markdown_html, steps_html
from .inert import without_controls
from .page_parts import context_line
from .page_spans import page_spans

__all__ = ["html_page"]

_FIGURE_LIMIT = 6_000_000  # characters of base64
_FIGURES_LIMIT = 30_000_000
_TITLE = 120  # characters
_QUESTION = 300
_QUESTION_WHOLE = 100_000
_PREVIEW = 2_000
_CONTEXTS = 50


def html_page(trace: Trace) -> str:
    """Return the run as a page of its own. Raises ``ValueError`` for a trace that has no run."""
    page = "\n".join(_page(trace)) + "\n"
    return page.encode("utf-8", "replace").decode("utf-8")


def _page(trace: Trace) -> Iterator[str]:
    script = _asset("page.js")
    digest = b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:;"
        " base-uri 'none'; form-action 'none'"
    )
    title = _text(" ".join(head_and_tail(trace.run.question, _QUESTION).split())[:_TITLE])
    figures = Figures(_FIGURE_LIMIT, _FIGURES_LIMIT, named=True)
    yield '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield '<meta name="color-scheme" content="light dark">\n<meta name="referrer" content="no-referrer">'
    yield f"<title>{title}</title>\n<style>\n{_asset('page.css')}</style>\n</head>\n<body>\n<main>"
    yield from _header(trace)
    yield from _answer(trace)
    yield '<section class="steps" aria-labelledby="steps">\n<h2 id="steps">Steps</h2>'
    yield f'<div id="static">{steps_html(trace, figures)}</div>\n</section>\n</main>'
    yield f'<script type="application/json" id="run">{_json(page_spans(trace, figures))}</script>'
    yield f"<script>{script}</script>\n</body>\n</html>"


def _header(trace: Trace) -> Iterator[str]:
    question = trace.run.question.strip()
    yield '<header class="top">'
    if len(question) <= _QUESTION:
        yield f"<h1>{_text(question)}</h1>"
    else:
        yield f"<h1>{_text(question[:_QUESTION])}…</h1>"
        whole = _text(head_and_tail(question, _QUESTION_WHOLE))
        yield f"<details><summary>the whole question</summary><pre>{whole}</pre></details>"
    status = "spent" if is_out_of_iterations(trace) else trace.status or "running"
    yield f'<p class="state"><span class="dot" data-status="{status}"></span> {_text(_state(trace))}</p>'
    if trace.damage:
        yield f'<p class="error">{_text(trace.damage)}</p>'
    yield '<dl class="totals">'
    for name, value in _totals(trace):
        yield f"<div><dt>{name}</dt><dd>{_text(value)}</dd></div>"
    yield "</dl>"
    yield from _contexts(trace.run.contexts)
    yield from _origin(trace)
    yield "</header>"


def _state(trace: Trace) -> str:
    return f"{outcome_text(trace)} · {trace.run.model}"


def _totals(trace: Trace) -> Iterator[tuple[str, str]]:
    yield "iterations", f"{len(trace.iterations):,} of {trace.run.max_iterations:,}"
    yield "sub-calls", f"{subcall_count(trace):,}"
    if children := child_count(trace):
        yield "child runs", f"{children:,}"
    if cached := sum(is_cached(span) for span in trace.walk()):
        yield "calls cached", f"{cached:,}"
    for name, count in zip(("tokens in", "tokens out"), tokens_of(trace), strict=True):
        yield name, "unknown" if count is None else f"{count:,}"
    yield "cost", cost_text(cost_of(trace))
    yield "time", seconds_text(trace.root.seconds if trace.root is not None else None)


def _contexts(contexts: list[ContextRecord]) -> Iterator[str]:
    for record in contexts[:_CONTEXTS]:
        preview = _text(head_and_tail(record.preview, _PREVIEW))
        yield f"<details><summary>{_text(head_and_tail(context_line(record), _QUESTION))}</summary>"
        yield f"<pre>{preview or '(no preview)'}</pre></details>"
    if len(contexts) > _CONTEXTS:
        yield f"<p>… and {len(contexts) - _CONTEXTS:,} more</p>"


def _origin(trace: Trace) -> Iterator[str]:
    run = trace.run
    origin = {
        "run": trace.run_id,
        "session": run.session_id,
        "turn": str(run.turn) if run.turn is not None else None,
        "takes up": run.resumes,
        "notebook": run.notebook,
        "began": _time(trace.root.start.started) if trace.root is not None else None,
        "backend": run.backend,
        "environment": run.environment,
        "versions": ", ".join(f"{name} {version}" for name, version in run.versions.items()),
    }
    yield '<details><summary>about this run</summary><dl class="pairs">'
    for name, value in origin.items():
        if value:
            yield f"<div><dt>{name}</dt><dd>{_text(head_and_tail(value, _PREVIEW))}</dd></div>"
    yield "</dl></details>"


def _answer(trace: Trace) -> Iterator[str]:
    outcome, answer = trace.outcome, trace.answer or ""
    error = outcome.error if outcome is not None else None
    if not answer and error is None:
        return
    heading = "Answer" if trace.status == "ok" else "Partial answer" if answer else "No answer"
    yield f'<section class="answer" aria-labelledby="answer">\n<h2 id="answer">{heading}</h2>'
    if answer:
        yield f'<div class="prose">{markdown_html(head_and_tail(answer, ANSWER_SHOWN))}</div>'
    if len(answer) > ANSWER_SHOWN:
        yield f"<p>Of {len(answer):,} characters the first and the last; the steps have more of them.</p>"
    if error is not None:
        yield f'<pre class="error">{_text(error_text(error))}</pre>'
    yield "</section>"


def _time(seconds: float) -> str | None:
    try:
        return datetime.fromtimestamp(seconds, tz=timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return None


def _text(text: str) -> str:
    return escape(without_controls(text))


def _json(value: Any) -> str:
    """Return JSON that cannot end the element that it stands in, nor begin another."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


@cache
def _asset(name: str) -> str:
    return (files(__package__) / "page" / name).read_text(encoding="utf-8")
