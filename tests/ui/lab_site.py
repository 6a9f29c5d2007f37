"""A JupyterLab, and the model behind its kernels."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from live_server import LiveServer, eventually
from scripted_server import ChatRequest, Reply, ScriptedServer
from scripts import Script, says

__all__ = ["QUICKSTART", "Site", "notebook_of", "open_site"]

QUICKSTART = Path(__file__).resolve().parents[2] / "docs" / "examples" / "quickstart.ipynb"

_SETTINGS = {
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/apputils-extension:kernels-settings": {"kernelStatusDetails": False},
    "@jupyterlab/docmanager-extension:plugin": {"autosave": False},
}

_LOADED = "c.InteractiveShellApp.extensions = ['rlm_jupyter']\n"


@dataclass
class Site:
    """A server, the model behind its kernels, what that model says, and what it is held back by until it is set."""

    server: LiveServer
    model: ScriptedServer
    script: Script
    held: threading.Event = field(default_factory=threading.Event)

    def runs(self, notebook: str) -> list[dict[str, Any]]:
        """The runs of a notebook that the store holds, the last one first."""
        found: list[dict[str, Any]] = self.server.get(f"rlm-jupyter/runs?notebook={quote(notebook)}")["runs"]
        return found

    def whole(self, notebook: str, count: int = 1) -> list[dict[str, Any]]:
        """The runs of a notebook, once so many of them have ended and none of their events is missing."""

        def look() -> list[dict[str, Any]]:
            runs = self.runs(notebook)
            return runs if sum(run["whole"] for run in runs) == count == len(runs) else []

        return eventually(look, f"{count} whole runs of {notebook}")

    def write(self, path: str, cells: Sequence[str | dict[str, Any]] = ()) -> str:
        """Write a notebook with these cells, and return its path; cells are code, or as a notebook's file has them."""
        file = self.server.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(notebook_of(cells)))
        return path

    def copy(self, source: Path, path: str) -> str:
        """Copy a notebook to this path below the server's root, and return the path."""
        file = self.server.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, file)
        return path

    def end_kernels(self) -> None:
        """Close all sessions, with their kernels."""
        for session in self.server.get("api/sessions"):
            self.server.ask("DELETE", f"api/sessions/{session['id']}")


def notebook_of(cells: Sequence[str | dict[str, Any]]) -> dict[str, Any]:
    """Return a notebook for Python with these cells."""
    made = []
    for number, cell in enumerate(cells):
        whole: dict[str, Any] = {"source": cell} if isinstance(cell, str) else cell
        code: dict[str, Any] = {} if "cell_type" in whole else {"outputs": [], "execution_count": None}
        made.append({"cell_type": "code", "id": f"cell-{number}", "metadata": {}, **code, **whole})
    kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    return {"cells": made, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


@contextmanager
def open_site(
    folder: Path, *, prepare: Callable[[Site], None] = lambda _: None, extension: bool = True
) -> Iterator[Site]:
    """Start JupyterLab in this folder; its kernels load our extension of IPython when they start.

    ``prepare`` is called before the server starts. Without ``extension``, JupyterLab loads no extension of ours.
    """
    sites: list[Site] = []

    def answer(asked: ChatRequest) -> Reply | str:
        return sites[0].script(asked)

    config = folder / "config" / "labconfig"
    config.mkdir(parents=True)
    (config / "default_setting_overrides.json").write_text(json.dumps(_SETTINGS))
    if not extension:
        (config / "page_config.json").write_text(json.dumps({"disabledExtensions": {"rlm-jupyter": True}}))
    profile = folder / "ipython" / "profile_default"
    profile.mkdir(parents=True)
    (profile / "ipython_kernel_config.py").write_text(_LOADED)
    with ScriptedServer(answer) as model:
        env = {"OPENAI_API_KEY": "sk-scripted-0123456789abcdefghij", "OPENAI_BASE_URL": model.base_url}
        exposed = ["--LabApp.expose_app_in_browser=True", "--JupyterNotebookApp.expose_app_in_browser=True"]
        server = LiveServer(folder, command="lab", env=env, arguments=exposed)
        site = Site(server, model, says("FINAL(nobody wrote a script)"))
        sites.append(site)
        prepare(site)
        with server:
            yield site
