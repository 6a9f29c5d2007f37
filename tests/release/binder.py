"""Binder without a container: what repo2docker does with the repository, and the JupyterLab that a visitor gets."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from zipfile import ZipFile

from live_server import LiveServer, eventually, free_port

from release.built import ROOT, tracked
from release.place import Place

__all__ = ["BINDER", "LANDING", "Binder", "BinderServer"]

BINDER = ROOT / "binder"

LANDING = "docs/examples/index.ipynb"
"""What a visitor sees first."""

# What postBuild and the examples call besides Python; of all that the machine has, there is nothing else on the path.
TOOLS = ("bash", "cp", "dirname", "env", "git", "mkdir", "mktemp", "rm", "sh")

# What a wheel is built with. pip would fetch it from the index for each build, with a Node of 60 MB.
BACKEND = ("hatchling", "hatch-fancy-pypi-readme", "hatch-jupyter-builder", "hatch-nodejs-version")


# What pip does for postBuild: no requirement is looked up again, it compiles no modules, which Python does as it needs
# them, and builds with what is there. False is how one says that this option, which begins with no, is set.
PIP = {"PIP_NO_DEPS": "1", "PIP_NO_COMPILE": "1", "PIP_NO_BUILD_ISOLATION": "false"}


class Binder:
    """A checkout, and the environment that repo2docker makes for it. The checkout is the visitor's home.

    The place has the wheel's requirements: pip, which has no index here, finds none of them elsewhere.
    """

    def __init__(self, place: Place, checkout: Path) -> None:
        self.place = place
        self.checkout = checkout
        place.link(*TOOLS)
        for path in tracked():
            target = self.checkout / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / path, target)
        self.git("init", "--quiet")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "as it is")
        place.install("--requirement", str(self.checkout / "binder" / "requirements.txt"))

    def git(self, *arguments: str) -> str:
        """Run git in the checkout, as nobody has set it up, and return what it printed."""
        name = ["-c", "user.name=nobody", "-c", "user.email=nobody@localhost"]
        nobody = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
        said = subprocess.run(
            ["git", *name, *arguments], cwd=self.checkout, env=nobody, capture_output=True, text=True, check=False
        )
        assert said.returncode == 0, said.stderr
        return said.stdout

    def build_from_the_repository(self, wheel: Path) -> str:
        """Run postBuild where there is no tag, and return what it said; all is built but the labextension."""
        self.place.install(*BACKEND)
        take_labextension(wheel, self.checkout / "labextension" / "dist")
        return self._post_build({"HATCH_JUPYTER_BUILDER_SKIP_NPM": "1"})

    def build_from_the_release(self, wheel: Path) -> str:
        """Run postBuild at the tag of a release whose wheel is on the index, and return what it said."""
        self.git("tag", f"v{wheel.name.split('-')[1]}")
        self.place.run("python", "-m", "pip", "uninstall", "--yes", "--quiet", "rlm-jupyter", *BACKEND)
        shutil.rmtree(self.checkout / ".jupyter")
        return self._post_build({"PIP_FIND_LINKS": str(wheel.parent)})

    def _post_build(self, env: dict[str, str]) -> str:
        post_build = self.checkout / "binder" / "postBuild"
        return self.place.run(post_build, cwd=self.checkout, env={"HOME": str(self.checkout), **PIP, **env})


class BinderServer(LiveServer):
    """JupyterLab as a BinderHub starts it: ``jupyter-lab`` with an address and a token, in the visitor's home."""

    def __init__(self, folder: Path, binder: Binder) -> None:
        super().__init__(folder, base_url="/user/rlm-jupyter-rlm-jupyter-x1y2z3/")
        self.root = binder.checkout
        self._program = binder.place.prefix / "bin" / "jupyter-lab"
        self._env = {**binder.place.env, "HOME": str(binder.checkout)}

    def start(self, port: int | None = None) -> BinderServer:
        """Start the process and wait until it answers."""
        self.port = port or free_port()
        options = [
            "--ip=127.0.0.1",
            f"--port={self.port}",
            f"--ServerApp.base_url={self.base_url}",
            f"--IdentityProvider.token={self.token}",
            "--no-browser",
            "--allow-root",
            "--LabApp.expose_app_in_browser=True",  # for the tests: they wait for it
        ]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [self._program, *options], cwd=self.root, env=self._env, stdout=log, stderr=log, start_new_session=True
            )
        eventually(self._answers, "an answer of the server", 60)
        return self


def take_labextension(wheel: Path, folder: Path) -> None:
    """Write what the labextension's build makes, which is in the wheel, into this folder."""
    inside = "/share/jupyter/labextensions/rlm-jupyter/"
    with ZipFile(wheel) as opened:
        for path in opened.namelist():
            _, found, name = path.partition(inside)
            if found and name != "install.json":
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(opened.read(path))
