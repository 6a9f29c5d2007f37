"""Artifacts over REST: what the library renders, and nothing of what models wrote comes to life."""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from urllib.parse import unquote

import nbformat
import pytest
from recorded_runs import recorded

from rlm_jupyter.trace.artifacts.formats import FORMATS
from rlm_jupyter.trace.artifacts.html_page import html_page
from rlm_jupyter.trace.artifacts.trajectory import trajectory
from rlm_jupyter.trace.trace import Trace

from .conftest import Rest

HOSTILE = (
    "The lamp is <script>alert(1)</script> red </pre></div><img src=x onerror=alert(2)> "
    "![x](https://elsewhere.example/x.png) [y](javascript:alert(3)) \u202e\x1b[31m <svg onload=alert(4)>"
)


async def test_every_format_is_what_the_library_renders(rest: Rest) -> None:
    events = recorded("Which colour has the lamp?")
    trace = Trace(events)
    run_id = rest.keep(events, "shelf.ipynb")
    bodies = {name: (await rest.ask("GET", f"runs/{run_id}/artifacts/{name}")) for name in FORMATS}
    assert {answer.status for answer in bodies.values()} == {200}
    assert bodies["notebook"].json == trace.to_notebook()
    nbformat.validate(nbformat.reads(bodies["notebook"].text, as_version=4))
    assert bodies["markdown"].text == trace.to_markdown()
    assert bodies["html"].text == html_page(trace)
    assert bodies["jsonl"].text == trace.to_jsonl()
    assert bodies["trajectory"].json == json.loads(json.dumps(trajectory(trace)))
    assert bodies["display"].json == trace.mimebundle()
    assert {name: answer.text for name, answer in bodies.items()} == {
        name: form.render(trace) for name, form in FORMATS.items()
    }


async def test_the_formats_are_listed_as_they_are_served(rest: Rest) -> None:
    run_id = rest.keep(recorded("Which colour has the lamp?"), "reports/2026 (final).ipynb")
    day = f"{datetime.fromtimestamp(int(run_id[:12], 16) / 1000, tz=timezone.utc):%Y-%m-%d}"
    listed = (await rest.get(f"runs/{run_id}/artifacts"))["artifacts"]
    assert [each["format"] for each in listed] == list(FORMATS)
    for each in listed:
        answer = await rest.ask("GET", f"runs/{run_id}/artifacts/{each['format']}")
        assert answer.headers["Content-Type"].partition(";")[0] == each["media_type"]
        assert each["file_name"] in unquote(answer.headers["Content-Disposition"])
        assert each["file_name"].startswith(f"2026 (final)-{day}-{run_id[-8:]}.")
    unknown = await rest.ask("GET", f"runs/{run_id}/artifacts/pdf")
    assert unknown.status == 404
    assert "markdown" in unknown.json["message"]
    assert "Content-Disposition" not in unknown.headers


async def test_what_a_format_can_be_asked_for_is_a_parameter(rest: Rest) -> None:
    events = recorded("Which colour has the lamp?")
    run_id = rest.keep(events, "shelf.ipynb")
    for name, option, value in (("otlp", "capture_content", "false"), ("chat", "subcalls", "true")):
        answer = await rest.ask("GET", f"runs/{run_id}/artifacts/{name}?{option}={value}")
        assert answer.text == Trace(events).export(name, None, **{option: value == "true"})
        assert answer.text != Trace(events).export(name)
        refused = await rest.ask("GET", f"runs/{run_id}/artifacts/{name}?{option}=perhaps")
        assert (refused.status, "true, false" in refused.json["message"]) == (400, True)


async def test_what_models_wrote_stays_inert(rest: Rest) -> None:
    events = recorded(f"Which colour has the lamp? {HOSTILE}", context=HOSTILE)
    run_id = rest.keep(events, "shelf.ipynb")
    for name in FORMATS:
        answer = await rest.ask("GET", f"runs/{run_id}/artifacts/{name}")
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:")
        assert "allow-scripts" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Disposition"].startswith("attachment; ")
    page = (await rest.ask("GET", f"runs/{run_id}/artifacts/html")).text
    assert re.findall(r"<(?:img|svg|iframe|object|a|script)\b[^>]*>", page.partition("<script>")[0], re.IGNORECASE) == [
        '<script type="application/json" id="run">'
    ]
    assert "&lt;script&gt;" in page
    assert "\u202e" not in page
    assert "\x1b" not in page


@pytest.mark.parametrize(
    "notebook",
    [
        "../../etc/passwd",
        'quote".ipynb',
        "line\r\nSet-Cookie: a=b.ipynb",
        "tab\tand \\back/slash\\.ipynb",
        "....ipynb",
        "ünïcødé und 漢字.ipynb",
        "x" * 300 + ".ipynb",
        "semi;colon=%2F.ipynb",
        "\u202egnp.ipynb",
        "con.ipynb",
        "",
    ],
)
async def test_a_file_name_is_safe_whatever_the_notebook_is_called(rest: Rest, notebook: str) -> None:
    run_id = rest.keep(recorded("Which colour has the lamp?"), notebook)
    answer = await rest.ask("GET", f"runs/{run_id}/artifacts/markdown")
    assert answer.status == 200
    header = answer.headers["Content-Disposition"]
    assert re.fullmatch(r"attachment; filename=\"[\w .()+-]+\.md\"; filename\*=UTF-8''[\w.%~-]+\.md", header, re.ASCII)
    name = unquote(header.rpartition("''")[2])
    assert re.fullmatch(r"[\w .()+-]+\.md", name)
    assert not name.startswith((".", " "))
    assert len(name.encode()) < 255
    assert not any(cookie.startswith("a=") for cookie in answer.headers.get_list("Set-Cookie"))


async def test_a_run_whose_beginning_is_missing_cannot_be_rendered_yet(rest: Rest) -> None:
    events = recorded("Which colour has the lamp?")
    run_id = rest.keep(events[5:])
    for name in FORMATS:
        assert (await rest.ask("GET", f"runs/{run_id}/artifacts/{name}")).status == 409
    rest.keep(events[:5])
    for name in FORMATS:
        assert (await rest.ask("GET", f"runs/{run_id}/artifacts/{name}")).status == 200
