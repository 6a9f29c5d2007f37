"""A notebook's kernel and the scripted model behind it."""

from __future__ import annotations

from pathlib import Path

from live_kernel import LiveKernel
from scripted_server import ChatRequest, Reply, ScriptedServer
from scripts import Script, says


class Stage:
    """A notebook's kernel and the model behind it."""

    def __init__(self, kernel: LiveKernel, server: ScriptedServer, folder: Path) -> None:
        self.kernel = kernel
        self.server = server
        self.folder = folder
        self.notebook = folder / "analysis.ipynb"
        self.trace = folder / "analysis.trace.ipynb"
        self.script: Script = says("FINAL(nobody wrote a script)")

    def answer(self, request: ChatRequest) -> Reply | str:
        return self.script(request)
