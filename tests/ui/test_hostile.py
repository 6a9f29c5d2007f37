"""Whatever a model writes is shown: it does nothing, asks nobody, and stays in its place."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Dialog, Page, Route, expect

from rlm_jupyter.trace.artifacts.bundle import RUN_MIME_TYPE, mimebundle, run_json
from ui.hostile_texts import HOSTILE, HUGE
from ui.lab import Lab
from ui.lab_site import Site, open_site
from ui.stored_runs import hostile_run, put

NOTEBOOK = "hostile.ipynb"

# Opens each span of the run that is shown, and each of its tabs, and tells what should not be there.
WALK = r"""async ({ selector, most }) => {
  const root = document.querySelector(selector);
  const { port1, port2 } = new MessageChannel();
  const rest = () => new Promise(resolve => { port1.onmessage = resolve; port2.postMessage(0); });
  const settled = async () => {
    for (let turn = 0; turn < 2000; turn++) {
      await rest();
      if (!root.querySelector('[aria-busy="true"]')) return;
      await new Promise(resolve => setTimeout(resolve, 5));
    }
    throw new Error(`still busy: ${root.querySelector('[aria-busy="true"]').outerHTML.slice(0, 500)}`);
  };
  const found = new Set();
  const wrong = 'script, iframe, object, embed, link, meta, base, form, style, template';
  const look = () => {
    for (const each of root.querySelectorAll(wrong)) found.add(each.outerHTML.slice(0, 200));
    for (const each of root.querySelectorAll('*')) {
      for (const { name, value } of each.attributes) {
        const leads = /^(href|src|action|xlink:href|data|srcdoc|formaction)$/.test(name);
        const calls = leads && /^[\s\x00-\x1f]*(javascript|vbscript|data:text)/i.test(value);
        const styles = name === 'style' && /url\(|fixed/.test(value);
        if (name.startsWith('on') || calls || styles) found.add(each.outerHTML.slice(0, 200));
      }
    }
  };
  const opened = [];
  const ids = [...root.querySelectorAll('[role=treegrid] [role=row][data-span-id]')].map(row => row.dataset.spanId);
  for (const id of ids.slice(0, most)) {
    const row = root.querySelector(`[role=treegrid] [role=row][data-span-id="${id}"]`);
    row.click();
    await settled();
    const tabs = [...root.querySelectorAll('[role=tab]')].map(tab => tab.textContent);
    for (const name of tabs) {
      // An iteration shows its reply and code as the spans below it do.
      if (row.dataset.kind === 'iteration' && !/Reply|Raw/.test(name)) continue;
      const tab = [...root.querySelectorAll('[role=tab]')].find(each => each.textContent === name);
      if (!tab) continue;
      tab.click();
      await settled();
      look();
      opened.push(`${row.dataset.kind} ${name}`);
    }
  }
  return { found: [...found], opened };
}"""

# What is where: nothing of the panel's may lie over, or move, what is around it.
LAYOUT = """selector => {
  const box = element => {
    const { x, y, width, height } = element.getBoundingClientRect();
    return [x, y, width, height].map(Math.round);
  };
  const root = document.querySelector(selector);
  const parts = ['#jp-top-panel', '#jp-main-dock-panel', '#jp-right-stack', '#jp-main-statusbar'];
  const within = (x, y) => root.contains(document.elementFromPoint(x, y));
  return {
    boxes: parts.map(part => box(document.querySelector(part))),
    panel: box(root),
    wide: root.scrollWidth > root.clientWidth,
    over: [[5, 5], [300, 300], [5, innerHeight - 5]].some(([x, y]) => within(x, y)),
    shown: getComputedStyle(document.querySelector('#jp-top-panel')).display !== 'none'
  };
}"""


@pytest.fixture(scope="module")
def hostile_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A JupyterLab whose store is full of hostile runs, the runs being numbered as the texts are."""

    def prepare(site: Site) -> None:
        texts = [*HOSTILE, HUGE]
        put(site.server, NOTEBOOK, (hostile_run(run_id(number), text).events for number, text in enumerate(texts)))
        site.write(NOTEBOOK, ["1 + 1"])

    with open_site(tmp_path_factory.mktemp("hostile"), prepare=prepare) as site:
        yield site


class Watched(Lab):
    """A page that tells whether something in it did what it should not."""

    def __init__(self, page: Page, site: Site) -> None:
        super().__init__(page, site)
        self.asked: list[str] = []
        self.dialogs: list[str] = []
        page.on("dialog", self._dismiss)
        page.on("popup", lambda popup: self.dialogs.append(popup.url))
        page.route(lambda url: not url.startswith(site.server.url), self._refuse)

    def _dismiss(self, dialog: Dialog) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def _refuse(self, route: Route) -> None:
        if not route.request.url.startswith(("data:", "blob:")):
            self.asked.append(route.request.url)
        route.abort()

    def did_nothing(self) -> None:
        """Nothing ran, nobody was asked, and nothing was logged."""
        assert self.page.evaluate("() => top.__hit ?? null") is None
        assert self.page.evaluate("() => ({}).polluted ?? null") is None
        # A picture that is none is not shown, and the browser says so.
        logged = [told for told in self.logged if "ERR_INVALID_URL (data:image/" not in told]
        assert (self.asked, self.dialogs, logged) == ([], [], [])


@pytest.fixture
def watched(browser: Browser, hostile_site: Site) -> Iterator[Watched]:
    """A page that tells whether something in it did what it should not."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    yield Watched(context.new_page(), hostile_site)
    context.close()


def run_id(number: int) -> str:
    return f"{number + 1:032x}"


def test_hostile_texts_do_nothing_in_the_panel(watched: Watched) -> None:
    watched.start(NOTEBOOK)
    watched.show_panel()
    panel = watched.panel
    panel.button("Load more").click()
    expect(panel.runs).to_have_count(len(HOSTILE) + 1)
    begin = None
    opened: list[str] = []
    for number, text in enumerate(HOSTILE):
        watched.command("rlm-jupyter:open-run", {"run_id": run_id(number)})
        expect(panel.rows_of("subcall")).to_have_count(1)
        expect(panel.root.locator(f'[role=option][data-run-id="{run_id(number)}"][aria-selected=true]')).to_have_count(
            1
        )
        walked: dict[str, Any] = watched.page.evaluate(WALK, {"selector": "#rlm-jupyter-panel", "most": 99})
        assert (text[:200], walked["found"]) == (text[:200], [])
        opened += walked["opened"]
        layout = watched.page.evaluate(LAYOUT, "#rlm-jupyter-panel")
        begin = begin or layout
        assert (text[:200], layout) == (text[:200], begin)
    assert not (begin or {})["wide"]
    assert not (begin or {})["over"]
    told = {shown.rstrip("0123456789+ ") for shown in opened}
    assert {"model_call Reply", "model_call Messages", "code Code", "code Output", "subcall Raw"} <= told
    watched.did_nothing()


def test_ten_megabytes_are_shown_in_part(watched: Watched) -> None:
    watched.start(NOTEBOOK)
    watched.show_panel()
    watched.command("rlm-jupyter:open-run", {"run_id": run_id(len(HOSTILE))})
    expect(watched.panel.rows_of("subcall")).to_have_count(1)
    walked = watched.page.evaluate(WALK, {"selector": "#rlm-jupyter-panel", "most": 99})
    assert walked["found"] == []
    layout = watched.page.evaluate(LAYOUT, "#rlm-jupyter-panel")
    assert not layout["wide"]
    assert not layout["over"]
    size = watched.page.evaluate("() => document.querySelector('#rlm-jupyter-panel').textContent.length")
    assert size < 2_000_000
    watched.did_nothing()


def test_hostile_texts_do_nothing_below_a_cell(watched: Watched) -> None:
    """The bundles as we write them, and as somebody could write them who sends a notebook round."""
    bundles: list[dict[str, Any]] = []
    for number, text in enumerate(HOSTILE):
        trace = hostile_run(run_id(number), text).trace
        bundles += [mimebundle(trace), {RUN_MIME_TYPE: _filled(run_json(trace), text), "text/plain": text}]
    malformed: list[Any] = [{}, [], None, "text", 7, {"version": 99}, {"spans": "many", "usage": None, "question": {}}]
    bundles += [{RUN_MIME_TYPE: each} for each in malformed]
    outputs = [{"output_type": "display_data", "metadata": {}, "data": bundle} for bundle in bundles]
    size = 20
    cells: list[str | dict[str, Any]] = [
        {"outputs": outputs[at : at + size], "source": f"# {at}"} for at in range(0, len(outputs), size)
    ]
    watched.site.write("sent-round.ipynb", cells)
    watched.start("sent-round.ipynb")
    watched.wait_for_kernel("sent-round.ipynb")
    look = """async selector => {
      const rendered = [...document.querySelectorAll(selector)];
      for (const each of rendered) {
        each.scrollIntoView();
        for (const summary of each.querySelectorAll('summary, [aria-expanded=false]')) summary.click();
      }
      const wrong = 'script, iframe, object, embed, link, meta, base, form, style, template, a[href^="javascript:" i]';
      const found = rendered.flatMap(each => [...each.querySelectorAll(wrong)].map(one => one.outerHTML.slice(0, 200)));
      const handlers = rendered.flatMap(each => [...each.querySelectorAll('*')])
        .filter(each => [...each.attributes].some(({ name }) => name.startsWith('on')))
        .map(each => each.outerHTML.slice(0, 200));
      const wide = rendered.filter(each => each.scrollWidth > each.closest('.jp-OutputArea').clientWidth + 1)
        .map(each => each.textContent.slice(0, 100));
      return { count: rendered.length, found, handlers, wide };
    }"""
    seen: dict[str, Any] = {"count": 0, "found": [], "handlers": [], "wide": []}
    for number in range(len(cells)):
        watched.page.evaluate(
            "number => window.jupyterapp.shell.currentWidget.content.scrollToItem(number, 'start')", number
        )
        cell = watched.cell(number)
        cell.locator(f'[data-mime-type="{RUN_MIME_TYPE}"]').first.wait_for()
        part = watched.page.evaluate(
            look, f'.jp-Cell[data-windowed-list-index="{number}"] [data-mime-type="{RUN_MIME_TYPE}"]'
        )
        seen = {key: seen[key] + part[key] for key in seen}
    assert seen["count"] >= 2 * len(HOSTILE)
    assert (seen["found"], seen["handlers"], seen["wide"]) == ([], [], [])
    watched.did_nothing()


def _filled(value: Any, text: str) -> Any:
    """The same with this text in place of every text."""
    if isinstance(value, dict):
        return {key: each if key in ("id", "parent", "kind") else _filled(each, text) for key, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, text) for each in value]
    return text if isinstance(value, str) or value is None else value


def test_there_are_enough_of_them() -> None:
    assert len(set(HOSTILE)) >= 60
    assert len(HUGE) >= 10_000_000
    json.dumps(HOSTILE).encode()
