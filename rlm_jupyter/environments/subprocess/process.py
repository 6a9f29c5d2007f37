"""The kernel's process, its connection file and its log, by way of ``jupyter_client``."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager, NoSuchKernel
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.session import Session

from rlm_jupyter.core.errors import ConfigurationError

__all__ = ["KernelProcess"]

_OWN = "rlm-jupyter-own"
_PATH_LIMIT = 90  # characters; a socket's path is cut off at about a hundred
_LOG_SHOWN = 4_000  # characters


class KernelProcess:
    """A kernel of this Python, or of an installed kernelspec; what it writes to files is in ``folder``.

    Its methods belong to one event loop. Raises ``ConfigurationError`` when there is no such kernelspec.
    """

    def __init__(self, kernel_name: str | None, folder: Path, number: int) -> None:
        specs = KernelSpecManager() if kernel_name else _OwnSpec()
        try:
            spec = specs.get_kernel_spec(kernel_name or _OWN)
        except NoSuchKernel:
            names = ", ".join(sorted(specs.find_kernel_specs())) or "none"
            msg = f"There is no kernel named {kernel_name!r}. Installed are: {names} (`jupyter kernelspec list`)."
            raise ConfigurationError(msg) from None
        provisioner = spec.metadata.get("kernel_provisioner", {}).get("provisioner_name", "local-provisioner")
        self._local = provisioner == "local-provisioner"
        connection_file = folder / f"kernel-{number}.json"
        # Local sockets in a folder of our own: no port that somebody else takes meanwhile, no door for other users.
        by_file = self._local and os.name == "posix" and len(str(connection_file)) < _PATH_LIMIT
        self._manager = AsyncKernelManager(
            kernel_name=kernel_name or _OWN,
            kernel_spec_manager=specs,
            connection_file=str(connection_file),
            transport="ipc" if by_file else "tcp",
        )
        self._log = folder / f"kernel-{number}.log"
        self._folder = folder

    async def start(self) -> None:
        """Start the process; it is not ready by then."""
        environment = {**os.environ, "PYDEVD_DISABLE_FILE_VALIDATION": "1"}  # or a word about debuggers is printed
        if not self._local:
            await self._manager.start_kernel(env=environment, cwd=str(self._folder / "work"))
            return
        environment["IPYTHONDIR"] = str(self._folder / "ipython")  # the user's history and start-up files are theirs
        with self._log.open("wb") as log:
            await self._manager.start_kernel(env=environment, cwd=str(self._folder / "work"), stdout=log, stderr=log)

    @property
    def session(self) -> Session:
        """What signs and packs this kernel's messages."""
        session: Session = self._manager.session
        return session

    def address(self, channel: str) -> str:
        """Return where a channel is (``shell``, ``iopub``, ``control``), as ZMQ names it."""
        told: dict[str, object] = dict(self._manager.get_connection_info())
        between = "-" if told["transport"] == "ipc" else ":"
        return f"{told['transport']}://{told['ip']}{between}{told[f'{channel}_port']}"

    @property
    def pause(self) -> float:
        """Seconds between two looks at whether the process is alive; elsewhere than here, looking is slow."""
        return 0.05 if self._local else 2.0

    async def alive(self) -> bool:
        """Return whether the process runs."""
        return bool(await self._manager.is_alive())

    async def interrupt(self) -> None:
        """Interrupt what the kernel runs, with the processes that it started."""
        if await self.alive():
            await self._manager.interrupt_kernel()

    async def kill(self) -> None:
        """Kill the kernel and its process group, and remove its connection. May be called twice."""
        provisioner = self._manager.provisioner
        if provisioner is not None and provisioner.has_process:
            await provisioner.kill()
            while self._local and await provisioner.poll() is None:  # noqa: ASYNC110 - a process ends without a word
                await asyncio.sleep(0.002)  # wait() would look ten times a second
            await provisioner.wait()
        await self._manager.cleanup_resources()

    def said(self) -> str:
        """Return the end of what the process wrote to its standard streams."""
        if not self._log.exists():
            return ""
        return self._log.read_text("utf-8", errors="replace")[-_LOG_SHOWN:].strip()


class _OwnSpec(KernelSpecManager):
    """Knows one kernel: this Python's, whatever is installed as ``python3``."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        arguments = ["-m", "ipykernel_launcher", "-f", "{connection_file}", "--HistoryManager.enabled=False"]
        return KernelSpec(argv=[sys.executable, *arguments], display_name="Python", language="python")

    def find_kernel_specs(self) -> Any:
        return {}
