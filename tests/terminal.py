"""A shell in which ``jupyter rlm`` finds the data and the configuration of one user."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

__all__ = ["Terminal"]

_KEPT = ("PATH", "SYSTEMROOT", "PYTHONPATH", "VIRTUAL_ENV", "LANG", "TMPDIR")


class Terminal:
    """Runs the command in a folder of its own; no key and no model of this machine's user is known there."""

    def __init__(self, folder: Path) -> None:
        self.command = [sys.executable, "-m", "rlm_jupyter.cli"]
        self.folder = folder / "work"
        self.config = folder / "config"
        for made in (self.folder, self.config):
            made.mkdir(parents=True, exist_ok=True)
        folders = {"JUPYTER_DATA_DIR": str(folder / "data"), "JUPYTER_CONFIG_DIR": str(self.config)}
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        self.environment = {**kept, **folders, "HOME": str(folder), "JUPYTER_NO_CONFIG": ""}

    def run(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Return what came of the command, whose standard streams are no terminals."""
        return subprocess.run(
            [*self.command, *arguments],
            cwd=self.folder,
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    def says(self, code: int, *arguments: str, stdin: str = "") -> str:
        """Return what the command said, which has to exit with this code and without a traceback."""
        done = self.run(*arguments, stdin=stdin)
        told = done.stdout + done.stderr
        assert done.returncode == code, told
        assert "Traceback" not in told
        return told
