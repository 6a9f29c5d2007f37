"""From the panel to the notebook, and from the notebook to the panel."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from live_server import eventually
from playwright.sync_api import expect
from scripted_server import Reply
from scripts import code, says

from ui.lab import Lab
from ui.lab_site import Site

Opened = Callable[..., str]

WALRUS = "How many walruses are there?"
TALL = {"cell_type": "markdown", "source": "tall\n\n" * 60}


def test_a_run_leads_to_its_cell(lab: Lab, site: Site, notebook: Opened) -> None:
    site.script = says("FINAL(seven)")
    notebook(f"%%rlm\n{WALRUS}", "1 + 1", *[f"# {number}\n" + "\n" * 30 for number in range(6)], "print('at the end')")
    lab.ran(0)
    lab.ran(8)
    expect(lab.cell(0)).not_to_be_in_viewport()
    lab.panel.button("Go to cell").click()
    expect(lab.cell(0)).to_be_in_viewport()
    expect(lab.cell(0)).to_have_class(re.compile("jp-mod-active"))


def test_a_click_on_a_run_shows_its_cell(lab: Lab, site: Site, notebook: Opened) -> None:
    site.script = says("FINAL(seven)")
    tall = [f"# {number}\n" + "\n" * 30 for number in range(6)]
    notebook(f"%%rlm\n{WALRUS}", *tall, "%%rlm\nAnd how many baths?")
    lab.ran(0)
    lab.ran(7)
    panel = lab.panel
    expect(panel.runs).to_have_count(2)
    expect(panel.runs.first).to_contain_text("And how many baths?")
    expect(lab.cell(0)).not_to_be_in_viewport()
    panel.run(WALRUS).click()
    expect(panel.header).to_contain_text(WALRUS)
    expect(lab.cell(0)).to_be_in_viewport()


def test_code_becomes_a_cell(lab: Lab, site: Site, notebook: Opened) -> None:
    site.script = says(code("walruses = 3 + 4"), "FINAL(seven)")
    notebook(f"%%rlm\n{WALRUS}", "'the last cell'")
    lab.ran(0)
    panel = lab.panel
    panel.rows_of("code").click()
    panel.open_tab("Code")
    panel.button("Insert as cell").click()
    lab.page.wait_for_function("() => window.jupyterapp.shell.currentWidget.content.widgets.length === 3")
    assert lab.sources() == [f"%%rlm\n{WALRUS}", "walruses = 3 + 4", "'the last cell'"]


def test_code_is_copied(lab: Lab, site: Site, notebook: Opened) -> None:
    site.script = says(code("walruses = 3 + 4"), "FINAL(seven)")
    notebook(f"%%rlm\n{WALRUS}")
    lab.ran(0)
    panel = lab.panel
    panel.rows_of("code").click()
    panel.open_tab("Code")
    panel.button("Copy").last.click()
    assert eventually(lambda: lab.page.evaluate("() => navigator.clipboard.readText()"), "a copy") == "walruses = 3 + 4"


def test_the_trace_notebook_opens(lab: Lab, site: Site, notebook: Opened, name: str) -> None:
    site.script = says(code("walruses = 3 + 4"), "FINAL(seven)")
    notebook(f"%%rlm\n{WALRUS}")
    lab.ran(0)
    eventually((site.server.root / f"{name}.trace.ipynb").exists, "the trace notebook")
    lab.panel.button("Open trace notebook").click()
    expect(lab.page.locator("#jp-main-dock-panel").get_by_role("tab", name=f"{name}.trace.ipynb")).to_be_visible()
    expect(lab.notebook).to_contain_text("walruses = 3 + 4")


def test_the_cells_output_leads_to_its_run(lab: Lab, site: Site, notebook: Opened) -> None:
    site.script = says("FINAL(seven)")
    notebook(f"%%rlm\n{WALRUS}", "%%rlm\nAnd how many baths?")
    lab.ran(0)
    lab.ran(1)
    panel = lab.panel
    expect(panel.header).to_contain_text("And how many baths?")
    lab.cell(0).get_by_role("button", name="Open in the panel").click()
    expect(panel.header).to_contain_text(WALRUS)


def test_a_run_under_way_is_opened_from_its_cell(lab: Lab, site: Site, notebook: Opened) -> None:
    site.script = says(code("print(llm_query('x'))"), "FINAL(seven)", sub=Reply("y", held=site.held))
    notebook(f"%%rlm\n{WALRUS}")
    lab.page.locator('.jp-SideBar [data-id="rlm-jupyter-panel"]').click()
    expect(lab.panel.root).not_to_be_visible()
    lab.run(0)
    lab.cell(0).get_by_role("button", name="Open in the panel").click()
    lab.panel.expect_status("running")
    site.held.set()
    lab.expect_ended(0)


def test_the_panel_goes_with_the_notebook_in_front(lab: Lab, site: Site, name: str) -> None:
    site.script = says("FINAL(seven)")
    first, second = (site.write(f"{name}-{of}.ipynb", [f"%%rlm\nWho is in {of}?"]) for of in ("one", "two"))
    panel = lab.panel
    for path, of in ((first, "one"), (second, "two")):
        lab.open(path)
        lab.show_panel()
        lab.ran(0)
        expect(panel.run(f"Who is in {of}?")).to_be_visible()
        expect(panel.runs).to_have_count(1)
    lab.page.locator("#jp-main-dock-panel").get_by_role("tab", name=first).click()
    expect(panel.run("Who is in one?")).to_be_visible()
    expect(panel.runs).to_have_count(1)
    expect(panel.header).to_contain_text("Who is in one?")


def test_a_notebook_that_is_renamed_keeps_its_runs(lab: Lab, site: Site, notebook: Opened, name: str) -> None:
    site.script = says(code("print(llm_query('x'))"), "FINAL(seven)", sub=Reply("y", held=site.held))
    path = notebook(f"%%rlm\n{WALRUS}")
    panel = lab.panel
    lab.run(0)
    expect(panel.rows_of("subcall", status="running")).to_have_count(1)
    rename = "async ([old, name]) => { await window.jupyterapp.serviceManager.contents.rename(old, name); }"
    lab.page.evaluate(rename, [path, f"{name}-renamed.ipynb"])
    expect(panel.root).to_contain_text(f"{name}-renamed.ipynb")
    expect(panel.run(WALRUS)).to_be_visible()
    site.held.set()
    lab.expect_ended(0)
    panel.expect_status("ok")
    assert [run["question"] for run in site.whole(f"{name}-renamed.ipynb")] == [WALRUS]


def test_a_link_leads_to_a_span(lab: Lab, site: Site, notebook: Opened, name: str) -> None:
    site.script = says(code("walruses = 3 + 4"), code("baths = 2"), "FINAL(seven)")
    path = notebook(f"%%rlm\n{WALRUS}", "%%rlm\nAnd later?")
    lab.ran(0)
    panel = lab.panel
    row = panel.rows_of("code", text="baths = 2")
    row.click()
    span = row.get_attribute("data-span-id")
    lab.command("rlm-jupyter:copy-link")
    link = lab.page.evaluate("() => navigator.clipboard.readText()")
    lab.ran(1)
    lab.command("docmanager:save")
    assert link.startswith(site.server.url)
    other = Lab(lab.page.context.new_page(), site)
    other.page.goto(link)
    other.wait_until_started()
    selected = other.panel.tree.locator('[role=row][aria-selected="true"]')
    expect(selected).to_have_attribute("data-span-id", span or "")
    expect(other.panel.header).to_contain_text(WALRUS)
    expect(other.notebook).to_be_visible()
    assert other.logged == []
    other.page.close()
    assert path in json.dumps(site.server.get("api/sessions"))
