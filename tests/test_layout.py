"""What a user installs, and what the tree may hold."""

from __future__ import annotations

import re
import shutil
import subprocess
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
from hatchling.builders.wheel import WheelBuilder

import rlm_jupyter

ROOT = Path(__file__).parents[1]

# Directories that exist on the machine of whoever wrote a file, and on no other.
MACHINE_PATH = re.compile(rb"/(?:home|root|Users|work|workspace)/\w[^\s\"']*")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    directory = tmp_path_factory.mktemp("wheel")
    (path,) = WheelBuilder(str(ROOT)).build(directory=str(directory), versions=["standard"])
    return zipfile.ZipFile(path)


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


def test_the_wheel_holds_the_package_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    package = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "rlm_jupyter").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    installed = {path for path in wheel.namelist() if ".dist-info/" not in path}
    enabling = f"rlm_jupyter-{version('rlm-jupyter')}.data/data/etc/jupyter/jupyter_server_config.d/rlm_jupyter.json"
    assert installed == {*package, enabling}
    assert {"rlm_jupyter/__init__.py", "rlm_jupyter/py.typed"} <= installed


def test_the_version_is_the_same_everywhere(wheel: zipfile.ZipFile) -> None:
    metadata: Message = HeaderParser().parsestr(read_metadata(wheel, "METADATA"))
    assert metadata["Version"] == version("rlm-jupyter") == rlm_jupyter.__version__


def test_the_wheel_names_its_clients_and_environments(wheel: zipfile.ZipFile) -> None:
    entry_points = read_metadata(wheel, "entry_points.txt")
    assert "[rlm_jupyter.clients]" in entry_points
    assert "[rlm_jupyter.environments]" in entry_points
    modules = re.findall(r"= ([\w.]+):\w+", entry_points)
    assert {module.replace(".", "/") + ".py" for module in modules} <= set(wheel.namelist())


def test_a_server_finds_the_extension_of_the_installed_wheel(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", symlinks=True, with_pip=False)
    (packages,) = (tmp_path / "venv").rglob("site-packages")
    wheel.extractall(packages)
    (parts,) = packages.glob("*.data/data")
    shutil.copytree(parts, tmp_path / "venv", dirs_exist_ok=True)
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    said = subprocess.run(
        [tmp_path / "venv/bin/python", "-m", "jupyter_server", "extension", "list"],
        env={"HOME": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    told = re.sub(r"\x1b\[[0-9;]*m", "", said.stdout + said.stderr)
    assert str(tmp_path / "venv/etc/jupyter") in told
    assert re.search(rf"rlm_jupyter {re.escape(version('rlm-jupyter'))}.*OK", told), told


def test_the_wheel_carries_the_license(wheel: zipfile.ZipFile) -> None:
    assert "BSD 3-Clause License" in read_metadata(wheel, "licenses/LICENSE")


def test_every_folder_says_what_lives_there(sources: dict[str, bytes]) -> None:
    packages = [path for path in sources if re.fullmatch(r"rlm_jupyter/(.+/)?__init__\.py", path)]
    silent = [path for path in packages if not sources[path].startswith(b'"""')]
    assert silent == []


def test_no_file_holds_a_path_of_the_machine_it_was_written_on(sources: dict[str, bytes]) -> None:
    found = {path: match[0] for path, content in sources.items() if (match := MACHINE_PATH.search(content))}
    assert found == {}


def test_the_pinned_versions_name_no_address(sources: dict[str, bytes]) -> None:
    assert re.findall(rb"^.*(?:://| @ ).*$", sources["constraints.txt"], re.MULTILINE) == []
