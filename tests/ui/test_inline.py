"""Runs in the cells' own outputs: while they run, in saved notebooks, and in Notebook 7."""

from __future__ import annotations

import json
from collections.abc import Callable

from playwright.sync_api import Page, expect
from scripted_server import Reply
from scripts import code, says

from rlm_jupyter.trace.artifacts.bundle import RUN_MIME_TYPE
from ui.lab import Lab
from ui.lab_site import Site

Opened = Callable[..., str]

WALRUS = "How many walruses are there?"

INLINE = ".jp-RenderedRLM, .jp-rlm-Run, .jp-rlm-Inline"


def test_a_finished_run_stands_below_its_cell(lab: Lab, site: Site, notebook: Opened) -> None:
    site.script = says(code("print(llm_query('x'))"), "FINAL(seven walruses)")
    notebook(f"%%rlm\n{WALRUS}")
    cell = lab.ran(0)
    shown = cell.locator(f'.jp-OutputArea-output[data-mime-type="{RUN_MIME_TYPE}"]')
    expect(shown).to_contain_text("seven walruses")
    expect(shown).to_contain_text("1 sub-call")


def test_a_saved_notebook_shows_its_run_without_a_kernel(lab: Lab, site: Site, notebook: Opened, name: str) -> None:
    site.script = says(code("print(llm_query('x'))"), "FINAL(seven walruses)")
    path = notebook(f"%%rlm\n{WALRUS}")
    lab.ran(0)
    lab.command("docmanager:save")
    saved = json.loads((site.server.root / path).read_text())
    assert any(RUN_MIME_TYPE in output.get("data", {}) for output in saved["cells"][0]["outputs"])
    lab.command("application:close")
    site.end_kernels()
    other = f"{name}-elsewhere.ipynb"
    (site.server.root / other).write_text(json.dumps(saved))
    lab.command("docmanager:open", {"path": other, "kernelPreference": {"shouldStart": False, "canStart": False}})
    shown = lab.notebook.locator(f'.jp-OutputArea-output[data-mime-type="{RUN_MIME_TYPE}"]')
    expect(shown).to_contain_text("seven walruses")
    assert not any(session["path"] == other and session["kernel"] for session in site.server.get("api/sessions"))


def test_notebook_7_shows_the_panel_and_the_run(page: Page, site: Site, name: str) -> None:
    site.held.clear()
    site.script = says(code("print(llm_query('x'))"), "FINAL(seven walruses)", sub=Reply("y", held=site.held))
    path = site.write(f"{name}.ipynb", [f"%%rlm\n{WALRUS}"])
    lab = Lab(page, site)
    page.goto(f"{site.server.url}/notebooks/{path}?token={site.server.token}")
    lab.wait_until_started()
    lab.wait_for_kernel(path)
    lab.command("rlm-jupyter:show-panel")
    lab.run(0)
    expect(lab.panel.rows_of("subcall", status="running")).to_have_count(1)
    site.held.set()
    lab.expect_ended(0)
    lab.panel.expect_status("ok")
    shown = lab.cell(0).locator(f'.jp-OutputArea-output[data-mime-type="{RUN_MIME_TYPE}"]')
    expect(shown).to_contain_text("seven walruses")
    site.end_kernels()
    assert lab.logged == []
