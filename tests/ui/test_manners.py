"""The panel in light and dark, by keyboard, for a screen reader, narrow, and in a tab of its own."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import expect
from scripted_server import ChatRequest, Reply
from scripts import code, says

from ui.axe import violations
from ui.lab import PANEL_ID, Lab
from ui.lab_site import Site
from ui.panel import Panel

Opened = Callable[..., str]

WALRUS = "How many walruses are there?"

LIGHT, DARK = "JupyterLab Light", "JupyterLab Dark"

LUMINANCE = """element => {
  const [red, green, blue] = getComputedStyle(element).backgroundColor.match(/[\\d.]+/g).map(Number);
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}"""


def refuses(request: ChatRequest) -> Reply:
    return Reply("no such piece", status=400) if request.prompt.startswith("fail") else Reply("a **piece** of it")


def a_bit_of_everything(site: Site) -> None:
    """Have runs with code, outputs, sub-calls that are alike, and failures."""
    site.script = says(
        code("parts = ['piece ' + str(i) for i in range(12)]", "found = llm_query_batched([*parts, 'fail'])"),
        code("1 / 0"),
        "FINAL(done)",
        sub=refuses,
    )


@pytest.fixture(autouse=True)
def light(lab: Lab) -> Iterator[None]:
    """Back to the light theme afterwards, which the server remembers."""
    yield
    if lab.page.locator("body").get_attribute("data-jp-theme-name") != LIGHT:
        lab.theme(LIGHT)


@pytest.mark.parametrize("theme", [LIGHT, DARK, "JupyterLab Dark High Contrast"])
def test_axe_finds_nothing_wrong(lab: Lab, site: Site, notebook: Opened, theme: str) -> None:
    a_bit_of_everything(site)
    lab.theme(theme)
    panel = lab.show_panel()
    found = violations(lab.page, f"#{PANEL_ID}")
    notebook(f"%%rlm\n{WALRUS}")
    expect(panel.state).to_have_attribute("data-state", "no-runs")
    found += violations(lab.page, f"#{PANEL_ID}")
    lab.ran(0)
    panel.expect_status("ok")
    for row, tabs in (
        (panel.rows_of("code").last, ("Code", "Output", "Raw")),
        (panel.rows_of("model_call").first, ("Reply", "Messages")),
        (panel.rows_of("subcall", status="error"), ("Messages", "Raw")),
    ):
        row.click()
        for tab in tabs:
            panel.open_tab(tab)
            found += violations(lab.page, f"#{PANEL_ID}")
    panel.unfold(panel.rows.filter(has_text="12 llm_query"))
    panel.search.fill("piece")
    found += violations(lab.page, f"#{PANEL_ID}")
    panel.search.fill("")
    panel.button("Export").click()
    expect(panel.root.get_by_role("menuitem")).not_to_have_count(0)
    found += violations(lab.page, f"#{PANEL_ID}")
    lab.page.keyboard.press("Escape")
    assert found == []


def test_colours_are_the_themes(lab: Lab, site: Site, notebook: Opened) -> None:
    site.script = says(code("x = 1"), "FINAL(done)")
    notebook(f"%%rlm\n{WALRUS}")
    panel = lab.panel
    lab.ran(0)
    panel.rows_of("code").click()
    assert panel.root.evaluate(LUMINANCE) > 200
    lab.theme(DARK)
    assert panel.root.evaluate(LUMINANCE) < 80
    expect(panel.tab("Code")).to_be_visible()


def test_everything_is_reached_by_keyboard(lab: Lab, site: Site, notebook: Opened) -> None:
    a_bit_of_everything(site)
    notebook(f"%%rlm\n{WALRUS}")
    panel = lab.panel
    lab.ran(0)
    panel.expect_status("ok")
    keys = lab.page.keyboard
    focused = lab.page.locator(":focus")
    panel.runs.first.focus()
    for expected in (panel.header, panel.root.get_by_role("searchbox"), panel.tree):
        keys.press("F6")
        expect(expected.locator(":focus").or_(expected.and_(focused))).to_have_count(1)
    # One row can be focused, and the arrows move from row to row.
    expect(panel.tree.locator('[role=row][tabindex="0"]')).to_have_count(1)
    keys.press("Home")
    expect(panel.rows.first).to_be_focused()
    expect(focused).to_have_attribute("aria-level", "1")
    keys.press("ArrowDown")
    expect(focused).to_have_attribute("data-kind", "iteration")
    keys.press("ArrowLeft")
    expect(focused).to_have_attribute("aria-expanded", "false")
    folded = panel.rows.count()
    keys.press("ArrowRight")
    expect(focused).to_have_attribute("aria-expanded", "true")
    assert panel.rows.count() > folded
    keys.press("ArrowRight")
    expect(focused).to_have_attribute("data-kind", "model_call")
    keys.press("ArrowLeft")
    expect(focused).to_have_attribute("data-kind", "iteration")
    keys.press("End")
    expect(panel.rows.last).to_be_focused()
    keys.press("Home")
    keys.press("PageDown")
    expect(panel.rows.first).not_to_be_focused()
    panel.rows_of("code").first.focus()
    keys.press("Enter")
    expect(panel.detail.locator(":focus").or_(panel.root.get_by_role("tab").and_(focused))).to_have_count(1)
    keys.press("Escape")
    expect(panel.tree.locator(":focus")).to_have_attribute("data-kind", "code")
    keys.press("Shift+F6")
    expect(panel.tree.locator(":focus")).to_have_count(0)
    expect(panel.root.locator(":focus")).to_have_count(1)


def test_the_focus_is_seen(lab: Lab, site: Site, notebook: Opened) -> None:
    site.script = says(code("x = 1"), "FINAL(done)")
    notebook(f"%%rlm\n{WALRUS}")
    panel = lab.panel
    lab.ran(0)
    panel.rows_of("code").click()
    lab.page.keyboard.press("ArrowUp")
    seen = "e => { const s = getComputedStyle(e); return s.outlineStyle !== 'none' || s.boxShadow !== 'none'; }"
    assert lab.page.locator(":focus").evaluate(seen)


def test_a_narrow_panel_shows_what_matters(lab: Lab, site: Site, notebook: Opened) -> None:
    lab.is_as_it_was = False
    a_bit_of_everything(site)
    notebook(f"%%rlm\n{WALRUS}")
    panel = lab.panel
    lab.ran(0)
    lab.widen(250)
    narrow = panel.root.bounding_box()
    assert narrow is not None
    assert narrow["width"] < 300
    expect(panel.rows_of("code").first).to_be_visible()
    expect(panel.rows_of("code").first).to_contain_text("parts")
    panel.rows_of("code").first.click()
    expect(panel.open_tab("Code")).to_contain_text("llm_query_batched")
    assert panel.root.evaluate("e => e.scrollWidth <= e.clientWidth")


def test_a_run_opens_in_a_tab_of_its_own(lab: Lab, site: Site, notebook: Opened) -> None:
    a_bit_of_everything(site)
    path = notebook(f"%%rlm\n{WALRUS}")
    lab.ran(0)
    lab.command("rlm-jupyter:open-in-tab", {"run_id": site.runs(path)[0]["run_id"]})
    detached = Panel(lab.page, "#jp-main-dock-panel")
    expect(detached.root).to_be_visible()
    detached.expect_status("ok")
    detached.rows_of("code").first.click()
    expect(detached.open_tab("Code")).to_contain_text("llm_query_batched")


def test_commands_stand_in_the_palette_and_the_notebooks_menu(lab: Lab, site: Site, notebook: Opened) -> None:
    site.script = says("FINAL(done)")
    notebook(f"%%rlm\n{WALRUS}")
    lab.ran(0)
    lab.command("apputils:activate-command-palette")
    lab.page.locator("#modal-command-palette input").fill("RLM")
    expect(lab.page.locator("#modal-command-palette .lm-CommandPalette-item")).not_to_have_count(0)
    lab.page.keyboard.press("Escape")
    named = re.compile("RLM|recursive", re.IGNORECASE)
    expect(lab.notebook.locator(".jp-Toolbar").get_by_role("button", name=named)).to_be_visible()


def test_the_settings_are_there(lab: Lab) -> None:
    settings = lab.site.server.get("lab/api/settings/rlm-jupyter%3Aplugin")
    assert settings["schema"]["properties"], settings
