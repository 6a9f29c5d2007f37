"""The page that a run is exported as, opened from disk: it needs no network, and what models wrote does nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Dialog, Page, Route, expect

from rlm_jupyter.trace.artifacts.html_page import html_page
from rlm_jupyter.trace.schema import IterationEnd, IterationStart, RunEnd, RunStart
from rlm_jupyter.trace.trace import Trace
from ui.axe import violations
from ui.hostile_texts import HOSTILE
from ui.stored_runs import Writer, hostile_run, many_spans

QUESTION = "Which contract ends first, and who may terminate it early?"
LONG = ("W" * 1_000_000, "> " * 10_000 + "deep", "[" * 5_000, "a\u0000b\u202ec")

# Goes from call to block to call, and tells of each what should not be on the page. What is told of runs and iterations
# is made of the same.
WALK = r"""() => {
  const detail = document.querySelector('.detail');
  const field = document.querySelector('input');
  for (const button of document.querySelectorAll('.tools [role=group] button')) {
    if (['Model calls', 'Code', 'Sub-calls'].includes(button.textContent)) button.click();
  }
  const found = new Set();
  const seen = new Set();
  const look = () => {
    for (const each of detail.querySelectorAll('*')) {
      const names = [...each.attributes].map(({ name }) => name);
      const isOurs = ['DIV', 'H3', 'H4', 'P', 'A', 'SPAN', 'BUTTON', 'PRE', 'DETAILS', 'SUMMARY', 'IMG'];
      const leads = each.tagName === 'A' && !each.getAttribute('href').startsWith('#');
      if (!isOurs.includes(each.tagName) || leads || names.some(name => name.startsWith('on'))) {
        found.add(each.outerHTML.slice(0, 200));
      }
    }
    if (detail.scrollWidth > detail.clientWidth) found.add('wide: ' + detail.textContent.slice(0, 100));
  };
  for (let turn = 0; turn < 5000; turn++) {
    field.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter' }));
    const { id } = document.querySelector('[role=treeitem][aria-selected=true]');
    if (seen.has(id)) break;
    seen.add(id);
    look();
  }
  return { found: [...found], seen: seen.size };
}"""

LIVE = r"""() => {
  const wrong = 'script, iframe, object, embed, link, meta, base, form, style, svg, math, video, audio, input, button';
  const found = [...document.querySelectorAll(wrong)].map(each => each.outerHTML.slice(0, 200));
  for (const each of document.querySelectorAll('*')) {
    if ([...each.attributes].some(({ name }) => name.startsWith('on'))) found.push(each.outerHTML.slice(0, 200));
  }
  for (const each of document.querySelectorAll('a[href]')) {
    if (/^(javascript|vbscript|data):/i.test(each.protocol)) found.push(each.outerHTML.slice(0, 200));
  }
  return found;
}"""


class Opened:
    """A page of a window that reaches nothing but the disk, and that tells whether something tried to."""

    def __init__(self, context: BrowserContext) -> None:
        self.page: Page = context.new_page()
        self.told: list[str] = []
        self.page.on("dialog", self._dismiss)
        self.page.on("popup", lambda popup: self.told.append(popup.url))
        self.page.on("console", self._log)
        self.page.on("pageerror", lambda error: self.told.append(str(error)))
        self.page.route("**/*", self._route)

    def _dismiss(self, dialog: Dialog) -> None:
        self.told.append(dialog.message)
        dialog.dismiss()

    def _log(self, message: ConsoleMessage) -> None:
        # Of a picture that is none, the browser says so.
        if "ERR_INVALID_URL" not in message.text:
            self.told.append(message.text)

    def _route(self, route: Route) -> None:
        if route.request.url.startswith(("file:", "data:")):
            route.continue_()
        else:
            self.told.append(route.request.url)
            route.abort()

    def did_nothing(self) -> None:
        assert self.page.evaluate("() => top.__hit ?? ({}).polluted ?? null") is None
        assert self.told == []

    @property
    def is_wide(self) -> bool:
        """Whether one would have to scroll sideways to read it."""
        return bool(
            self.page.evaluate("() => document.documentElement.scrollWidth > document.documentElement.clientWidth")
        )


def window(browser: Browser, **options: Any) -> BrowserContext:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce", **options)
    context.set_default_timeout(20_000)
    context.set_offline(True)
    return context


@pytest.fixture
def opened(browser: Browser) -> Iterator[Opened]:
    """A window in which the page's own policy does not hold: what is written must do nothing by itself."""
    context = window(browser, bypass_csp=True)
    yield Opened(context)
    context.close()


def written(folder: Path, trace: Trace) -> str:
    """Write the page of a run, and return its address."""
    path = folder / "run.html"
    path.write_text(html_page(trace), encoding="utf-8")
    return path.as_uri()


def hostile_family(texts: tuple[str, ...]) -> Trace:
    """A run with a child for each text, which has it in every field; the answer has those that are short."""
    root = Writer("f" * 32)
    question = "\n".join(text for text in texts if len(text) < 300)
    begin = RunStart(question=question, model="m", backend="b", environment="local", max_iterations=3)
    run = root.start(begin)
    iteration = root.start(IterationStart(number=1), run)
    events: list[Any] = [*root.events]
    for number, text in enumerate(texts):
        for event in hostile_run("f" * 32, text).events:
            names = {"run_id": "f" * 32}
            for field in ("span_id", "parent_id"):
                if hasattr(event, field):
                    own = getattr(event, field)
                    names[field] = f"{number}-{own}" if own else iteration
            events.append(event.model_copy(update=names))
    before = len(root.events)
    root.end(iteration, IterationEnd(answered=True))
    root.end(run, RunEnd(answer="\n\n".join(text for text in texts if len(text) < 300)))
    events += root.events[before:]
    return Trace([event.model_copy(update={"seq": number}) for number, event in enumerate(events)])


def test_a_run_of_thousands_of_steps_is_read_from_disk(browser: Browser, tmp_path: Path) -> None:
    context = window(browser, color_scheme="dark")
    opened = Opened(context)
    page = opened.page
    address = written(tmp_path, many_spans("1" * 32, 3_000, question=QUESTION).trace)
    page.goto(address)
    expect(page.get_by_role("heading", level=1)).to_have_text(QUESTION)
    tree, rows, told = page.get_by_role("tree"), page.get_by_role("treeitem"), page.get_by_role("status")
    expect(told).to_have_text("3,000 steps")
    assert rows.count() < 100

    tree.focus()
    for key in ("ArrowDown", "ArrowLeft", "ArrowDown"):  # folds the first iteration, and goes on to the second
        page.keyboard.press(key)
    chosen = page.locator("[role=treeitem][aria-selected=true]")
    expect(chosen).to_contain_text("Iteration 2")
    expect(tree).to_have_attribute("aria-activedescendant", str(chosen.get_attribute("id")))
    page.keyboard.press("End")
    expect(chosen).to_be_in_viewport()
    assert rows.count() < 100

    page.keyboard.press("/")
    page.keyboard.type("look(77)")
    expect(told).to_have_text("2 of 3,000 steps")  # the iteration shows its code too
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    detail = page.get_by_role("region", name="The chosen step")
    expect(detail).to_contain_text("found[77] = look(77)")
    page.get_by_role("button", name="failed: next").click()
    expect(chosen).to_contain_text("failed")
    expect(detail).to_contain_text("APIError: 429")
    expect(told).to_have_text("3,000 steps")
    failed = page.url.partition("#")[2]

    page.goto("about:blank")
    page.goto(f"{address}#{failed}")
    expect(chosen).to_contain_text("failed")
    page.get_by_role("button", name="light").click()
    assert page.evaluate("() => getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    page.set_viewport_size({"width": 380, "height": 700})
    assert not opened.is_wide
    opened.did_nothing()
    context.close()


def test_everybody_can_use_it(opened: Opened, tmp_path: Path) -> None:
    opened.page.goto(written(tmp_path, many_spans("1" * 32, 300, question=QUESTION).trace))
    opened.page.get_by_role("button", name="failed: next").click()
    for name in ("dark", "light"):
        opened.page.get_by_role("button", name=name).click()
        assert (name, violations(opened.page, "body")) == (name, [])


def test_without_scripts_it_is_a_text(browser: Browser, tmp_path: Path) -> None:
    context = window(browser, java_script_enabled=False)
    opened = Opened(context)
    page = opened.page
    page.goto(written(tmp_path, many_spans("1" * 32, 60, question=QUESTION).trace))
    expect(page.get_by_role("heading", level=1)).to_have_text(QUESTION)
    expect(page.get_by_role("region", name="Answer")).to_contain_text("nothing")
    page.get_by_text("Iteration 3 ·").click()
    expect(page.get_by_text("found[3] = look(3)")).to_be_visible()
    context.close()


def test_hostile_texts_do_nothing_in_the_page(opened: Opened, tmp_path: Path) -> None:
    opened.page.goto(written(tmp_path, hostile_family((*HOSTILE, *LONG))))
    walked = opened.page.evaluate(WALK)
    assert walked["found"] == []
    assert walked["seen"] == 3 * (len(HOSTILE) + len(LONG))
    assert not opened.is_wide
    opened.page.emulate_media(media="print")  # what is read without scripts
    assert not opened.is_wide
    expect(opened.page.locator("#static")).to_be_visible()
    opened.did_nothing()


def test_hostile_texts_do_nothing_in_markdown_that_is_rendered_carelessly(opened: Opened, tmp_path: Path) -> None:
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    parser.validateLink = lambda url: True  # type: ignore[method-assign]
    markdown = "\n\n".join(hostile_run("1" * 32, text).trace.to_markdown() for text in HOSTILE)
    path = tmp_path / "run.html"
    path.write_text(f"<!DOCTYPE html><body>{parser.render(markdown)}<p id=end>end</p>", encoding="utf-8")
    opened.page.goto(path.as_uri())
    expect(opened.page.locator("body > #end")).to_be_visible()
    assert opened.page.evaluate(LIVE) == []
    opened.did_nothing()
