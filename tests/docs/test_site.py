"""The documentation builds without a warning, and every link in it leads somewhere, on the site and on GitHub."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


OUTSIDE = [path for path in ROOT.glob("*.md") if path.stem.isupper()]
PAGES = [
    path
    for path in [*DOCS.rglob("*.md"), *DOCS.glob("examples/*.ipynb")]
    if ".trace" not in path.name and path.parents[1] != DOCS / "examples" and not _is_hidden(path.relative_to(DOCS))
]
SOURCES = sorted([*OUTSIDE, *PAGES])

_HEADING = re.compile(r"^#{1,4} +(.+?)\s*$", re.MULTILINE)
_FENCE = re.compile(r"^( *)(`{3,}|:{3,}).*?^\1\2 *$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[((?:[^\[\]]|\[[^\]]*\])*)\]\([^()]*\)")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` builds it, but that no notebook is run."""
    folder = tmp_path_factory.mktemp("docs") / "site"
    options = ["--fail-on-warning", "--keep-going", "--quiet", "-D", "nb_execution_mode=off"]
    command = [sys.executable, "-m", "sphinx", *options, str(DOCS), str(folder)]
    built = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return folder


@pytest.mark.timeout(400)
def test_the_site_builds_without_a_warning_and_has_every_page(site: Path) -> None:
    for page in PAGES:
        assert (site / page.relative_to(DOCS).with_suffix(".html")).is_file()


@pytest.mark.timeout(400)
def test_every_link_of_the_site_leads_somewhere(site: Path) -> None:
    pages = {path: _Page.read(path) for path in site.rglob("*.html") if "_static" not in path.parts}
    astray = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = Path(os.path.normpath(path.parent / unquote(parts.path))) if parts.path else path
            known = pages[target].anchors if target in pages else set()
            if not target.exists() or (parts.fragment and unquote(parts.fragment) not in known):
                astray.append(f"{path.relative_to(site)}: {link}")
    assert not astray
    assert sum(len(page.links) for page in pages.values()) > 1_000


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_relative_link_leads_somewhere_on_github(source: Path) -> None:
    astray = []
    for link in _links(source):
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            continue
        target = Path(os.path.normpath(source.parent / unquote(parts.path))) if parts.path else source
        there = target.is_relative_to(ROOT) and target.exists()
        if not there or (parts.fragment and target.suffix == ".md" and parts.fragment not in _anchors(target)):
            astray.append(link)
    assert not astray


@pytest.mark.timeout(400)
def test_a_question_is_no_python_in_the_colours_of_the_site(site: Path) -> None:
    page = (site / "index.html").read_text(encoding="utf-8")
    assert "\nWhich contract ends first, and who may terminate it early?\n" in page


class _Page(HTMLParser):
    """What a page of the site links to, and what in it can be linked to."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()

    @classmethod
    def read(cls, path: Path) -> _Page:
        page = cls()
        page.feed(path.read_text(encoding="utf-8"))
        return page

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value for name, value in attrs if value}
        self.anchors.update(filter(None, (given.get("id"), given.get("name") if tag == "a" else None)))
        if link := given.get("href" if tag in ("a", "link") else "src"):
            self.links.append(link)


@cache
def _text(source: Path) -> str:
    """Return the Markdown of a page, of a notebook that of its cells."""
    text = source.read_text(encoding="utf-8")
    if source.suffix != ".ipynb":
        return text
    cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "markdown"]
    return "\n\n".join("".join(cell["source"]) for cell in cells)


def _links(source: Path) -> Iterator[str]:
    for token in MarkdownIt("commonmark").enable("table").parse(_text(source)):
        for child in token.children or ():
            link = child.attrGet("href") or child.attrGet("src")
            if link is not None:
                yield str(link)


@cache
def _anchors(source: Path) -> set[str]:
    """Return what GitHub makes of the headings, and MyST too."""
    found: list[str] = []
    for heading in _HEADING.findall(_FENCE.sub("", _text(source))):
        text = re.sub(r"[^\w\- ]", "", _LINK.sub(r"\1", heading).lower()).replace(" ", "-")
        found.append(f"{text}-{found.count(text)}" if text in found else text)
    return set(found)
