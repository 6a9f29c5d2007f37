"""Makes the pictures of the documentation, out of the real thing.

    python tests/ui/screenshots.py [--into FOLDER]

It needs Chromium and a built labextension. The model is scripted; everything else is as a user has it.
"""

from __future__ import annotations

import argparse
import io
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from PIL import Image
from playwright.sync_api import Browser, expect, sync_playwright
from scripted_server import ChatRequest, Reply
from scripts import code, is_root, step

from ui.browser import launched
from ui.lab import WIDTH, Lab
from ui.lab_site import Site, open_site

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "screenshots"

MOST_BYTES = 120_000

FROM_THE_LEFT = "() => document.querySelectorAll('.cm-scroller').forEach(each => { each.scrollLeft = 0; })"
"""Cells show how their lines begin, wherever the cursor is."""

SETUP = """\
%config RLMMagics.model = "scripted-demo"
%config RLMMagics.max_concurrent_subcalls = 24
%config RLMMagics.max_depth = 2
contracts = [
    f"Contract c-{n:04}: ends {2038 - n // 12}-{12 - n % 12:02}-28."
    for n in range(144)
]"""

ENDS = "Which contract ends first, and who may terminate it early?"
PENALTIES = "How many contracts name a penalty?"
CLAUSES = "Compare all termination clauses"
CHILD = "Summarise how the contracts that end soonest can be terminated"

NOTICE = "Either party may terminate it, with ninety days' notice."

NOTEBOOK = [
    SETUP,
    f"%%rlm --context contracts\n{PENALTIES}",
    f"%%rlm --context contracts\n{CLAUSES}",
    f"%%rlm --context contracts\n{ENDS}",
]


class Model:
    """Answers the questions of the pictures; ``held`` says whether late pieces wait."""

    def __init__(self) -> None:
        self.site: Site
        self.holds = False

    def __call__(self, request: ChatRequest) -> Reply:
        return self._root(request) if is_root(request) else self._piece(request)

    def _root(self, request: ChatRequest) -> Reply:
        told = [message["content"] for message in request.messages if message["content"].startswith("## Question")][-1]
        if CHILD in told:
            replies = [
                code("notices = llm_query('Which notice periods are usual?')", "print(notices)"),
                f"FINAL({NOTICE})",
            ]
        elif ENDS in told:
            replies = [
                "First I look at what there is.\n\n" + code("print(type(contracts), len(contracts))"),
                "Each contract is asked for by itself; those that end soonest need a closer look.\n\n"
                + code(
                    "# one prompt per contract: end date, and who may end it",
                    "prompts = [f'When does it end?\\n\\n{text}' for text in contracts]",
                    "ends = llm_query_batched(prompts)",
                    f"soonest = rlm_query('{CHILD}: ' + ' '.join(contracts[-3:]))",
                    "min(ends)",
                ),
                f"**c-0143** ends first, on 28 January 2027. {NOTICE}\n\nFINAL(c-0143, on 28 January 2027. {NOTICE})",
            ]
        elif CLAUSES in told:
            replies = [
                code("clauses = {text.split(':')[0]: text for text in contracts}", "clauses['c-9999']"),
            ]
            if step(request):
                return Reply("The request exceeds the context window of the model.", status=400, delay=0.2)
        else:
            replies = [code("sum('penalty' in text for text in contracts)"), "FINAL(None of them does.)"]
        text = replies[min(step(request), len(replies) - 1)]
        return Reply(text, delay=0.25, usage=_usage(14_000, 380, 0.0021))

    def _piece(self, request: ChatRequest) -> Reply:
        number = int(request.prompt.partition("c-")[2][:4] or 0)
        if number == 57:
            return Reply("The prompt was refused by a filter.", status=400, delay=0.3)
        held = self.site.held if self.holds and number >= 120 else None
        took = 0.1 + number % 7 * 0.04
        ends = f"{2038 - number // 12}-{12 - number % 12:02}-28"
        return Reply(f"{ends}: c-{number:04}", delay=took, held=held, usage=_usage(190, 24, 0.00004))


def _usage(read: int, written: int, cost: float) -> dict[str, object]:
    cached = {"cached_tokens": read * 3 // 4}
    total = read + written
    told = {"prompt_tokens": read, "completion_tokens": written, "total_tokens": total, "cost": cost}
    return {**told, "prompt_tokens_details": cached}


class Photographer:
    """A Lab with the notebook of the pictures, and where the pictures go."""

    def __init__(self, browser: Browser, site: Site, model: Model, folder: Path) -> None:
        self.site, self.model, self.folder = site, model, folder
        context = browser.new_context(
            viewport={"width": 1180, "height": 860}, device_scale_factor=1.5, reduced_motion="reduce"
        )
        self.lab = Lab(context.new_page(), site)

    def take(self, name: str, part: str = "#rlm-jupyter-panel") -> None:
        """Write a picture of the panel, or of another part of the page, in as few bytes as its colours allow."""
        self.lab.page.mouse.move(5, 400)
        self.lab.page.evaluate(FROM_THE_LEFT)
        shot = self.lab.page.locator(part).screenshot(animations="disabled")
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / f"{name}.png"
        image = Image.open(io.BytesIO(shot)).convert("RGB")
        for colours in (128, 64, 32):
            image.quantize(colours, Image.Quantize.MAXCOVERAGE, 3, dither=Image.Dither.NONE).save(file, optimize=True)
            if file.stat().st_size <= MOST_BYTES:
                break
        print(f"{file.name}: {file.stat().st_size / 1000:.0f} kB, {image.width} x {image.height}")

    def empty(self) -> None:
        """The panel of a notebook without runs."""
        path = self.site.write("analysis.ipynb", NOTEBOOK)
        self.lab.start(path)
        self.lab.wait_for_kernel(path)
        self.lab.show_panel()
        self.lab.command("application:toggle-left-area")
        expect(self.lab.panel.state).to_have_attribute("data-state", "no-runs")
        self.take("empty")
        self.lab.ran(0)
        self.lab.ran(1)

    def failed(self) -> None:
        """A run that failed after a block of code did."""
        lab, panel = self.lab, self.lab.panel
        lab.ran(2)
        panel.run(CLAUSES).click()
        panel.expect_status("error")
        panel.button("Next error").click()
        panel.open_tab("Output")
        expect(panel.detail).to_contain_text("KeyError")
        self.take("failed")

    def running(self) -> None:
        """A run with sub-calls under way: the panel, and with its notebook in light and dark."""
        lab, panel = self.lab, self.lab.panel
        self.model.holds = True
        self.site.held.clear()
        lab.run(3)
        panel.run(ENDS).click()
        expect(panel.header).to_contain_text("119 done")
        self._code_of_the_batch()
        self.take("running")
        self.take("notebook", "#main")
        lab.theme("JupyterLab Dark")
        self.take("notebook-dark", "#main")
        lab.theme("JupyterLab Light")

    def finished(self) -> None:
        """The same run, once it has ended; in the dark, too, and in as little room as there may be."""
        lab, panel = self.lab, self.lab.panel
        self.site.held.set()
        lab.expect_ended(3)
        panel.expect_status("ok")
        panel.rows_of("model_call").last.click()
        panel.open_tab("Reply")
        expect(panel.detail).to_contain_text("c-0143 ends first")
        self.take("finished")
        lab.theme("JupyterLab Dark")
        self._code_of_the_batch()
        self.take("dark")
        lab.theme("JupyterLab Light")
        self.lab.widen(250)
        self.take("narrow")
        self.lab.widen(WIDTH)

    def children(self) -> None:
        """A child run, with what it did itself."""
        panel = self.lab.panel
        child = panel.rows_of("run", text=CHILD[:12])
        child.click()
        panel.unfold(child)
        child.scroll_into_view_if_needed()
        self.take("children")

    def _code_of_the_batch(self) -> None:
        panel = self.lab.panel
        panel.rows_of("code", text="one prompt per contract").or_(panel.rows_of("code", text="prompts")).first.click()
        panel.open_tab("Code")
        expect(panel.detail).to_contain_text("llm_query_batched")


def main() -> None:
    """Make all pictures, in the order in which they come about."""
    parser = argparse.ArgumentParser(description="Make the pictures of the documentation.")
    parser.add_argument("--into", type=Path, default=FOLDER, metavar="FOLDER", help="where they go (docs/screenshots)")
    folder: Path = parser.parse_args().into
    expect.set_options(timeout=30_000)
    model = Model()
    with TemporaryDirectory() as home, open_site(Path(home)) as site:
        model.site, site.script = site, model
        with sync_playwright() as playwright, launched(playwright) as browser:
            photographer = Photographer(browser, site, model, folder)
            pictures: list[Callable[[], None]] = [
                photographer.empty,
                photographer.failed,
                photographer.running,
                photographer.finished,
                photographer.children,
            ]
            for picture in pictures:
                begun = time.perf_counter()
                picture()
                print(f"  {picture.__name__}: {time.perf_counter() - begun:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
