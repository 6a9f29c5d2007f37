"""Recursive Language Models in the user's own Jupyter kernel.

The front door (``RLM``, ``RLMSession``) stands in this folder; ``core`` holds the loop and ``runs`` performs it,
``clients`` are the models, ``environments`` the places where code runs, ``trace`` is what happened, and ``magics`` the
notebook's ``%rlm`` and ``%%rlm``. Names are imported at first use, so that importing the package costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from .clients.cache import Cache
    from .core.errors import (
        AnswerFormatError,
        BudgetExceededError,
        CancellationError,
        ClientError,
        ConfigurationError,
        ErrorThresholdExceededError,
        InterruptedRun,
        RLMError,
        TimeoutExceededError,
        TokenLimitExceededError,
    )
    from .core.protocols import SupportsPersistence
    from .core.results import REPLResult, RLMChatCompletion
    from .core.usage import ModelUsageSummary, UsageSummary
    from .environments.choice import get_environment
    from .environments.ipython import IPythonREPL
    from .environments.jupyter import JupyterREPL
    from .environments.local import LocalREPL
    from .playback.play import play, played
    from .playback.rerun import replay
    from .rlm import RLM
    from .session import RLMSession
    from .trace.files.opened import TraceFileError, read_traces
    from .trace.logger import RLMLogger
    from .trace.notebooks.following import (
        enable_trace_notebook,
        render_completion,
        start_trace_writer,
        stop_trace_writer,
    )
    from .trace.otel import OTelExporter, OTelExportError, export_otel
    from .trace.trace import Trace

__all__ = [
    "RLM",
    "AnswerFormatError",
    "BudgetExceededError",
    "Cache",
    "CancellationError",
    "ClientError",
    "ConfigurationError",
    "ErrorThresholdExceededError",
    "IPythonREPL",
    "InterruptedRun",
    "JupyterREPL",
    "LocalREPL",
    "ModelUsageSummary",
    "OTelExportError",
    "OTelExporter",
    "REPLResult",
    "RLMChatCompletion",
    "RLMError",
    "RLMLogger",
    "RLMSession",
    "SupportsPersistence",
    "TimeoutExceededError",
    "TokenLimitExceededError",
    "Trace",
    "TraceFileError",
    "UsageSummary",
    "__version__",
    "enable_trace_notebook",
    "export_otel",
    "get_environment",
    "load_ipython_extension",
    "play",
    "played",
    "read_traces",
    "render_completion",
    "replay",
    "start_trace_writer",
    "stop_trace_writer",
    "unload_ipython_extension",
]

_MODULES = {
    "RLM": "rlm",
    "RLMSession": "session",
    "Cache": "clients.cache",
    "AnswerFormatError": "core.errors",
    "BudgetExceededError": "core.errors",
    "ErrorThresholdExceededError": "core.errors",
    "TimeoutExceededError": "core.errors",
    "TokenLimitExceededError": "core.errors",
    "CancellationError": "core.errors",
    "ClientError": "core.errors",
    "ConfigurationError": "core.errors",
    "InterruptedRun": "core.errors",
    "RLMError": "core.errors",
    "REPLResult": "core.results",
    "RLMChatCompletion": "core.results",
    "ModelUsageSummary": "core.usage",
    "UsageSummary": "core.usage",
    "SupportsPersistence": "core.protocols",
    "IPythonREPL": "environments.ipython",
    "JupyterREPL": "environments.jupyter",
    "LocalREPL": "environments.local",
    "get_environment": "environments.choice",
    "play": "playback.play",
    "played": "playback.play",
    "replay": "playback.rerun",
    "RLMLogger": "trace.logger",
    "OTelExportError": "trace.otel",
    "OTelExporter": "trace.otel",
    "export_otel": "trace.otel",
    "Trace": "trace.trace",
    "TraceFileError": "trace.files.opened",
    "read_traces": "trace.files.opened",
    "enable_trace_notebook": "trace.notebooks.following",
    "render_completion": "trace.notebooks.following",
    "start_trace_writer": "trace.notebooks.following",
    "stop_trace_writer": "trace.notebooks.following",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("rlm-jupyter")
    module = _MODULES.get(name)
    if module is None:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(f".{module}", __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Bring ``%rlm`` and ``%%rlm`` into the shell: ``%load_ext rlm_jupyter``."""
    from .magics import load

    load(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Take the magics out again and put everything back: ``%unload_ext rlm_jupyter``."""
    from .magics import unload

    unload(shell)


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    """Tell a Jupyter server what to load."""
    from .server.extension import RLMExtension

    return [{"module": "rlm_jupyter", "app": RLMExtension}]
