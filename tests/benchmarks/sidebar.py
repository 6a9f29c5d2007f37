"""The sidebar in a real browser: how soon a large run is there, how it scrolls, what it holds, what it costs Lab.

    python tests/benchmarks/sidebar.py [--runs N] [--spans N] [--only NAME]

Times are the browser's own: its trace, its counters, and its clock. It needs Chromium and a built labextension.
"""

from __future__ import annotations

import argparse
import gzip
import statistics
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.figure import Figure
from benchmarks.server_load import LOAD
from benchmarks.table import table
from playwright.sync_api import Browser, CDPSession, Page, expect, sync_playwright
from ui.browser import launched
from ui.lab import Lab
from ui.lab_site import Site, open_site
from ui.stored_runs import many_spans, put

__all__ = ["MEASURES"]

_DIST = Path(__file__).resolve().parents[2] / "labextension" / "dist" / "static"

_NOTEBOOK = "large.ipynb"
_SMALL, _LARGE = "A small run?", "A large run?"

_RATE = 2_000
"""New spans a second, while a run is followed."""

_SECONDS = 10

# From the click on the run to the frame after the one in which its last span is in the tree.
_OPEN = """async ({ run, spans }) => {
  const panel = document.querySelector('#rlm-jupyter-panel');
  const tree = () => panel.querySelector('[role=treegrid]');
  const frame = () => new Promise(resolve => requestAnimationFrame(resolve));
  const option = panel.querySelector(`[role=option][data-run-id="${run}"]`);
  const begun = performance.now();
  option.click();
  while (true) {
    await frame();
    const told = Number(tree()?.getAttribute('aria-rowcount') ?? 0);
    const shown = panel.querySelector(`[role=option][data-run-id="${run}"][aria-selected=true]`);
    if (shown && told >= spans && tree().querySelector('[role=row][data-key]')) break;
    if (performance.now() - begun > 60000) throw new Error(`The tree has ${told} rows after a minute.`);
  }
  await frame();
  return performance.now() - begun;
}"""


@contextmanager
def _lab(browser: Browser, *, extension: bool = True, spans: int = 0) -> Iterator[Lab]:
    """Open a Lab with the notebook beside the panel; its store has a small and, unless ``spans`` is 0, a large run."""

    def prepare(site: Site) -> None:
        site.write(_NOTEBOOK, [LOAD, f"load({_RATE}, {_SECONDS}, {_RATE * _SECONDS})"])
        if spans:
            small, large = many_spans(_id(1), 20, question=_SMALL), many_spans(_id(2), spans, question=_LARGE)
            put(site.server, _NOTEBOOK, [large.events, small.events])

    with TemporaryDirectory() as folder, open_site(Path(folder), prepare=prepare, extension=extension) as site:
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        context.set_default_timeout(60_000)
        lab = Lab(context.new_page(), site).start(_NOTEBOOK)
        lab.wait_for_kernel(_NOTEBOOK)
        yield lab
        context.close()


def _id(number: int) -> str:
    return f"{number:032x}"


def large_run(browser: Browser, runs: int, spans: int) -> list[Figure]:
    """Opening a large run, scrolling in it, and what it holds in memory."""
    with _lab(browser, extension=False) as lab:
        without = _heap(lab.page)
    with _lab(browser, spans=spans) as lab:
        lab.show_panel()
        expect(lab.panel.runs).to_have_count(2)
        expect(lab.panel.rows.first).to_be_visible()
        first = _opened(lab, spans)
        again = [_reopened(lab, spans) for _ in range(max(0, runs - 1))]
        frames, longest = _scrolled(lab)
        heap = _heap(lab.page)
    name = f"{spans:,} spans"
    return [
        Figure(f"{name}: open, the first time", "ms", first, limit=500),
        *([Figure(f"{name}: open, later", "ms", statistics.median(again), limit=500)] if again else []),
        Figure(f"{name}: a frame while scrolling", "ms", 1_000 / frames, limit=1_000 / 50),
        Figure(f"{name}: the longest frame while scrolling", "ms", longest),
        Figure(f"{name}: JavaScript heap above Lab's", "MB", (heap - without) / 1e6, limit=150),
    ]


def _opened(lab: Lab, spans: int) -> float:
    """Milliseconds until the tree has a row for each span of the large run; none of them are folded into groups."""
    lab.page.locator(f'[role=option][data-run-id="{_id(2)}"]').wait_for()
    took: float = lab.page.evaluate(_OPEN, {"run": _id(2), "spans": spans})
    return took


def _reopened(lab: Lab, spans: int) -> float:
    lab.panel.run(_SMALL).click()
    expect(lab.panel.run(_SMALL)).to_have_attribute("aria-selected", "true")
    return _opened(lab, spans)


def _scrolled(lab: Lab) -> tuple[float, float]:
    """Scroll through the tree, and return frames a second and the milliseconds of the longest one, by the trace."""
    box = lab.panel.tree.bounding_box()
    assert box is not None
    cdp = lab.page.context.new_cdp_session(lab.page)
    categories = "devtools.timeline,disabled-by-default-devtools.timeline.frame,benchmark,viz"
    with _traced(cdp, categories) as events:
        cdp.send(
            "Input.synthesizeScrollGesture",
            {
                "x": box["x"] + box["width"] / 2,
                "y": box["y"] + box["height"] / 2,
                "yDistance": -12_000,
                "speed": 3_000,
                "repeatCount": 1,
                "gestureSourceType": "mouse",
            },
        )
    shown = sorted(event["ts"] / 1_000 for event in events if event["name"] == "DrawFrame")
    assert len(shown) > 10, f"{len(shown)} frames in the trace"
    gaps = [after - before for before, after in pairwise(shown)]
    return 1_000 * len(gaps) / sum(gaps), max(gaps)


def live(browser: Browser, runs: int, spans: int) -> list[Figure]:
    """How busy Lab's main thread is while a run is followed, and what of that Lab would do without us."""
    del runs, spans
    shares = []
    for extension in (False, True):
        with _lab(browser, extension=extension) as lab:
            if extension:
                lab.show_panel()
            lab.ran(0)
            lab.run(1)
            lab.expect_running(1)
            if extension:
                expect(lab.panel.header).to_contain_text("sub-calls")
            cdp = lab.page.context.new_cdp_session(lab.page)
            with _traced(cdp, "disabled-by-default-devtools.timeline,devtools.timeline,toplevel") as events:
                lab.page.wait_for_timeout(_SECONDS * 800)
            shares.append(_busy(events))
            lab.expect_ended(1)
    without, with_it = shares
    return [
        Figure(f"{_RATE:,} new spans a second: main thread busy", "%", 100 * with_it, limit=20),
        Figure(f"{_RATE:,} new spans a second: the same without us", "%", 100 * without),
    ]


def _busy(events: list[dict[str, Any]]) -> float:
    """Return the share of the time that the page's main thread computed; waiting for a core is the machine's affair."""
    mains = {
        (event["pid"], event["tid"])
        for event in events
        if event["name"] == "thread_name" and event["args"]["name"] == "CrRendererMain"
    }
    tasks: dict[Any, list[dict[str, Any]]] = {}
    for event in events:
        where = (event["pid"], event["tid"])
        if where in mains and event["name"] in ("RunTask", "ThreadControllerImpl::RunTask") and event["ph"] == "X":
            tasks.setdefault(where, []).append(event)
    busiest = max(tasks.values(), key=lambda each: sum(event.get("tdur", 0) for event in each))
    begin = min(event["ts"] for event in busiest)
    end = max(event["ts"] + event["dur"] for event in busiest)
    named = {event["name"] for event in busiest}
    name = "RunTask" if "RunTask" in named else named.pop()
    return float(sum(event.get("tdur", 0) for event in busiest if event["name"] == name) / (end - begin))


def startup(browser: Browser, runs: int, spans: int) -> list[Figure]:
    """Lab's start-up in the browser with the extension and without, turn by turn, and the size of the bundle."""
    del spans
    with _lab(browser, extension=False) as without, _lab(browser) as with_it:
        took: dict[bool, list[float]] = {False: [], True: []}
        for _ in range(max(5, runs)):
            for ours, lab in ((False, without), (True, with_it)):
                lab.page.reload()
                lab.wait_until_started()
                took[ours].append(lab.page.evaluate("() => performance.now()"))
    medians = {ours: statistics.median(each) for ours, each in took.items()}
    size = sum(len(gzip.compress(file.read_bytes(), 9)) for file in _DIST.glob("*.js"))
    return [
        Figure("Lab's start-up: more than without us", "ms", medians[True] - medians[False], limit=100),
        Figure("Lab's start-up", "ms", medians[True]),
        Figure("the bundle, gzipped", "kB", size / 1_000, limit=250),
    ]


@contextmanager
def _traced(cdp: CDPSession, categories: str) -> Iterator[list[dict[str, Any]]]:
    """Fill the list with what the browser's own tracing tells of the block."""
    events: list[dict[str, Any]] = []
    over: list[bool] = []
    cdp.on("Tracing.dataCollected", lambda part: events.extend(part["value"]))
    cdp.on("Tracing.tracingComplete", lambda _: over.append(True))
    cdp.send("Tracing.start", {"transferMode": "ReportEvents", "categories": f"-*,__metadata,{categories}"})
    yield events
    cdp.send("Tracing.end")
    while not over:
        cdp.send("Browser.getVersion")  # events arrive while something is waited for


def _heap(page: Page) -> float:
    """Return the bytes of the JavaScript heap after a garbage collection."""
    cdp = page.context.new_cdp_session(page)
    for _ in range(3):
        cdp.send("HeapProfiler.collectGarbage")
    used: float = cdp.send("Runtime.getHeapUsage")["usedSize"]
    cdp.detach()
    return used


MEASURES: dict[str, Callable[[Browser, int, int], list[Figure]]] = {
    "large run": large_run,
    "live": live,
    "startup": startup,
}
"""Each takes the browser, of how many runs to give the median, and how many spans a large run has."""


def _main() -> None:
    parser = argparse.ArgumentParser(description="Measure the sidebar in a browser.")
    parser.add_argument("--runs", type=int, default=5, metavar="N", help="of how many runs to give the median (5)")
    parser.add_argument("--spans", type=int, default=10_000, metavar="N", help="spans of the large run (10,000)")
    parser.add_argument("--only", choices=MEASURES, metavar="NAME", help=", ".join(MEASURES))
    arguments = parser.parse_args()
    expect.set_options(timeout=60_000)
    with sync_playwright() as playwright, launched(playwright) as browser:
        print(f"Chromium {browser.version}", file=sys.stderr)
        for name, measure in MEASURES.items():
            if arguments.only in (None, name):
                print(table(measure(browser, arguments.runs, arguments.spans), ()), flush=True)


if __name__ == "__main__":
    _main()
