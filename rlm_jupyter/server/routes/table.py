"""The route table: every path that the extension answers at, and who answers."""

from __future__ import annotations

import re

from .artifacts import ArtifactHandler, ArtifactsHandler
from .base import RLMHandler
from .control import ControlHandler, ReviewerHandler
from .health import HealthHandler
from .openapi import OpenAPIHandler
from .relay import RelayHandler
from .runs import RunHandler, RunsHandler, SpansHandler, TextHandler
from .search import RunSearchHandler, SearchHandler
from .sessions import SessionHandler, SessionsHandler

__all__ = ["PATHS", "ROUTES"]

PATHS: dict[str, type[RLMHandler]] = {
    "/rlm-jupyter/health": HealthHandler,
    "/rlm-jupyter/openapi.json": OpenAPIHandler,
    "/rlm-jupyter/sessions": SessionsHandler,
    "/rlm-jupyter/sessions/{session_id}": SessionHandler,
    "/rlm-jupyter/runs": RunsHandler,
    "/rlm-jupyter/runs/{run_id}": RunHandler,
    "/rlm-jupyter/runs/{run_id}/spans": SpansHandler,
    "/rlm-jupyter/runs/{run_id}/texts/{digest}": TextHandler,
    "/rlm-jupyter/runs/{run_id}/search": RunSearchHandler,
    "/rlm-jupyter/runs/{run_id}/artifacts": ArtifactsHandler,
    "/rlm-jupyter/runs/{run_id}/artifacts/{format}": ArtifactHandler,
    "/rlm-jupyter/runs/{run_id}/control": ControlHandler,
    "/rlm-jupyter/kernels/{kernel_id}/messages": RelayHandler,
    "/rlm-jupyter/kernels/{kernel_id}/reviewer": ReviewerHandler,
    "/rlm-jupyter/search": SearchHandler,
}
"""The paths as the OpenAPI document writes them."""


def _pattern(path: str) -> str:
    # Any text stands for a parameter, so that it is the handler that refuses it, as JSON and with a reason.
    return re.sub(r"\{\w+\}", "([^/]+)", path.replace(".", r"\."))


ROUTES: list[tuple[str, type[RLMHandler]]] = [(_pattern(path), handler) for path, handler in PATHS.items()]
"""The route table, to be put behind the server's base URL."""
