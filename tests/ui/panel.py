"""The panel, by its roles and names: what a screen reader is told is what the tests go by."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

__all__ = ["Panel"]


class Panel:
    """The panel of a page; the one in the sidebar, or the one within another element."""

    def __init__(self, page: Page, within: str = "#rlm-jupyter-panel") -> None:
        self.page = page
        inside = page.locator(within)
        self.root = inside.and_(page.locator(".jp-rlm-Panel")).or_(inside.locator(".jp-rlm-Panel")).first
        self.header = self.root.locator(".jp-rlm-Header")
        self.runs = self.root.get_by_role("listbox", name="Runs").get_by_role("option")
        self.tree = self.root.get_by_role("treegrid", name="Spans")
        self.rows = self.tree.locator("[role=row][data-key]")
        self.search = self.root.get_by_role("searchbox", name="Search in the run")
        self.tabs = self.root.get_by_role("tablist").last.get_by_role("tab")
        self.detail = self.root.get_by_role("tabpanel")
        self.review = self.root.locator(".jp-rlm-Review")
        self.state = self.root.locator(".jp-rlm-State")
        self.live = self.root.locator(".jp-rlm-Live")

    def button(self, name: str) -> Locator:
        """A button of the panel, by its name or how it begins."""
        return self.root.get_by_role("button", name=re.compile(rf"^{re.escape(name)}"))

    def rows_of(self, kind: str, *, status: str | None = None, text: str | None = None) -> Locator:
        """The rows of a kind that stand in the tree, each for one span."""
        having = f'[data-span-id][data-kind="{kind}"]' + (f'[data-status="{status}"]' if status else "")
        rows = self.rows.and_(self.page.locator(having))
        return rows.filter(has_text=text) if text is not None else rows

    def run(self, question: str) -> Locator:
        """The run in the list that asks this."""
        return self.runs.filter(has_text=question)

    def tab(self, name: str) -> Locator:
        """A tab of the detail, by how its name begins."""
        return self.root.get_by_role("tab", name=re.compile(rf"^{re.escape(name)}"))

    def open_tab(self, name: str) -> Locator:
        """Open a tab of the detail, and return what it shows."""
        self.tab(name).click()
        expect(self.tab(name)).to_have_attribute("aria-selected", "true")
        return self.detail

    def expect_status(self, status: str) -> None:
        """Expect that the run that is open stands so."""
        expect(self.header).to_have_attribute("data-status", status)

    def unfold(self, row: Locator) -> None:
        """Unfold a row unless it is."""
        if row.get_attribute("aria-expanded") == "false":
            row.click()
            self.page.keyboard.press("ArrowRight")
        expect(row).to_have_attribute("aria-expanded", "true")
