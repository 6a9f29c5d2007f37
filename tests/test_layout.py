"""What a user installs, and what the tree may hold."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from email.message import Message
from email.parser import HeaderParser
from importlib.metadata import version
from pathlib import Path

import pytest
from hatchling.builders.sdist import SdistBuilder
from packaging.version import Version

import rlm_jupyter

ROOT = Path(__file__).parents[1]
LABEXTENSION = ROOT / "labextension"

# Directories that exist on the machine of whoever wrote a file, and on no other.
MACHINE_PATH = re.compile(rb"/(?:home|root|Users|work|workspace)/\w[^\s\"']*")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    directory = tmp_path_factory.mktemp("wheel")
    tools = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", directory],
        cwd=ROOT,
        env={**os.environ, "PATH": tools, "HATCH_JUPYTER_BUILDER_SKIP_NPM": "01"[labextension_is_built()]},
        check=True,
    )
    (path,) = directory.glob("*.whl")
    return zipfile.ZipFile(path)


def labextension_is_built() -> bool:
    """Return whether what `make` built is what a wheel would hold: it is newer than its sources, and no debug build."""
    made = LABEXTENSION / "dist/package.json"
    if not made.exists() or any(made.parent.rglob("*.map")):
        return False
    sources = [LABEXTENSION / "package.json", LABEXTENSION / "tsconfig.json"]
    for folder in ("src", "style", "schema"):
        sources.extend((LABEXTENSION / folder).rglob("*"))
    return all(source.stat().st_mtime <= made.stat().st_mtime for source in sources)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Every file of the repository, by path: a source distribution holds all that git does not ignore."""
    directory = tmp_path_factory.mktemp("sdist")
    (path,) = SdistBuilder(str(ROOT)).build(directory=str(directory), versions=["standard"])
    with tarfile.open(path) as archive:
        return {
            member.name.partition("/")[2]: content.read()
            for member in archive.getmembers()
            if (content := archive.extractfile(member)) is not None
        }


def read_metadata(wheel: zipfile.ZipFile, name: str) -> str:
    (path,) = (path for path in wheel.namelist() if path.endswith(f".dist-info/{name}"))
    return wheel.read(path).decode()


def read_labextension(wheel: zipfile.ZipFile) -> dict[str, bytes]:
    """Return the files of the labextension, by their path in its folder."""
    folder = f"rlm_jupyter-{version('rlm-jupyter')}.data/data/share/jupyter/labextensions/rlm-jupyter/"
    return {path.removeprefix(folder): wheel.read(path) for path in wheel.namelist() if path.startswith(folder)}


def test_the_wheel_holds_the_package_and_the_labextension_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    package = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "rlm_jupyter").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    installed = {path for path in wheel.namelist() if ".dist-info/" not in path}
    data = f"rlm_jupyter-{version('rlm-jupyter')}.data/data"
    enabling = f"{data}/etc/jupyter/jupyter_server_config.d/rlm_jupyter.json"
    labextension = {f"{data}/share/jupyter/labextensions/rlm-jupyter/{path}" for path in read_labextension(wheel)}
    assert installed == {*package, enabling, *labextension}
    assert {"rlm_jupyter/__init__.py", "rlm_jupyter/py.typed"} <= installed


def test_the_version_is_the_same_everywhere(wheel: zipfile.ZipFile) -> None:
    metadata: Message = HeaderParser().parsestr(read_metadata(wheel, "METADATA"))
    assert metadata["Version"] == version("rlm-jupyter") == rlm_jupyter.__version__
    for content in (read_labextension(wheel)["package.json"], (LABEXTENSION / "package.json").read_bytes()):
        assert str(Version(json.loads(content)["version"])) == rlm_jupyter.__version__


def test_the_wheel_names_its_clients_and_environments(wheel: zipfile.ZipFile) -> None:
    entry_points = read_metadata(wheel, "entry_points.txt")
    assert "[rlm_jupyter.clients]" in entry_points
    assert "[rlm_jupyter.environments]" in entry_points
    modules = re.findall(r"= ([\w.]+):\w+", entry_points)
    assert {module.replace(".", "/") + ".py" for module in modules} <= set(wheel.namelist())


def test_the_labextension_is_complete_and_small(wheel: zipfile.ZipFile) -> None:
    labextension = read_labextension(wheel)
    built = json.loads(labextension["package.json"])["jupyterlab"]["_build"]
    assert {"install.json", "schemas/rlm-jupyter/plugin.json", "static/style.js", built["load"]} <= labextension.keys()
    assert [path for path in labextension if path.endswith((".map", ".ts", ".orig"))] == []
    loaded = {path: len(gzip.compress(code)) for path, code in labextension.items() if path.endswith(".js")}
    assert sum(loaded.values()) < 250_000, loaded


@pytest.fixture(scope="module")
def installed(wheel: zipfile.ZipFile, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel, beside the dependencies of this one."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    venv.create(folder, symlinks=True, with_pip=False)
    (packages,) = folder.rglob("site-packages")
    wheel.extractall(packages)
    (parts,) = packages.glob("*.data/data")
    shutil.copytree(parts, folder, dirs_exist_ok=True)
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return folder


@pytest.mark.parametrize(
    ("lists", "folder", "ours"),
    [
        ("jupyter_server extension list", "etc/jupyter", rf"rlm_jupyter {re.escape(version('rlm-jupyter'))}.*OK"),
        ("jupyterlab.labextensions list", "share/jupyter/labextensions", r"rlm-jupyter v\S+ enabled OK"),
    ],
)
def test_jupyter_finds_the_extensions_of_the_installed_wheel_and_needs_no_node(
    installed: Path, tmp_path: Path, lists: str, folder: str, ours: str
) -> None:
    said = subprocess.run(
        [installed / "bin/python", "-m", *lists.split()],
        env={"HOME": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    told = re.sub(r"\x1b\[[0-9;]*m", "", said.stdout + said.stderr)
    assert str(installed / folder) in told
    assert re.search(ours, told), told


def test_the_wheel_carries_the_license(wheel: zipfile.ZipFile) -> None:
    assert "BSD 3-Clause License" in read_metadata(wheel, "licenses/LICENSE")


def test_every_folder_says_what_lives_there(sources: dict[str, bytes]) -> None:
    packages = [path for path in sources if re.fullmatch(r"rlm_jupyter/(.+/)?__init__\.py", path)]
    silent = [path for path in packages if not sources[path].startswith(b'"""')]
    assert silent == []


def test_no_file_holds_a_path_of_the_machine_it_was_written_on(sources: dict[str, bytes]) -> None:
    found = {path: match[0] for path, content in sources.items() if (match := MACHINE_PATH.search(content))}
    assert found == {}


@pytest.mark.parametrize(
    "pins",
    [
        "constraints.txt",
        "labextension/yarn.lock",
        "tests/benchmarks/peers/dspy.txt",
        "tests/benchmarks/peers/rlms.txt",
    ],
)
def test_the_pinned_versions_name_no_address(sources: dict[str, bytes], pins: str) -> None:
    assert re.findall(rb"^.*(?:://| @ ).*$", sources[pins], re.MULTILINE) == []


def test_the_sources_hold_what_the_labextension_is_built_from_and_not_what_it_is_built_with(
    sources: dict[str, bytes],
) -> None:
    ours = {path.removeprefix("labextension/") for path in sources if path.startswith("labextension/")}
    assert {"build.py", "package.json", "yarn.lock", ".yarnrc.yml", "tsconfig.json", "src/index.ts"} <= ours
    assert {path.split("/")[0] for path in ours} & {"node_modules", ".yarn", "dist", "lib"} == set()
