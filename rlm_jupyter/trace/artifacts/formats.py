"""Every format that a run can be had in: a new one is added here, and is then served, listed and documented.

Each is a pure function of the trace, and imported when it is first rendered.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rlm_jupyter.trace.trace import Trace

__all__ = ["FORMATS", "Format", "Option", "format_named"]


@dataclass(frozen=True, slots=True)
class Option:
    """A yes or no that a format asks for."""

    default: bool
    summary: str
    """What it does, in a sentence."""


def _nothing(_trace: Trace, **_options: bool) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Format:
    """A rendering of a trace: what it is called, what a file of it is, and how it is made."""

    name: str
    media_type: str
    extension: str
    """How the name of such a file ends, the dot included."""
    summary: str
    """What it is for, in a sentence."""
    render: Callable[..., str]
    """Called with the trace, and with options by name."""
    options: Mapping[str, Option] = field(default_factory=dict)
    """What may be said about it, by name; each has a default."""
    left_out: Callable[..., str | None] = _nothing
    """Called as ``render`` is: says in a sentence what of the trace a file of this format leaves out, if anything."""

    def export(self, trace: Trace, **options: bool) -> str:
        """Return the trace in this format.

        Raises ``ValueError`` for an option that it does not have, and for a trace that has no run.
        """
        self.check(options)
        _ = trace.run
        return self.render(trace, **options)

    def check(self, options: Mapping[str, object]) -> None:
        """Raise ``ValueError`` for an option that the format does not have, and for one that is not true or false."""
        for name, value in options.items():
            if name not in self.options:
                has = f"It has {', '.join(self.options)}." if self.options else "It has none."
                msg = f"The format {self.name} has no option {name!r}. {has}"
                raise ValueError(msg)
            if not isinstance(value, bool):
                msg = f"The option {name} of the format {self.name} is True or False, not {value!r}."
                raise ValueError(msg)


def _notebook(trace: Trace) -> str:
    return _json(trace.to_notebook(), indent=1)


def _markdown(trace: Trace) -> str:
    return trace.to_markdown()


def _html(trace: Trace) -> str:
    from .html_page import html_page

    return html_page(trace)


def _jsonl(trace: Trace) -> str:
    return trace.to_jsonl()


def _trajectory(trace: Trace) -> str:
    from .trajectory import trajectory

    return _json(trajectory(trace))


def _display(trace: Trace) -> str:
    return _json(trace.mimebundle())


def _rlms(trace: Trace) -> str:
    from .upstream_log import upstream_log

    return upstream_log(trace)


def _chat(trace: Trace, **options: bool) -> str:
    from .chat import chats

    return chats(trace, **options).to_jsonl()


def _not_in_chat(trace: Trace, **options: bool) -> str | None:
    from .chat import chats

    return chats(trace, **options).left_out


def _otlp(trace: Trace, **options: bool) -> str:
    from .otlp import to_otlp

    return to_otlp(trace, **options)


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
    Format(
        "html",
        "text/html",
        ".html",
        "A page that opens from disk: answer, call tree on one clock, every text, search.",
        _html,
    ),
    Format("jsonl", "application/x-ndjson", ".jsonl", "The trace itself, one event a line; nothing is lost.", _jsonl),
    Format(
        "trajectory",
        "application/json",
        ".trajectory.json",
        "The run under the names that the field uses: run_metadata and iterations with their code blocks.",
        _trajectory,
    ),
    Format(
        "rlms",
        "application/x-ndjson",
        ".rlms.jsonl",
        "The log of PyPI's rlms, for its visualizer; each iteration repeats the messages before it, so it grows fast.",
        _rlms,
    ),
    Format(
        "chat",
        "application/x-ndjson",
        ".chat.jsonl",
        "Conversations to fine-tune a model on, in OpenAI's chat format: one a line, runs without an answer left out.",
        _chat,
        {
            "subcalls": Option(default=False, summary="Also a line for each sub-call: its prompt and its reply."),
            "unanswered": Option(default=False, summary="Also runs that failed or were cut, up to their last reply."),
        },
        _not_in_chat,
    ),
    Format(
        "otlp",
        "application/json",
        ".otlp.json",
        "OpenTelemetry's spans with OpenInference's attributes, as a collector takes them at v1/traces.",
        _otlp,
        {"capture_content": Option(default=True, summary="With texts; without, only names, counts and times.")},
    ),
    Format("display", "application/json", ".display.json", "What a notebook's cell shows, by MIME type.", _display),
)

FORMATS: dict[str, Format] = {form.name: form for form in _ALL}
"""The formats by name."""


def format_named(name: str) -> Format:
    """Return a format. Raises ``ValueError`` that lists all when there is none of this name."""
    form = FORMATS.get(name)
    if form is None:
        msg = f"There is no format {name!r}. There are: {', '.join(FORMATS)}."
        raise ValueError(msg)
    return form
