"""A virtual environment that has what a test installs, and nothing else: no key, no Node, no compiler, no network."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Mapping
from pathlib import Path

from release.built import ROOT

__all__ = ["NO_NETWORK", "Place"]

NO_NETWORK = {
    **dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9"),
    **dict.fromkeys(("no_proxy", "NO_PROXY"), "127.0.0.1,localhost"),
    "PIP_NO_INDEX": "1",
}
"""Whoever goes by these variables reaches this machine only: nobody listens at that port."""


class Place:
    """A virtual environment, and a home of its own."""

    def __init__(self, folder: Path) -> None:
        self.prefix = folder / "venv"
        self.home = folder / "home"
        self.home.mkdir(parents=True)
        self._machine = folder / "machine"
        self._machine.mkdir()
        venv.create(self.prefix, symlinks=True)
        self.install("pip")
        path = f"{self.prefix / 'bin'}:{self._machine}"
        self.env = {"HOME": str(self.home), "PATH": path, "LANG": "C.UTF-8", **NO_NETWORK}

    @property
    def python(self) -> Path:
        """The environment's interpreter."""
        return self.prefix / "bin" / "python"

    def link(self, *tools: str) -> None:
        """Put programs of the machine on the path."""
        for tool in tools:
            found = shutil.which(tool)
            assert found, f"This machine has no {tool}."
            (self._machine / tool).symlink_to(found)

    def install(self, *what: str) -> None:
        """Install packages, in the versions that ``constraints.txt`` pins, and none that would have to be compiled.

        uv does it in a tenth of the time; where it finds no package index, pip, which reads pip.conf, may.
        """
        given = ["--quiet", "--only-binary", ":all:", "--constraint", str(ROOT / "constraints.txt"), *what]
        uv = shutil.which("uv", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
        if uv is not None:
            command = [uv, "pip", "install", "--system-certs", "--python", str(self.python), *given]
            if subprocess.run(command, capture_output=True, check=False).returncode == 0:
                return
        command = [sys.executable, "-m", "pip", "--python", str(self.python), "install", *given]
        said = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        assert said.returncode == 0, said.stdout

    def run(self, *command: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
        """Run one of the environment's programs, or one at a path; it must succeed. Return all that it said."""
        said = subprocess.run(
            [self.prefix / "bin" / command[0], *command[1:]],
            cwd=cwd or self.home,
            env={**self.env, **(env or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert said.returncode == 0, said.stdout
        return said.stdout

    def came_from(self, package: str) -> str:
        """Where pip took a package from: an address, or nothing when that was the index."""
        direct = (
            f"import importlib.metadata as m; print(m.distribution({package!r}).read_text('direct_url.json') or {{}})"
        )
        told: dict[str, str] = json.loads(self.run("python", "-c", direct))
        return told.get("url", "")

    def packages(self) -> set[str]:
        """The names of the distributions that are installed."""
        listing = "from importlib.metadata import distributions as all; print(*{each.name.lower() for each in all()})"
        return set(self.run("python", "-c", listing).split())
