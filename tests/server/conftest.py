"""pytest-jupyter's fixtures, for this folder only: their event loop is in the way of what other tests do."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Iterator
from pathlib import Path

import pytest
from jupyter_server.serverapp import ServerApp
from kernel_by_hand import Listener
from pytest_jupyter.jupyter_server import *  # noqa: F403
from traitlets.config import Config


@pytest.fixture  # type: ignore[no-redef]
def jp_server_config() -> Config:
    """As a careful administrator has it: a handler that forgot to ask who is there refuses everybody."""
    terminals = {"jupyter_server_terminals": False}  # it warns of its own routes
    return Config({"ServerApp": {"allow_unauthenticated_access": False, "jpserver_extensions": terminals}})


@pytest.fixture(autouse=True)  # type: ignore[no-redef]
def jp_server_cleanup(request: pytest.FixtureRequest, jp_asyncio_loop: AbstractEventLoop) -> Iterator[None]:
    """End the server that the test asked for; pytest-jupyter's own fixture makes one in order to end it."""
    yield
    if "jp_configurable_serverapp" in request.fixturenames and ServerApp.initialized():
        app = ServerApp.instance()
        jp_asyncio_loop.run_until_complete(app._cleanup())
        app.kernel_manager.context.destroy()
        ServerApp.clear_instance()


@pytest.fixture
def listener(jp_serverapp: ServerApp, jp_asyncio_loop: AbstractEventLoop, tmp_path: Path) -> Iterator[Listener]:
    """The parts that listen to kernels, in a server without the extension."""
    listener = Listener(jp_serverapp, tmp_path)
    jp_asyncio_loop.run_until_complete(listener.start())
    yield listener
    jp_asyncio_loop.run_until_complete(listener.stop())
