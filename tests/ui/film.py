"""Makes the moving picture of the README: a recorded run that plays in a notebook, beside the panel.

    python tests/ui/film.py [FILE]

It needs Chromium and a built labextension. The run is that of docs/examples/recursion.ipynb: its replies were written
by hand, the rest is as a user has it.
"""

from __future__ import annotations

import argparse
import io
import json
import shutil
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

from ui.browser import launched
from ui.lab import Lab
from ui.lab_site import open_site

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "docs" / "examples"
NOTEBOOK = "recursion.ipynb"
CELLS = ("title", "data", "play", "ask")

BETWEEN = 0.4  # seconds from one picture to the next
LAST = 4.0  # seconds that the last one stays
COLOURS = 64


def filmed(page: Page, until: Callable[[], bool]) -> list[tuple[float, Image.Image]]:
    """Return pictures of the page with the seconds at which they were taken, up to one after ``until`` has held."""
    taken: list[tuple[float, Image.Image]] = []
    over = False
    while not over:
        begun = time.perf_counter()
        over = until()
        shot = page.screenshot(animations="disabled")
        taken.append((begun, Image.open(io.BytesIO(shot)).convert("RGB")))
        page.wait_for_timeout(max(0.0, BETWEEN - (time.perf_counter() - begun)) * 1000)
    return taken


def save(taken: list[tuple[float, Image.Image]], file: Path) -> None:
    """Write the pictures as one that moves, in the colours of the last one, which has all that there are."""
    palette = taken[-1][1].quantize(COLOURS, dither=Image.Dither.NONE)
    pictures = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for _, picture in taken]
    seconds = [later - earlier for (earlier, _), (later, _) in pairwise(taken)] + [LAST]
    shown = [round(each * 1000) for each in seconds]
    pictures[0].save(file, save_all=True, append_images=pictures[1:], duration=shown, loop=0, optimize=True)
    print(f"{file.name}: {file.stat().st_size / 1000:.0f} kB, {len(pictures)} pictures, {sum(seconds):.0f} s")


def cells() -> list[dict[str, Any]]:
    """Return the cells of the example that play its recording; the prose and what they print left out."""
    found = {cell["id"]: cell for cell in json.loads((EXAMPLES / NOTEBOOK).read_text("utf-8"))["cells"]}
    kept = [found[each] for each in CELLS]
    for cell in kept:
        prose = cell["cell_type"] == "markdown"
        lines = cell["source"][:1] if prose else [each for each in cell["source"] if not each.startswith("print(")]
        cell["source"] = "".join(lines).strip()
    return kept


def play(lab: Lab) -> list[tuple[float, Image.Image]]:
    """Run the notebook, and film the answer to its question."""
    lab.start(NOTEBOOK)
    lab.wait_for_kernel(NOTEBOOK)
    lab.show_panel()
    lab.command("application:toggle-left-area")
    asks = len(CELLS) - 1
    for number, name in enumerate(CELLS[:asks]):
        if name != "title":
            lab.ran(number)
    lab.page.wait_for_timeout(500)
    before = lab.page.screenshot(animations="disabled")
    cell = lab.run(asks)
    lab.panel.runs.first.click()
    lab.page.mouse.move(5, 400)
    lab.page.evaluate("() => document.querySelectorAll('.cm-scroller').forEach(each => { each.scrollLeft = 0; })")
    prompt = cell.locator(".jp-InputPrompt").element_handle()
    assert prompt is not None
    taken = filmed(lab.page, lambda: "*" not in prompt.inner_text())
    return [(taken[0][0] - 1, Image.open(io.BytesIO(before)).convert("RGB")), *taken]


def main() -> None:
    """Make the moving picture."""
    parser = argparse.ArgumentParser(description="Make the moving picture of the README.")
    parser.add_argument("file", type=Path, nargs="?", default=ROOT / "docs" / "screenshots" / "run.gif")
    file: Path = parser.parse_args().file
    expect.set_options(timeout=30_000)
    with TemporaryDirectory() as home, open_site(Path(home)) as site:
        shutil.copytree(EXAMPLES / "recordings", site.server.root / "recordings", dirs_exist_ok=True)
        site.write(NOTEBOOK, cells())
        with sync_playwright() as playwright, launched(playwright) as browser:
            page = browser.new_page(viewport={"width": 1180, "height": 720}, reduced_motion="reduce")
            save(play(Lab(page, site)), file)


if __name__ == "__main__":
    main()
