"""What can be had of a run that is over: a file of it, its replay, and its continuation where it was cut."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Locator, expect
from scripted_server import Reply
from scripts import code, says

from ui.lab import Lab
from ui.lab_site import Site

Opened = Callable[..., str]

WALRUS = "How many walruses are there?"


def opened_menu(lab: Lab) -> Locator:
    """Open the export menu, and return what it offers once the server has listed it."""
    lab.panel.button("Export").click()
    items = lab.panel.root.get_by_role("menu", name="Export").get_by_role("menuitem")
    expect(items).not_to_have_count(0)
    return items


def test_a_run_is_saved_in_each_format_that_the_server_lists(lab: Lab, site: Site, notebook: Opened) -> None:
    site.script = says("FINAL(seven)")
    path = notebook(f"%%rlm\n{WALRUS}")
    lab.ran(0)
    lab.panel.expect_status("ok")
    run, *_ = site.runs(path)
    listed = site.server.get(f"rlm-jupyter/runs/{run['run_id']}/artifacts")["artifacts"]
    items = opened_menu(lab)
    expect(items).to_have_count(len(listed))
    for item, form in zip(items.all(), listed, strict=True):
        expect(item).to_have_accessible_description(form["summary"])
    # By keyboard: the first format has the focus, and Enter saves it.
    expect(items.first).to_be_focused()
    with lab.page.expect_download() as download:
        lab.page.keyboard.press("Enter")
    assert download.value.suggested_filename == listed[0]["file_name"]
    expect(lab.panel.button("Export")).to_be_focused()
    # Beside the notebook, twice: the second file does not take the place of the first one.
    form = next(each for each in listed if each["format"] == "jsonl")
    beside = site.server.root / form["file_name"]
    for number in range(2):
        items = opened_menu(lab)
        lab.panel.root.get_by_role("menuitemradio", name="Beside the notebook").click()
        items.and_(lab.page.locator(f'[title="{form["file_name"]}"]')).click()
        saved = beside if number == 0 else beside.with_name(beside.name.replace(".jsonl", "-1.jsonl"))
        expect(lab.page.get_by_text(f"The run was saved as {saved.name}.").first).to_be_visible()
        assert run["run_id"] in first_line(saved)


def first_line(path: Path) -> str:
    """The first line of a file."""
    return path.read_text(encoding="utf-8").split("\n", 1)[0]


def test_a_run_is_replayed_in_a_cell_of_its_notebook(lab: Lab, site: Site, notebook: Opened) -> None:
    site.script = says(code("print(llm_query('How many are seven?'))"), "FINAL(seven)", sub="seven walruses")
    path = notebook(f"%%rlm\n{WALRUS}")
    lab.ran(0)
    lab.panel.expect_status("ok")
    run, *_ = site.whole(path)
    site.model.requests.clear()
    lab.panel.button("Replay").click()
    lab.expect_ended(1)
    assert lab.sources()[1] == f"%rlm replay {run['run_id']}"
    expect(lab.cell(1).locator(".jp-OutputArea-output").first).to_contain_text("The same as recorded")
    assert site.model.requests == []


def test_a_run_that_was_cut_is_resumed_in_a_cell_of_its_notebook(lab: Lab, site: Site, notebook: Opened) -> None:
    held = Reply("FINAL(seven)", held=site.held)
    site.script = says(code("found = llm_query('x')"), held, sub="seven walruses")
    path = notebook(f"%%rlm\n{WALRUS}")
    panel = lab.panel
    lab.run(0)
    expect(panel.rows_of("subcall", status="ok")).to_have_count(1)
    expect(panel.rows_of("model_call", status="running")).to_have_count(1)
    expect(panel.button("Resume")).to_have_count(0)
    expect(panel.button("Replay")).to_have_count(0)
    panel.button("Interrupt").click()
    lab.expect_ended(0)
    panel.expect_status("interrupted")
    (cut,) = site.whole(path)
    site.held.set()
    site.model.requests.clear()
    panel.button("Resume").click()
    lab.expect_ended(1)
    assert lab.sources()[1] == f"%rlm resume {cut['run_id']}"
    # What was answered is not asked again: neither the first reply nor the sub-call.
    expect(panel.runs).to_have_count(2)
    panel.expect_status("ok")
    assert len(site.model.requests) == 1
    # From the one run to the other, and back; what was resumed is not offered again.
    panel.button("The run that this one goes on with").click()
    panel.expect_status("interrupted")
    expect(panel.button("Resume")).to_have_count(0)
    panel.button("The run that goes on with this one").click()
    panel.expect_status("ok")
