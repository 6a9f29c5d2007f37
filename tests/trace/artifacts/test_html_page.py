"""The page of a run: what stands in it, and that nothing else can."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import Any

import pytest
from ui.hostile_texts import HOSTILE
from ui.stored_runs import Writer, hostile_run, many_spans

from rlm_jupyter.trace.artifacts.html_page import html_page
from rlm_jupyter.trace.artifacts.html_summary import html_summary, markdown_html
from rlm_jupyter.trace.schema import CodeEnd, CodeStart, IterationEnd, IterationStart, RunEnd, RunStart
from rlm_jupyter.trace.trace import Trace

PNG = base64.b64encode(
    b"\x89PNG\r\n\x1a\n" + bytes.fromhex("0000000d49484452000000010000000108060000001f15c489") + b"\0" * 20
).decode()
LARGE = base64.b64encode(base64.b64decode(PNG) + b"0" * 1_500_000).decode()
SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><style>*{stroke-linecap: butt}</style>'
    '<text>url(), \\alpha</text><rect width="9" height="9" fill="url(#g)"/></svg>'
)
STEPS = "".join(f'<g id="b{n}">{f"""<use href="#b{n - 1}"/>""" * 10}</g>' for n in range(1, 9))
BOMB = f'<svg xmlns="http://www.w3.org/2000/svg"><rect id="b0" width="1" height="1"/>{STEPS}</svg>'


def data_of(page: str) -> dict[str, Any]:
    """The JSON that stands in the page, as a browser would cut it out."""
    start = page.index('<script type="application/json" id="run">')
    body = page[page.index(">", start) + 1 :]
    data: dict[str, Any] = json.loads(body[: re.search(r"</script", body, re.IGNORECASE).start()])  # type: ignore[union-attr]
    return data


def shown(*outputs: dict[str, str]) -> Trace:
    """A run whose one block displayed this."""
    writer = Writer("0" * 32)
    root = writer.start(RunStart(question="Draw it.", model="m", backend="b", environment="local", max_iterations=3))
    iteration = writer.start(IterationStart(number=1), root)
    code = writer.start(CodeStart(code="plot()", index=1), iteration)
    displayed = [{"output_type": "display_data", "data": data, "metadata": {}} for data in outputs]
    writer.end(code, CodeEnd(outputs=displayed))
    writer.end(iteration, IterationEnd(answered=True))
    writer.end(root, RunEnd(answer="drawn"))
    return writer.trace


def test_only_our_script_may_run(run: Any) -> None:
    page = html_page(run.record())
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    script = re.search(r"<script>(.*?)</script>", page, re.DOTALL)
    assert policy is not None
    assert script is not None
    digest = base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()
    assert policy[1].startswith(f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src")
    assert page.index(policy[0]) < page.index("<style>")
    assert len(re.findall("<script", page)) == 2
    assert not re.search(r"innerHTML|insertAdjacentHTML|document\.write|eval\(|\bFunction\(", script[1])
    assert "http://" not in page.partition("<body>")[0]
    assert "https://" not in page.partition("<body>")[0]


def test_every_text_of_the_run_is_in_it(run: Any) -> None:
    data = data_of(html_page(run.record()))
    spans = data["spans"]
    assert [span["depth"] for span in spans if span["kind"] in ("root", "iteration")] == [0, 1, 1, 4, 1]
    parts = {
        (span["kind"], title): data["texts"][number]
        for span in spans
        for title, form, number in span["parts"]
        if form != "picture"
    }
    assert parts["subcall", "Prompt"] == "Or here?"
    assert parts["subcall", "Reply"] == "Yes."
    assert parts["code", "error"].startswith("Traceback")
    assert parts["root", "Answer"] == "42"
    assert parts["model_call", "Message of the system"] == "You work in code."
    child = next(span for span in spans if span["kind"] == "run")
    assert child["name"] == "rlm_query · What is in the half?"
    failed = next(span for span in spans if span["kind"] == "code" and span["status"] == "error")
    assert failed["mark"] == "failed"


def test_many_calls_stand_in_a_group_and_those_that_failed_beside_it() -> None:
    writer = many_spans("0" * 32, 700)
    spans = data_of(html_page(writer.trace))["spans"]
    assert len([span for span in spans if "id" in span]) == 700
    whole = data_of(html_page(run_of_calls(40)))["spans"]
    group = next(span for span in whole if "group" in span)
    assert (group["group"], group["name"]) == (39, "39 llm_query")
    assert [span["depth"] for span in whole if span["kind"] == "subcall" and span["status"] == "error"] == [
        group["depth"]
    ]


def run_of_calls(count: int) -> Trace:
    from rlm_jupyter.trace.schema import ErrorRecord, SubcallEnd, SubcallStart

    writer = Writer("0" * 32)
    root = writer.start(RunStart(question="All?", model="m", backend="b", environment="local", max_iterations=3))
    for number in range(count):
        call = writer.start(SubcallStart(model="m", prompt=writer.text("?"), batch="b", index=number), root)
        failed = number == 7
        error = ErrorRecord(name="APIError", message="429") if failed else None
        writer.end(call, SubcallEnd(error=error), "error" if failed else "ok")
    writer.end(root, RunEnd(answer="yes"))
    return writer.trace


def test_figures_are_shown_once_and_never_as_live_svg() -> None:
    trace = shown({"text/plain": "<Figure>", "image/png": PNG}, {"image/svg+xml": SVG})
    page = html_page(trace)
    data = data_of(page)
    assert [part[0] for part in next(span for span in data["spans"] if span["kind"] == "code")["parts"]] == [
        "Code",
        "display",
        "figure",
        "figure",
    ]
    assert page.count(f"data:image/png;base64,{PNG}") == 1
    assert page.count("data:image/svg+xml;base64,") == 1
    assert "<svg" not in page
    assert f"data:image/png;base64,{PNG}" in html_summary(trace)
    assert "image/svg+xml;base64" not in html_summary(trace)


def test_markdown_shows_figures() -> None:
    text = shown({"text/plain": "<Figure>", "image/png": PNG}, {"image/svg+xml": SVG}).to_markdown()
    assert f"![figure](data:image/png;base64,{PNG})" in text
    assert "figure: svg+xml" in text
    huge = shown({"image/png": LARGE}, {"image/png": PNG}).to_markdown()
    assert len(huge) < 100_000
    assert "figure: png, 1,500,0" in huge
    assert f"(data:image/png;base64,{PNG})" in huge


@pytest.mark.parametrize(
    "data",
    [
        {"image/png": base64.b64encode(b"<script>alert(1)</script>").decode()},
        {"image/png": 'x" onerror="alert(1)'},
        {"image/png": f"{PNG})![x](https://elsewhere.example/x.png"},
        {"image/jpeg": PNG},
        {"image/svg+xml": BOMB},
        {"image/svg+xml": '<!DOCTYPE svg [<!ENTITY a "aaa">]><svg>&a;</svg>'},
        {"image/svg+xml": "<svg><script>alert(1)</script></svg>"},
        {"image/svg+xml": "<html><svg></svg></html>"},
        {"image/svg+xml": "<svg" * 100_000},
        {"image/svg+xml": '<svg><image href="https://elsewhere.example/a.png"/></svg>'},
        {"image/svg+xml": '<svg onload="alert(1)"/>'},
        {"image/svg+xml": "<svg><style>* { fill: u&#114;l(https://elsewhere.example/a) }</style></svg>"},
        {"image/svg+xml": "<svg><style>* { fill: u\\72l(https://elsewhere.example/a) }</style></svg>"},
        {"image/svg+xml": "<svg><style>@IMPORT 'https://elsewhere.example/a';</style></svg>"},
        {"image/svg+xml": '<svg><rect fill="URL(https://elsewhere.example/a)"/></svg>'},
        {"image/svg+xml": '<svg><rect style="fill: u\\72l(https://elsewhere.example/a)"/></svg>'},
        {"image/svg+xml": '<?xml-stylesheet href="https://elsewhere.example/a"?><svg/>'},
        {"image/bmp": PNG},
    ],
)
def test_what_is_no_picture_is_not_shown_as_one(data: dict[str, str]) -> None:
    trace = shown(data)
    for text in (html_page(trace), trace.to_markdown(), html_summary(trace)):
        assert "base64," not in text.partition("<script>")[0]
        assert "<img" not in text.partition("<script>")[0]


def test_links_lead_to_the_web_or_nowhere() -> None:
    allowed = markdown_html("[a](https://example.org/x) <http://example.org> [m](mailto:a@example.org)")
    assert allowed.count('<a rel="noopener noreferrer" href=') == 3
    for text in HOSTILE:
        assert not re.search(r'href="(?!https?://|mailto:)', markdown_html(text[:5_000]))
    for link in ("file:///etc/passwd", "//x.example", "/etc", "vscode://x", "jav&#x0A;ascript:x", "\\javascript:x"):
        assert "<a " not in markdown_html(f"[x]({link}) [y][z]\n\n[z]: {link}")


def test_hostile_texts_end_no_element(run: Any) -> None:
    ordinary = html_page(hostile_run("0" * 32, "ordinary").trace)
    inert = re.compile(
        r"<(?!/?(?:p|div|pre|code|details|summary|b|em|strong|h[1-6]|ul|ol|li|hr|br|blockquote|a)\b)[^>]*>"
    )
    frame = sorted(inert.findall(ordinary.partition("<script>")[0]))
    for text in [*HOSTILE, "> " * 10_000, "x" * 1_000_000]:
        page = html_page(hostile_run("0" * 32, text).trace)
        visible = page.partition("<script>")[0]
        data_of(page)
        strange = [tag for tag in inert.findall(visible.partition('<script type="app')[0]) if tag not in frame]
        assert (text[:80], strange) == (text[:80], [])
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", page)


def test_clocks_that_tell_nonsense_do_no_harm() -> None:
    events = run_of_calls(3).events
    for wrong in (float("inf"), float("nan"), -1e300, 1e300):
        damaged = [
            event.model_copy(update={"started": wrong} if hasattr(event, "started") else {"ended": wrong})
            for event in events
        ]
        data = data_of(html_page(Trace(damaged)))
        assert "NaN" not in json.dumps(data)
        assert "Infinity" not in json.dumps(data)
