"""Network clients that are closed after the test, in an environment that says nothing of models."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from network_client import Connect, Watcher
from scripted_server import ScriptedServer

from rlm_jupyter.clients.io_thread import submit
from rlm_jupyter.clients.openai import OpenAIClient

_OPENAI = ("API_KEY", "BASE_URL", "ORG_ID", "PROJECT_ID", "CUSTOM_HEADERS", "ADMIN_KEY", "API_VERSION")
_AZURE = ("API_KEY", "ENDPOINT", "AD_TOKEN")


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"OPENAI_{name}" for name in _OPENAI] + [f"AZURE_OPENAI_{name}" for name in _AZURE]
    for name in (*names, "OPENROUTER_API_KEY", "RLM_JUPYTER_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(params=[None, lambda _: None], ids=["plain", "stream"])
def on_text(request: pytest.FixtureRequest) -> Watcher:
    """Whoever asks once for a plain reply and once for a stream."""
    watcher: Watcher = request.param
    return watcher


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Make clients of a scripted server."""
    clients: list[OpenAIClient] = []

    def make(server: ScriptedServer, **options: Any) -> OpenAIClient:
        clients.append(OpenAIClient("small", base_url=server.base_url, **options))
        return clients[-1]

    yield make
    for client in clients:
        submit(client.aclose()).result(10)
