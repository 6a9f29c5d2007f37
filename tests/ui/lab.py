"""JupyterLab in a browser, as the person in front of it sees it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from playwright.sync_api import ConsoleMessage, Error, Locator, Page, expect

from ui.lab_site import Site
from ui.panel import Panel

__all__ = ["PANEL_ID", "WIDTH", "Lab"]

_LABS_OWN = (
    "Could not restore the debugger state",  # the kernel was ended
    "Canceled future for create_subshell_request",  # the kernel was restarted
    "Error: Widget is not attached.",  # a notebook was closed while it was drawn
    "Cannot read properties of null (reading 'promise')",  # a toolbar was resized after it was closed
    "static/notebook/notebook_core",  # Notebook 7 reads settings of plugins that it does not have
)
"""Of what JupyterLab and Notebook 7 log as errors without us."""

_EXPECTED = ("409 (Kernel out of reach)",)
"""What the browser notes of refusals that the panel counts on: it asks again when the kernel is heard."""

PANEL_ID = "rlm-jupyter-panel"

WIDTH = 430  # pixels: there is room for the waterfall

_STARTED = "() => window.jupyterapp && window.jupyterapp.restored.then(() => true)"

_READY = """path => {
  for (const widget of window.jupyterapp.shell.widgets('main')) {
    const context = widget.context;
    if (context && context.path === path && context.isReady) {
      const session = context.sessionContext;
      return session && session.isReady && session.session?.kernel?.status === 'idle';
    }
  }
  return false;
}"""


class Lab:
    """A page that shows JupyterLab, or Notebook 7."""

    def __init__(self, page: Page, site: Site) -> None:
        self.page = page
        self.site = site
        self.logged: list[str] = []
        self.panel = Panel(page)
        self.is_as_it_was = True
        self.workspace = ""
        page.on("console", self._hear)
        page.on("pageerror", self._hear_error)

    # Opening and going

    def start(self, path: str = "", *, workspace: str = "", query: str = "") -> Lab:
        """Load JupyterLab, with the file at this path."""
        self.workspace = workspace
        where = f"/workspaces/{workspace}" if workspace else ""
        below = f"/tree/{quote(path)}" if path else ""
        self.page.goto(f"{self.site.server.url}/lab{where}{below}?token={self.site.server.token}{query}")
        self.wait_until_started()
        return self

    def wait_until_started(self) -> None:
        """Wait until all extensions are active and the layout is back."""
        self.page.wait_for_function(_STARTED)

    def command(self, name: str, arguments: dict[str, Any] | None = None) -> Any:
        """Execute one of Lab's commands, and return when it is done; widgets that it returns stay in the page."""
        script = "async ([name, given]) => { await window.jupyterapp.commands.execute(name, given); }"
        return self.page.evaluate(script, [name, arguments or {}])

    def open(self, path: str) -> Locator:
        """Open a notebook, or bring it to the front, and return it once its kernel is idle."""
        self.command("docmanager:open", {"path": path})
        self.wait_for_kernel(path)
        return self.notebook

    def wait_for_kernel(self, path: str) -> None:
        """Wait until the kernel of this notebook is idle."""
        self.page.wait_for_function(_READY, arg=path)

    def notebook_with(self, path: str, cells: Sequence[str | dict[str, Any]]) -> str:
        """Write a notebook with these cells, open it beside the panel, and return its path."""
        self.site.write(path, cells)
        self.open(path)
        self.show_panel()
        return path

    def show_panel(self) -> Panel:
        """Click on the panel's icon in the sidebar unless the panel is open."""
        if not self.panel.root.is_visible():
            self.page.locator(f'.jp-SideBar [data-id="{PANEL_ID}"]').click()
            expect(self.panel.root).to_be_visible()
            self.widen(WIDTH)
        return self.panel

    def widen(self, width: int) -> None:
        """Drag the edge of the sidebar with the panel until it is so many pixels wide."""
        box = self.panel.root.bounding_box()
        assert box is not None
        self.page.mouse.move(box["x"] - 2, 300)
        self.page.mouse.down()
        self.page.mouse.move(box["x"] + box["width"] - width - 2, 300, steps=5)
        self.page.mouse.up()

    def tidied(self) -> bool:
        """Close all documents, and return whether the page is then as it was in the beginning."""
        if self.is_as_it_was:
            self.page.evaluate("() => [...window.jupyterapp.shell.widgets('main')].forEach(each => each.dispose())")
        return self.is_as_it_was

    def theme(self, name: str) -> None:
        """Change Lab's theme, and wait until its colours are there."""
        self.command("apputils:change-theme", {"theme": name})
        light = "true" if "Light" in name else "false"
        expect(self.page.locator("body")).to_have_attribute("data-jp-theme-light", light)
        expect(self.page.locator("body")).to_have_attribute("data-jp-theme-name", name)
        self.page.locator("#jupyterlab-splash").wait_for(state="detached")

    def restart_kernel(self) -> None:
        """Restart the kernel of the notebook in front."""
        context = "window.jupyterapp.shell.currentWidget.context.sessionContext"
        self.page.evaluate(f"async () => {{ await {context}.session.kernel.restart(); }}")

    # The notebook in front

    @property
    def notebook(self) -> Locator:
        """The notebook in front."""
        return self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")

    def cell(self, number: int) -> Locator:
        """A cell of the notebook in front, the first one being 0."""
        return self.notebook.locator(f'.jp-Cell[data-windowed-list-index="{number}"]')

    def run(self, number: int) -> Locator:
        """Run a cell as the keyboard does, and return it; it need not have ended."""
        cell = self.cell(number)
        cell.locator(".cm-content").first.click()
        self.page.keyboard.press("Control+Enter")
        return cell

    def ran(self, number: int) -> Locator:
        """Run a cell, and return it once it has ended."""
        cell = self.run(number)
        self.expect_ended(number)
        return cell

    def expect_ended(self, number: int) -> None:
        """Expect that the cell ends: a number stands beside it, and no star."""
        expect(self.cell(number).locator(".jp-InputPrompt")).to_have_text(re.compile(r"\[\d+\]"))

    def expect_running(self, number: int) -> None:
        """Expect the star beside the cell: it runs."""
        expect(self.cell(number).locator(".jp-InputPrompt")).to_have_text("[*]:")

    def sources(self) -> list[str]:
        """What stands in the cells of the notebook in front."""
        script = "() => window.jupyterapp.shell.currentWidget.content.model.sharedModel.cells.map(c => c.getSource())"
        found: list[str] = self.page.evaluate(script)
        return found

    # What must not happen

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._note(f"{message.text} ({message.location.get('url')}:{message.location.get('lineNumber')})")

    def _hear_error(self, error: Error) -> None:
        self._note(f"{error.message}\n{error.stack or ''}")

    def _note(self, told: str) -> None:
        ours = "rlm-jupyter" in told
        if not any(known in told for known in (_EXPECTED if ours else _LABS_OWN)):
            self.logged.append(told)

    def saved_layout(self) -> str:
        """Return how Lab has saved its layout, as JSON."""
        return json.dumps(self.site.server.get(f"lab/api/workspaces/{self.workspace}"))
