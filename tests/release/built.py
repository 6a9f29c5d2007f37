"""The distributions, built as a release builds them: the sources from the tree, the wheel from the sources."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

from hatchling.builders.sdist import SdistBuilder

__all__ = ["ROOT", "build_sdist", "build_wheel", "tracked"]

ROOT = Path(__file__).resolve().parents[2]


def tracked() -> list[str]:
    """Return what git has of the tree, or would take: all files that it does not ignore."""
    said = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [path for path in said.stdout.split("\0") if (ROOT / path).is_file()]


def build_sdist(folder: Path) -> Path:
    """Build the source distribution of the tree into this folder."""
    (path,) = SdistBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])
    return Path(path)


def build_wheel(sdist: Path, folder: Path) -> Path:
    """Build the wheel from a source distribution into this folder, which must have none.

    The labextension is the one that ``make`` has built, as long as it is current; else it is built, with Node.
    """
    with tarfile.open(sdist) as archive:
        archive.extraction_filter = getattr(tarfile, "data_filter", None)  # Python 3.11.3 and older have none
        archive.extractall(folder)
    (sources,) = (path for path in folder.iterdir() if path.is_dir())
    env = {**os.environ, "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}
    if _has_labextension():
        shutil.copytree(ROOT / "labextension" / "dist", sources / "labextension" / "dist")
        env["HATCH_JUPYTER_BUILDER_SKIP_NPM"] = "1"
    said = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder],
        cwd=sources,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    (path,) = folder.glob("*.whl")
    return path


def _has_labextension() -> bool:
    """Return whether what ``make`` built is what a wheel would hold: newer than its sources, and no debug build."""
    folder = ROOT / "labextension"
    made = folder / "dist" / "package.json"
    if not made.exists() or any(made.parent.rglob("*.map")):
        return False
    sources = [folder / "package.json", folder / "tsconfig.json"]
    for part in ("src", "style", "schema"):
        sources.extend((folder / part).rglob("*"))
    return all(source.stat().st_mtime <= made.stat().st_mtime for source in sources)
