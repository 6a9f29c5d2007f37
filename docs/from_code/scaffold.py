"""scaffold.md: what model code finds in its namespace."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

from rlm_jupyter.core.protocols import Queries
from rlm_jupyter.environments.scaffold import QUERY_NAMES, RESERVED_NAMES, Answer, scaffold_names

from .markdown import code, paragraphs, table, text

__all__ = ["scaffold_page"]

_VALUES = {
    "context": "What the question is about, by reference: the first context of the REPL.",
    "context_N": "The contexts of a REPL that is kept, from 0. The message with the question says which is meant.",
    "completion_context": "What this very question is about, whichever number it has.",
    "history": "The whole conversation of the run with its model, where it was summed up (`compaction`), else the "
    "first of the histories that were added; without either it is not there.",
    "history_N": "The histories that were added to a REPL that is kept, from 0.",
    "session_context_N": "In a session: what its question number N was about, from 0.",
    "context_history": "In a session: what its questions were about, a list, this question's last.",
    "session_history": "In a session: the messages of each earlier turn, a list of lists.",
    "answer": 'The answer: a dict. `answer["content"] = ...` is the answer so far, `answer["ready"] = True` ends the '
    "run with it.",
}
"""The names that hold values; those that are called are described by their docstrings."""

_WHERE = re.compile(r": ``\w+`` in model code")


def scaffold_page() -> str:
    """Return the page. Raises ``KeyError`` for a name of the scaffold of which nothing is said."""
    calls = _calls()
    missing = RESERVED_NAMES - calls.keys() - _VALUES.keys()
    if missing:
        raise KeyError(*missing)
    return paragraphs(
        "# In model code",
        "Model code finds these names in its namespace, in every [environment](../guides/environments.md). They are "
        "laid over yours for the length of a run and lifted after it, also after an error. What the model is told "
        "about them is told in [what the model sees](../concepts/what-the-model-sees.md).",
        "## Calls",
        table(("call", "what it does"), (_row(name, call) for name, call in calls.items())),
        "A prompt is a text, or a list of texts and pictures. `model` names [another model](../guides/models.md). "
        "With a `max_depth` of 1, `rlm_query` is a plain call of a model: child runs begin at 2.",
        "## Values",
        table(("name", "what it is"), ((code(name), about) for name, about in _VALUES.items())),
        "All these names are reserved: `custom_tools` cannot take them. After a cell that overwrote one, it is back.",
    )


def _calls() -> dict[str, Callable[..., Any]]:
    """Return what of the scaffold can be called, the queries first."""
    queries: Any = Queries
    made = scaffold_names(queries, Answer({}), dict)
    first = {name: getattr(Queries, name) for name in QUERY_NAMES}
    return {**first, **{name: value for name, value in made.items() if callable(value) and name not in first}}


def _row(name: str, call: Callable[..., Any]) -> tuple[str, str]:
    return code(f"{name}{_signature(call)}"), _about(call)


def _signature(call: Callable[..., Any]) -> str:
    told = []
    for parameter in inspect.signature(call).parameters.values():
        if parameter.name != "self":
            default = "" if parameter.default is parameter.empty else f"={parameter.default!r}"
            told.append(f"{parameter.name}{default}")
    return f"({', '.join(told)})"


def _about(call: Callable[..., Any]) -> str:
    told = text(_WHERE.sub("", " ".join(inspect.cleandoc(call.__doc__ or "").split())))
    if inspect.iscoroutinefunction(call):
        return f"To be awaited. {told}"
    return told
