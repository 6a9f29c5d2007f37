"""Whatever happens to the page, the kernel or the server: the panel comes back to how things are."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
from live_server import eventually
from playwright.sync_api import Page, expect
from scripted_server import Reply
from scripts import code, says

from ui.lab import PANEL_ID, Lab
from ui.lab_site import Site, open_site

Opened = Callable[..., str]

WALRUS = "How many walruses are there?"


def held_back(site: Site) -> None:
    """Have runs wait in a sub-call until the test lets them go on."""
    site.script = says(code("print(llm_query('x'))"), "FINAL(seven)", sub=Reply("y", held=site.held))


def test_the_page_is_loaded_again_in_the_middle_of_a_run(lab: Lab, site: Site, notebook: Opened) -> None:
    held_back(site)
    path = notebook(f"%%rlm\n{WALRUS}")
    panel = lab.panel
    lab.command("docmanager:save")
    eventually(lambda: PANEL_ID in lab.saved_layout() and path in lab.saved_layout(), "the layout, saved")
    lab.run(0)
    expect(panel.rows_of("subcall", status="running")).to_have_count(1)
    lab.page.reload()
    lab.wait_until_started()
    expect(panel.root).to_be_visible()
    expect(panel.run(WALRUS)).to_have_attribute("aria-selected", "true")
    expect(panel.rows_of("subcall", status="running")).to_have_count(1)
    panel.expect_status("running")
    site.held.set()
    panel.expect_status("ok")
    expect(panel.rows_of("subcall", status="ok")).to_have_count(1)
    expect(panel.rows_of("iteration")).to_have_count(2)


def test_a_page_that_was_offline_catches_up(lab: Lab, site: Site, notebook: Opened) -> None:
    held_back(site)
    notebook(f"%%rlm\n{WALRUS}")
    panel = lab.panel
    lab.run(0)
    expect(panel.rows_of("subcall", status="running")).to_have_count(1)
    # No client was there to hear the end: that is what a laptop that slept finds.
    run, *_ = site.runs(_notebook_of(lab))
    lab.page.context.set_offline(True)
    site.held.set()
    eventually(lambda: site.server.get(f"rlm-jupyter/runs/{run['run_id']}")["whole"], "the run's end")
    lab.page.context.set_offline(False)
    panel.expect_status("ok")
    expect(panel.rows_of("iteration")).to_have_count(2)
    lab.logged[:] = [told for told in lab.logged if "ERR_INTERNET_DISCONNECTED" not in told]


def test_a_kernel_that_is_restarted_leaves_its_run_interrupted(lab: Lab, site: Site, notebook: Opened) -> None:
    held_back(site)
    path = notebook(f"%%rlm\n{WALRUS}")
    panel = lab.panel
    lab.run(0)
    expect(panel.rows_of("subcall", status="running")).to_have_count(1)
    lab.restart_kernel()
    panel.expect_status("interrupted")
    expect(panel.rows_of("subcall", status="interrupted")).to_have_count(1)
    lab.wait_for_kernel(path)


def test_an_earlier_session_is_taken_up_again(lab: Lab, site: Site, notebook: Opened) -> None:
    site.script = says("FINAL(the lamp is red)")
    path = notebook("%%rlm\nWhich colour has the lamp?", "%%rlm\nAnd now?")
    lab.ran(0)
    lab.restart_kernel()
    lab.wait_for_kernel(path)
    site.model.requests.clear()
    lab.command("rlm-jupyter:resume-session", {"session_id": site.runs(path)[0]["session_id"]})
    lab.expect_ended(2)
    lab.ran(1)
    told = json.dumps(site.model.requests[0].messages)
    assert "Which colour has the lamp?" in told
    expect(lab.panel.runs).to_have_count(2)


@pytest.fixture
def own_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server that may be killed."""
    with open_site(tmp_path_factory.mktemp("own")) as site:
        yield site


def test_the_server_is_killed_and_started_again(own_site: Site, page: Page, name: str) -> None:
    site = own_site
    held_back(site)
    lab = Lab(page, site).start(workspace=name)
    path = lab.notebook_with("killed.ipynb", [f"%%rlm\n{WALRUS}", "%%rlm\nAnd then?"])
    panel = lab.panel
    lab.run(0)
    expect(panel.rows_of("subcall", status="running")).to_have_count(1)
    site.server.kill()
    expect(panel.root).to_be_visible()
    site.server.start(site.server.port)
    panel.expect_status("interrupted")
    expect(panel.rows_of("subcall", status="interrupted")).to_have_count(1)
    page.add_locator_handler(page.locator(".jp-Dialog"), lambda dialog: dialog.locator("button").first.click())
    site.held.set()
    lab.tidied()
    lab.open(path)
    lab.ran(1)
    expect(panel.run("And then?")).to_be_visible()
    expect(panel.runs).to_have_count(2)


def _notebook_of(lab: Lab) -> str:
    return str(lab.page.evaluate("() => window.jupyterapp.shell.currentWidget.context.path"))
