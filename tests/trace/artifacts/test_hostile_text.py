"""Whatever a model, a page or a cell wrote is shown in an artifact and can do nothing there."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest
from markdown_it import MarkdownIt

from rlm_jupyter.trace.artifacts.inert import code_span, fenced, folded, inert_markdown, plain_text
from rlm_jupyter.trace.schema import ErrorRecord

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "![pixel](https://tracker.example/p.png)",
    "![pixel][ref]\n\n[ref]: https://tracker.example/p.png",
    "[click](javascript:alert(1)) and [this]( JavaScript:alert(1)) and [that](java&#115;cript:alert(1))",
    "[click][x]\n\n[x]: javascript:alert(1)",
    "[click](           javascript:alert(1)) [click](javascript\\:alert(1)) [click](<javascript:alert(1)>)",
    "> [click][y] [click](\n> javascript:alert(1))\n>\n> [y]:\n> javascript:alert(1)",
    "<javascript:alert(1)>",
    "</details></summary></div></pre></code>",
    "<!-- an open comment",
    "<details><summary>",
    "```\nleft open",
    "~~~~html\nleft open <b>",
    "````\n```\n`````\n</details>\n<script>alert(1)</script>",
    "`` ` `<script>alert(1)</script>` `` ` <iframe src=x>",
    "`code\n\n<script>alert(1)</script>`",
    "- item\n\n      ```\n<svg onload=alert(1)>",
    "\x1b[31mred\x1b[0m \x1b]8;;https://evil.example\x07link\x1b]8;;\x07 \x00\x07",
    "\u202egnp.exe\u2066",
    "| a | b |\n|---|---|\n| `x|y` <style>*{display:none}</style> |",
    "$$\\href{javascript:alert(1)}{x}$$",
    "x" * 1_000_000,
    "<" * 20_000 + "`" * 20_001,
    "]]>--!><title></textarea></xmp>",
]

INERT_TAGS = frozenset(
    "a blockquote b br code del details div em h1 h2 h3 h4 h5 h6 hr li ol p pre s strong summary table tbody td th "
    "thead tr ul".split()
)


class Safe(HTMLParser):
    """Fails on any element, attribute or link that could do something; counts the details that are open."""

    def __init__(self) -> None:
        super().__init__()
        self.open_details = 0
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in INERT_TAGS, tag
        self.open_details += tag == "details"
        for name, value in attrs:
            assert name in {"href", "rel", "class", "style", "title", "start"}, name
            assert name != "href" or not re.match(r"(javascript|vbscript|data)[^\w.]", str(value), re.IGNORECASE), value
            scheme = re.match(r"\s*([A-Za-z][A-Za-z0-9+.-]*):", str(value)) if name == "href" else None
            assert scheme is None or scheme[1] in {"http", "https"}, value

    def handle_endtag(self, tag: str) -> None:
        self.open_details -= tag == "details"
        assert self.open_details >= 0

    def handle_comment(self, data: str) -> None:
        pytest.fail(f"a comment hides text: {data[:50]}")

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def check_html(html: str) -> str:
    """Check a page, and return its text."""
    safe = Safe()
    safe.feed(html)
    safe.close()
    assert safe.open_details == 0
    return "".join(safe.text)


def check_markdown(markdown: str) -> str:
    """Check Markdown as the most trusting renderer shows it, which passes HTML on and loads what it is told to."""
    assert "\x1b" not in markdown
    assert "\u202e" not in markdown
    parser = MarkdownIt("js-default", {"html": True})
    parser.validateLink = lambda url: True  # type: ignore[method-assign]
    return check_html(str(parser.render(markdown)))


@pytest.fixture(params=range(len(HOSTILE)), ids=lambda number: ascii(HOSTILE[number][:12]))
def hostile(request: pytest.FixtureRequest) -> str:
    chosen: str = HOSTILE[request.param]
    return chosen


@pytest.fixture
def trace(make_run: Callable[..., Any], make_block: Callable[..., Any], hostile: str) -> Any:
    """A run in which everything that is not ours to say is hostile."""
    error = ErrorRecord(name="Error", message=hostile, traceback=hostile)
    child = make_run(question=hostile, answer=hostile, iterations=[(hostile, [])], error=error, status="error")
    outputs = [
        {"output_type": "stream", "name": "stdout", "text": hostile},
        {"output_type": "display_data", "data": {"text/plain": hostile, "text/html": hostile}, "metadata": {}},
    ]
    block = make_block(f"x = {hostile!r}", outputs, [(hostile, hostile)], error, [child])
    iterations = [(f"{hostile}\n```python\nx = {hostile!r}\n```\n{hostile}", [block])]
    made = make_run(hostile, hostile, iterations, hostile, "error", error)
    return made.record()


def test_markdown_is_inert(trace: Any) -> None:
    text = check_markdown(trace.to_markdown())
    assert "Code Block 1" in text
    assert "· cost unknown ·" in text  # the last line: nothing before it swallowed it


def test_the_notebook_is_inert(trace: Any) -> None:
    for cell in trace.to_notebook()["cells"]:
        if cell["cell_type"] == "markdown":
            check_markdown(cell["source"])


def test_html_is_inert(trace: Any) -> None:
    text = check_html(trace.mimebundle()["text/html"])
    assert "Iteration 1" in text


def test_the_bundle_is_inert(trace: Any) -> None:
    bundle = trace.mimebundle()
    check_markdown(bundle["text/markdown"])
    assert "\x1b" not in bundle["text/plain"]
    json.dumps(bundle)


def folded_twice(text: str) -> str:
    return folded(text, folded(text, inert_markdown(text)))


@pytest.mark.parametrize("show", [inert_markdown, plain_text, code_span, fenced, folded_twice])
def test_every_way_to_show_a_text_is_inert(show: Callable[[str], str], hostile: str) -> None:
    assert "the end" in check_markdown(f"{show(hostile)}\n\nthe end\n")


def test_ordinary_prose_keeps_its_formatting() -> None:
    prose = (
        "# Title\n\nA **bold** `x < y` and a < b, AT&T, [link](https://example.org).\n\n- one\n- two\n\n```\ncode\n```"
    )
    assert inert_markdown(prose) == prose
