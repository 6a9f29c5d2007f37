"""A real Jupyter server process, with the extension, and the kernels that it starts."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from queue import Empty
from types import TracebackType
from typing import Any, TypeVar
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import Request, urlopen

from jupyter_client.blocking.client import BlockingKernelClient
from live_kernel import LiveKernel, clean_environment

EMPTY_NOTEBOOK = '{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'

T = TypeVar("T")


def eventually(look: Callable[[], T], what: str, seconds: float = 30.0) -> T:
    """Return what ``look`` returns as soon as it is true."""
    deadline = time.monotonic() + seconds
    while not (seen := look()):
        if time.monotonic() > deadline:
            msg = f"{what} did not come about within {seconds:g} s; the last look gave {seen!r}."
            raise AssertionError(msg)
        time.sleep(0.02)
    return seen


class ServedKernel(LiveKernel):
    """A kernel that a server started; it is the server's to end. Driven over its own channels: no browser is open."""

    def __init__(self, server: LiveServer, kernel_id: str, session_id: str | None = None) -> None:
        self.server = server
        self.kernel_id = kernel_id
        self.session_id = session_id
        self._file = server.runtime / f"kernel-{kernel_id}.json"
        eventually(self._connected, f"an answer of kernel {kernel_id}", 60)

    def _connected(self) -> bool:
        """Connect by the file, which a restart may have written anew; a busy machine misses heartbeats."""
        try:
            self.client = BlockingKernelClient(connection_file=str(self._file))
            self.client.load_connection_file()
        except (OSError, ValueError):
            return False
        self.client.start_channels()
        try:
            self.client.kernel_info(reply=True, timeout=5)
            return bool(self.client.get_iopub_msg(timeout=0.5))
        except (TimeoutError, Empty):
            self.client.stop_channels()
            return False

    def close(self) -> None:
        """Close this side's channels; the kernel goes on."""
        self.client.stop_channels()

    @property
    def pid(self) -> int:
        """The kernel's process."""
        return int(self.value("__import__('os').getpid()"))

    def interrupt(self) -> None:
        """Press the stop button."""
        self.server.post(f"api/kernels/{self.kernel_id}/interrupt")

    def restart(self) -> None:
        """Restart the kernel, as the front end's button does."""
        self.client.stop_channels()
        self.server.post(f"api/kernels/{self.kernel_id}/restart")
        eventually(self._connected, f"an answer of kernel {self.kernel_id}", 60)


class LiveServer:
    """A server process of its own, with folders of its own; ``command`` is ``server`` or ``lab``.

    ``start`` may be called again after ``kill`` or ``stop``: the folders stay.
    """

    def __init__(
        self,
        folder: Path,
        *,
        command: str = "server",
        arguments: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        base_url: str = "/",
    ) -> None:
        self.folder = folder
        self.root, self.runtime, self.data = folder / "root", folder / "runtime", folder / "data"
        for path in (self.root, self.runtime, self.data, folder / "home", folder / "config"):
            path.mkdir(parents=True, exist_ok=True)
        self.token = secrets.token_hex(16)
        self.base_url = base_url
        self.log = folder / "server.log"
        self._command, self._arguments = command, list(arguments)
        self._env = {
            **clean_environment(),
            "HOME": str(folder / "home"),
            "IPYTHONDIR": str(folder / "ipython"),
            "JUPYTER_RUNTIME_DIR": str(self.runtime),
            "JUPYTER_DATA_DIR": str(self.data),
            "JUPYTER_CONFIG_DIR": str(folder / "config"),
            "JUPYTER_TOKEN": self.token,
            **(env or {}),
        }
        self._kernels: list[ServedKernel] = []
        self.process: subprocess.Popen[bytes]
        self.port = 0

    @property
    def store(self) -> Path:
        """The store's file."""
        return self.data / "rlm_jupyter" / "store.sqlite3"

    @property
    def url(self) -> str:
        """The server's address, with its base URL, and without a slash at its end."""
        return f"http://127.0.0.1:{self.port}{self.base_url.rstrip('/')}"

    def start(self, port: int | None = None) -> LiveServer:
        """Start the process and wait until it answers, and the extension has begun; on a free port, or on this one."""
        self.port = port or free_port()
        program = [sys.executable, "-m", {"server": "jupyter_server", "lab": "jupyterlab"}[self._command]]
        options = [
            "--no-browser",
            "--ServerApp.ip=127.0.0.1",
            f"--ServerApp.port={self.port}",
            "--ServerApp.port_retries=0",
            f"--ServerApp.root_dir={self.root}",
            f"--ServerApp.base_url={self.base_url}",
            "--ServerApp.jpserver_extensions=rlm_jupyter=True",
            *(["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []),
            *self._arguments,
        ]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                program + options, cwd=self.root, env=self._env, stdout=log, stderr=log, start_new_session=True
            )
        eventually(self._answers, f"an answer of the server ({self.log.read_text()[-2000:]})", 60)
        return self

    def stop(self) -> None:
        """End the process as Ctrl-C does, with its kernels."""
        self._let_go()
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End the process with SIGKILL; its kernels notice that and end themselves."""
        self._let_go()
        self.process.kill()
        self.process.wait(20)

    def __enter__(self) -> LiveServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def ask(
        self, method: str, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Any]:
        """Return status and body of a request: JSON as values, anything else as text."""
        sent = {"Authorization": f"token {self.token}", "Content-Type": "application/json", **(headers or {})}
        content = json.dumps(body).encode() if body is not None else None
        if content is None and method in ("POST", "PUT", "PATCH"):
            content = b"{}"
        request = Request(f"{self.url}/{path}", content, sent, method=method)
        try:
            with urlopen(request, timeout=30) as response:
                status, raw, kind = response.status, response.read(), response.headers.get("Content-Type", "")
        except HTTPError as error:
            with error:
                status, raw, kind = error.code, error.read(), error.headers.get("Content-Type", "")
        return status, json.loads(raw) if raw and "json" in kind else raw.decode(errors="replace")

    def get(self, path: str) -> Any:
        """Return what is at the path; it must be there."""
        return self._well(self.ask("GET", path))

    def post(self, path: str, body: Any = None) -> Any:
        """Return what the server answers; it must accept."""
        return self._well(self.ask("POST", path, body))

    def rename(self, path: str, new: str) -> None:
        """Rename a notebook or folder as JupyterLab does: the file, then the sessions that know it."""
        self._well(self.ask("PATCH", f"api/contents/{quote(path)}", {"path": new}))
        for session in self.get("api/sessions"):
            told = session["path"]
            if told == path or told.startswith(f"{path}/"):
                moved = new + told[len(path) :]
                change = {"path": moved, "name": moved.rsplit("/", 1)[-1]}
                self._well(self.ask("PATCH", f"api/sessions/{session['id']}", change))

    def notebook(self, path: str, *, extension: bool = True) -> ServedKernel:
        """Make a notebook with a kernel of its own, as opening it in a front end does."""
        file = self.root / path
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(EMPTY_NOTEBOOK)
        body = {"path": path, "name": file.name, "type": "notebook", "kernel": {"name": "python3"}}
        session = self.post("api/sessions", body)
        kernel = ServedKernel(self, session["kernel"]["id"], session["id"])
        self._kernels.append(kernel)
        if extension:
            kernel.ok("%load_ext rlm_jupyter")
        return kernel

    def _well(self, answer: tuple[int, Any]) -> Any:
        status, body = answer
        assert status < 400, (status, body, self.log.read_text()[-3000:])
        return body

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()[-3000:]
        try:
            if self.ask("GET", "api/status")[0] != 200:
                return False
            status, told = self.ask("GET", "rlm-jupyter/health")
            return status != 503 or told["reason"] != "Starting"
        except (URLError, OSError):
            return False

    def _let_go(self) -> None:
        kernels, self._kernels = self._kernels, []
        for kernel in kernels:
            kernel.close()


def free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])
