"""A gateway's kernels: the server cannot hear them, so a front end passes their messages on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Empty
from types import TracebackType

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_core.utils import ensure_event_loop
from live_server import LiveServer, ServedKernel, eventually
from scripted_server import ScriptedServer
from scripts import says

from rlm_jupyter.trace.wire import TARGET


class FrontEnd:
    """Passes on what a kernel and the extension say to each other, as a page with the notebook open does."""

    def __init__(self, server: LiveServer, kernel: ServedKernel) -> None:
        self._path = f"rlm-jupyter/kernels/{kernel.kernel_id}/messages"
        self._server = server
        self._client = BlockingKernelClient()
        self._client.load_connection_info(kernel.client.get_connection_info())
        self._client.start_channels()
        self._client.wait_for_ready(timeout=30)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> FrontEnd:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        self._client.stop_channels()

    def _run(self) -> None:
        try:
            self._pass_on()
        finally:
            ensure_event_loop().close()  # the client made one for this thread

    def _pass_on(self) -> None:
        comm_id = ""
        while not self._over.is_set():
            try:
                content = self._client.get_iopub_msg(timeout=0.1)["content"]
            except Empty:
                content = {}
            heard = []
            if str(content.get("comm_id", "")).startswith(f"{TARGET}-"):
                comm_id, heard = content["comm_id"], [content["data"]]
            if not comm_id:
                continue
            for message in self._server.post(self._path, {"messages": heard})["messages"]:
                session = self._client.session
                self._client.shell_channel.send(session.msg("comm_msg", {"comm_id": comm_id, "data": message}))


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[LiveServer]:
    with ScriptedServer(says("FINAL(the lamp is red)")) as model:
        env = {"OPENAI_API_KEY": "for-the-scripted-model", "OPENAI_BASE_URL": model.base_url}
        off = ["--ServerApp.jpserver_extensions=rlm_jupyter=False"]
        with LiveServer(tmp_path / "gateway", arguments=off, env=env) as gateway:
            yield gateway


@pytest.fixture
def server(gateway: LiveServer, tmp_path: Path) -> Iterator[LiveServer]:
    env = {"JUPYTER_GATEWAY_AUTH_TOKEN": gateway.token}
    with LiveServer(tmp_path / "server", arguments=[f"--GatewayClient.url={gateway.url}"], env=env) as server:
        yield server


def test_what_a_front_end_relays_is_kept_like_anything_else(gateway: LiveServer, server: LiveServer) -> None:
    (server.root / "far.ipynb").write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}')
    body = {"path": "far.ipynb", "name": "far.ipynb", "type": "notebook", "kernel": {"name": "python3"}}
    kernel = ServedKernel(gateway, server.post("api/sessions", body)["kernel"]["id"])
    with FrontEnd(server, kernel):
        kernel.ok("%load_ext rlm_jupyter")
        eventually(lambda: "far.ipynb" in kernel.ok("%rlm").text, "the welcome, which tells the notebook")
        kernel.ok("%%rlm\nWhich colour has the lamp?")
        (run,) = eventually(
            lambda: [run for run in server.get("rlm-jupyter/runs?notebook=far.ipynb")["runs"] if run["whole"]],
            "the run in the store",
        )
        assert run["answer"] == "the lamp is red"
        trace = server.root / "far.trace.ipynb"
        eventually(lambda: trace.is_file() and "the lamp is red" in trace.read_text(), "the trace notebook")
    kernel.close()


def test_a_relay_is_for_kernels_that_the_server_cannot_hear(server: LiveServer, gateway: LiveServer) -> None:
    unknown = "rlm-jupyter/kernels/00000000-0000-0000-0000-000000000000/messages"
    assert server.ask("POST", unknown, {"messages": []})[0] == 404
