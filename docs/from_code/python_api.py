"""python.md: the Python API. Sphinx's autodoc writes its text; this decides what stands there, and in which order."""

from __future__ import annotations

from importlib.metadata import distribution
from typing import Any

import rlm_jupyter

from .markdown import code, paragraphs

__all__ = ["python_page"]

_ASK = ("RLM", "RLMSession", "Cache", "RLMLogger")
_RESULTS = ("RLMChatCompletion", "UsageSummary", "ModelUsageSummary", "REPLResult")
_ENVIRONMENTS = ("LocalREPL", "JupyterREPL", "IPythonREPL", "get_environment")
_TRACES = (
    "Trace",
    "read_traces",
    "replay",
    "play",
    "played",
    "enable_trace_notebook",
    "start_trace_writer",
    "stop_trace_writer",
    "render_completion",
    "export_otel",
    "OTelExporter",
)
_EXTENSION = ("load_ipython_extension", "unload_ipython_extension")

_NEIGHBOURS = {
    "Results": ("rlm_jupyter.session.Turn", "rlm_jupyter.core.results.CellError", "rlm_jupyter.core.usage.Usage"),
    "Traces": (
        "rlm_jupyter.playback.report.ReplayReport",
        "rlm_jupyter.playback.differences.Difference",
        "rlm_jupyter.trace.diff.TraceDiff",
        "rlm_jupyter.trace.notebooks.following.TraceWriter",
        "rlm_jupyter.playback.pytest_plugin.rlm_replay",
    ),
}
"""What those names return or take, and has no name in the package itself."""

_PROTOCOLS = (
    "rlm_jupyter.core.protocols.Client",
    "rlm_jupyter.core.protocols.ModelRequest",
    "rlm_jupyter.core.protocols.ModelReply",
    "rlm_jupyter.core.protocols.Message",
    "rlm_jupyter.core.protocols.Attempts",
    "rlm_jupyter.core.protocols.Environment",
    "rlm_jupyter.SupportsPersistence",
    "rlm_jupyter.core.results.NamespaceChanges",
    "rlm_jupyter.core.protocols.Queries",
)


def python_page() -> str:
    """Return the page."""
    sections = {
        "Asking": _ASK,
        "Results": _RESULTS,
        "Environments": _ENVIRONMENTS,
        "Traces": _TRACES,
        "IPython": _EXTENSION,
    }
    errors = [name for name in rlm_jupyter.__all__ if _is_error(name)]
    named = {"SupportsPersistence", "__version__", *errors, *(name for each in sections.values() for name in each)}
    rest = [name for name in rlm_jupyter.__all__ if name not in named]
    parts = []
    for title, names in {**sections, "More": tuple(rest)}.items():
        if names:
            parts += [f"## {title}", _autodoc(*(f"rlm_jupyter.{name}" for name in names), *_NEIGHBOURS.get(title, ()))]
    return paragraphs(
        "# Python",
        "What `rlm_jupyter` has; how it is used is told in [the library](../guides/library.md). The text below is "
        "that of the docstrings, which the built documentation shows and `help()` too. `rlm_jupyter.__version__` is "
        "the release.",
        *parts,
        "## Errors",
        f"{', '.join(map(code, errors))}: see [errors](errors.md).",
        "## Clients",
        "What a backend of ours is made with (`backend_kwargs`), by its name. More about them: "
        "[models](../guides/models.md).",
        *_plugins("rlm_jupyter.clients"),
        "## Plugins",
        "A class that is registered in the entry-point group `rlm_jupyter.clients` or `rlm_jupyter.environments` can "
        "be chosen by its name. It fulfils `Client`, or `Environment` and, to be kept from one question to the next, "
        "`SupportsPersistence`. How one is written: [a client](../guides/models.md#a-client-of-your-own), [an "
        "environment](../guides/environments.md).",
        _autodoc(*_PROTOCOLS),
    )


def _plugins(group: str) -> list[str]:
    """Return what this distribution registers in an entry-point group, each under its name."""
    found = [point for point in distribution("rlm-jupyter").entry_points if point.group == group]
    parts = []
    for point in sorted(found, key=lambda each: each.name):
        parts += [f"### `{point.name}`", _autodoc(point.value.replace(":", "."), members=False)]
    return parts


def _autodoc(*paths: str, members: bool = True) -> str:
    return "```{eval-rst}\n" + "\n\n".join(_directive(path, members=members) for path in paths) + "\n```"


def _directive(path: str, *, members: bool) -> str:
    if not isinstance(_object(path), type):
        return f".. autofunction:: {path}"
    options = ["   :members:"] if members and not _has_many(path) else []
    return "\n".join([f".. autoclass:: {path}", *options])


def _has_many(path: str) -> bool:
    """Return whether it is one of our environments: what those have in common, the protocol says."""
    return path.rpartition(".")[2] in _ENVIRONMENTS


def _object(path: str) -> Any:
    from importlib import import_module

    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)


def _is_error(name: str) -> bool:
    found = getattr(rlm_jupyter, name)
    return isinstance(found, type) and issubclass(found, BaseException)
