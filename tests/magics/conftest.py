"""A kernel with the extension loaded, and a scripted server whose script each test sets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from live_kernel import LiveKernel
from scripted_server import ScriptedServer
from stage import Stage


@pytest.fixture(scope="module")
def shared_stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("notebooks")
    notebook = folder / "analysis.ipynb"
    notebook.write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}')
    stage: list[Stage] = []
    with ScriptedServer(lambda request: stage[0].answer(request)) as server:  # noqa: PLW0108 - the stage is made below
        env = {
            "OPENAI_API_KEY": "for-the-scripted-server",
            "OPENAI_BASE_URL": server.base_url,
            "JPY_SESSION_NAME": str(notebook),
        }
        with LiveKernel(env, cwd=str(folder)) as kernel:
            stage.append(Stage(kernel, server, folder))
            yield stage[0]


@pytest.fixture
def stage(shared_stage: Stage) -> Stage:
    """The module's kernel, with a new conversation and nothing that an earlier test bound."""
    shared_stage.kernel.ok("%rlm reset")
    shared_stage.kernel.ok("%reset -f")
    shared_stage.server.requests.clear()
    return shared_stage
