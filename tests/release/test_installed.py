"""The wheel in an environment that has nothing else: it runs there, with no front end, no Node, no compiler, no key.

Then Binder's packages are added, as repo2docker would have them, at any commit and at a release; and a visitor comes.
Each test takes the environment as the one before has left it: to make another would take most of the time.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from playwright.sync_api import Page, expect, sync_playwright
from scripted_server import ScriptedServer
from scripts import says
from ui.browser import launched
from ui.lab import Lab
from ui.lab_site import Site

from release.binder import LANDING, Binder, BinderServer
from release.built import ROOT
from release.place import Place

pytestmark = pytest.mark.timeout(400)  # an environment is made, and its modules are compiled

EXAMPLES = ROOT / "docs" / "examples"


@pytest.fixture(scope="module")
def place(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """An environment with the wheel and what it brings."""
    place = Place(tmp_path_factory.mktemp("installed"))
    place.install(str(wheel))
    return place


def test_it_brings_neither_node_nor_a_front_end(place: Place) -> None:
    packages = place.packages()
    assert {"rlm-jupyter", "openai", "ipykernel", "jupyter_server"} <= packages
    assert [name for name in packages if "node" in name] == []
    assert packages & {"jupyterlab", "notebook", "jupyter-builder"} == set()
    assert [path.name for path in (place.prefix / "bin").iterdir() if path.name in ("node", "npm", "jlpm")] == []
    place.run("python", "-m", "pip", "check")


def test_jupyter_finds_the_server_half_and_lab_will_find_the_sidebar(place: Place) -> None:
    told = re.sub(r"\x1b\[[0-9;]*m", "", place.run("jupyter", "server", "extension", "list"))
    assert str(place.prefix / "etc" / "jupyter") in told
    version = place.run("python", "-c", "import rlm_jupyter; print(rlm_jupyter.__version__)").strip()
    assert re.search(rf"rlm_jupyter {re.escape(version)}.*OK", told), told
    sidebar = place.prefix / "share" / "jupyter" / "labextensions" / "rlm-jupyter"
    assert json.loads((sidebar / "install.json").read_bytes())["packageName"] == "rlm-jupyter"
    assert (sidebar / json.loads((sidebar / "package.json").read_bytes())["jupyterlab"]["_build"]["load"]).is_file()


def test_the_command_answers_about_a_file(place: Place, tmp_path: Path) -> None:
    lamp = tmp_path / "lamp.txt"
    lamp.write_text("The lamp is red.\nThe walrus is asleep.\n")
    told = place.run("jupyter", "rlm", "run", "Where does it speak of a walrus?", "--context", str(lamp), cwd=tmp_path)
    assert "The walrus is asleep." in told


def test_the_quickstart_runs(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path(shutil.copy(EXAMPLES / "quickstart.ipynb", tmp_path))
    outputs = executed(place, path, monkeypatch)
    assert "collections/__init__.py" in outputs["question-1"]
    assert "83810205" in outputs["mode-a-check"]
    assert [name for name, output in outputs.items() if '"stderr"' in output] == []
    assert path.with_suffix(".trace.ipynb").is_file()


def executed(place: Place, path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Run a notebook in a kernel of the environment, and return the outputs of its cells, by id."""
    kernel = path.parent / "kernels" / "kernels" / "installed" / "kernel.json"
    kernel.parent.mkdir(parents=True)
    command = [str(place.python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    kernel.write_text(json.dumps({"argv": command, "display_name": "Installed", "language": "python"}))
    monkeypatch.setenv("JUPYTER_PATH", str(path.parent / "kernels"))
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:  # a recording plays at once
        cell.source = re.sub(r"\bpace( ?= ?)[\d.]+", r"pace\g<1>0.0", cell.source)
    resources = {"metadata": {"path": str(path.parent)}}
    client = NotebookClient(notebook, kernel_name="installed", timeout=100, resources=resources)
    client.execute(env={**place.env, "JPY_SESSION_NAME": str(path)})
    return {cell["id"]: json.dumps(cell.get("outputs", [])) for cell in notebook.cells}


@dataclass(frozen=True)
class Built:
    """What postBuild has left: where the package came from, what is new in the checkout, and what it said."""

    came_from: str
    left: str
    said: str


@pytest.fixture(scope="module")
def binder(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Binder:
    """A checkout, and an environment with what ``requirements.txt`` asks for."""
    return Binder(place, tmp_path_factory.mktemp("binder") / "checkout")


@pytest.fixture(scope="module")
def built(binder: Binder, wheel: Path) -> Built:
    """postBuild has been run, at a commit that is no release."""
    said = binder.build_from_the_repository(wheel)
    return Built(binder.place.came_from("rlm-jupyter"), binder.git("status", "--short", "--ignored"), said)


@pytest.fixture(scope="module")
def released(binder: Binder, wheel: Path, built: Built) -> Built:
    """And then again, at the tag of a release."""
    said = binder.build_from_the_release(wheel)
    return Built(binder.place.came_from("rlm-jupyter"), binder.git("status", "--short", "--ignored"), said)


@pytest.fixture
def server(binder: Binder, released: Built, tmp_path: Path) -> Iterator[BinderServer]:
    """The visitor's JupyterLab."""
    server = BinderServer(tmp_path, binder)
    with server:
        yield server


@pytest.fixture
def page() -> Iterator[Page]:
    """A page of a browser that nobody else uses."""
    expect.set_options(timeout=30_000)
    with sync_playwright() as playwright, launched(playwright) as browser:
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(30_000)
        yield page


def test_at_any_commit_the_package_is_built_from_the_repository_and_the_tree_is_left_as_it_was(
    binder: Binder, built: Built
) -> None:
    assert built.came_from == binder.checkout.as_uri(), built.said
    assert built.left.split() == ["??", ".jupyter/"]


def test_at_the_tag_of_a_release_the_released_wheel_is_installed_and_nothing_is_built(released: Built) -> None:
    assert released.came_from == "", released.said
    assert "Building" not in released.said
    assert released.left.split() == ["??", ".jupyter/"]


@pytest.mark.usefixtures("released")
def test_the_examples_find_what_they_need(binder: Binder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    binder.place.run("python", "-m", "pip", "check")
    binder.place.run("python", "-c", "import pytest, rlm_jupyter.playback.pytest_plugin")
    examples = Path(shutil.copytree(binder.checkout / "docs" / "examples", tmp_path / "examples"))
    outputs = executed(binder.place, examples / "data_frame.ipynb", monkeypatch)  # with pandas and matplotlib
    assert "image/png" in outputs["figure"]


def test_a_visitor_sees_the_landing_page_with_the_panel_and_watches_a_first_question(
    server: BinderServer, page: Page
) -> None:
    lab = Lab(page, Site(server, ScriptedServer([]), says("")))
    lab.start(LANDING)
    lab.wait_for_kernel(LANDING)
    expect(lab.notebook.get_by_role("heading", level=1)).to_be_visible()
    expect(lab.panel.root).to_be_visible()
    expect(page.locator(".jp-Dialog, .Toastify__toast")).to_have_count(0)  # nothing asks, nothing covers it

    lab.notebook.get_by_role("link", name=re.compile("quickstart", re.IGNORECASE)).first.click()
    quickstart = "docs/examples/quickstart.ipynb"
    lab.wait_for_kernel(quickstart)
    cells = json.loads((server.root / quickstart).read_text())["cells"]
    asked = [cell["id"] for cell in cells].index("question-1")
    for number, cell in enumerate(cells[: asked + 1]):
        if cell["cell_type"] == "code":
            lab.ran(number)
    expect(lab.cell(asked)).to_contain_text("collections/__init__.py")
    expect(lab.panel.rows_of("iteration").first).to_be_visible()
    lab.panel.expect_status("ok")
    assert lab.logged == []
