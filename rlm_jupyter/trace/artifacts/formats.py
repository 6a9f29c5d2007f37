"""Every format that a run can be had in: a new one is added here, and is then served, listed and documented.

Each is a pure function of the trace, and imported when it is first rendered.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import Any

from rlm_jupyter.trace.trace import Trace

__all__ = ["FORMATS", "Format"]

_BODY = "max-width:60em;margin:1.5em auto;padding:0 1em;font-family:system-ui,sans-serif;line-height:1.4"


@dataclass(frozen=True, slots=True)
class Format:
    """A rendering of a trace: what it is called, what a file of it is, and how it is made."""

    name: str
    media_type: str
    extension: str
    """How the name of such a file ends, the dot included."""
    summary: str
    """What it is for, in a sentence."""
    render: Callable[[Trace], str]
    """Raises ``ValueError`` for a trace that has no run."""


def _notebook(trace: Trace) -> str:
    return _json(trace.to_notebook(), indent=1)


def _markdown(trace: Trace) -> str:
    return trace.to_markdown()


def _html(trace: Trace) -> str:
    from .html_summary import html_summary

    question = " ".join(trace.run.question.split())
    title = escape(question if len(question) <= 120 else f"{question[:120]}…")
    head = f'<meta charset="utf-8"><meta name="color-scheme" content="light dark"><title>{title}</title>'
    body = f'<h1 style="font-size:1.3em">{title}</h1>{html_summary(trace)}'
    return f'<!DOCTYPE html>\n<html><head>{head}</head><body style="{_BODY}">{body}</body></html>\n'


def _jsonl(trace: Trace) -> str:
    return trace.to_jsonl()


def _trajectory(trace: Trace) -> str:
    from .trajectory import trajectory

    return _json(trajectory(trace))


def _display(trace: Trace) -> str:
    return _json(trace.mimebundle())


def _json(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent) + "\n"


_ALL = (
    Format(
        "notebook",
        "application/x-ipynb+json",
        ".trace.ipynb",
        "A notebook that shows the run and runs again: prose, code cells with their outputs, sub-calls.",
        _notebook,
    ),
    Format("markdown", "text/markdown", ".md", "The run as a text to read.", _markdown),
    Format("html", "text/html", ".html", "The answer, and the steps folded below it: one file, no scripts.", _html),
    Format("jsonl", "application/x-ndjson", ".jsonl", "The trace itself, one event a line; nothing is lost.", _jsonl),
    Format(
        "trajectory",
        "application/json",
        ".trajectory.json",
        "The run under the names that the field uses: run_metadata and iterations with their code blocks.",
        _trajectory,
    ),
    Format("display", "application/json", ".display.json", "What a notebook's cell shows, by MIME type.", _display),
)

FORMATS: dict[str, Format] = {form.name: form for form in _ALL}
"""The formats by name."""
