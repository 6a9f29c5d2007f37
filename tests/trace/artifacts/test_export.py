"""Every format from Python: as a text, as a file, with its options, and a list of them that the docs keep up with."""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path
from typing import Any, cast

import pytest

from rlm_jupyter.trace.artifacts.formats import FORMATS
from rlm_jupyter.trace.artifacts.new_file import write_new
from rlm_jupyter.trace.schema import SpanEnd
from rlm_jupyter.trace.trace import Trace

EXPORTS = Path(__file__).parents[3] / "docs/guides/exports.md"


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_a_text_and_a_file(run: Any, name: str, tmp_path: Path) -> None:
    trace = run.record()
    text = trace.export(name)
    assert text == FORMATS[name].render(trace)
    assert trace.export(name) == text, "a pure function of the trace"
    path = trace.export(name, tmp_path)
    assert path.parent == tmp_path
    assert path.name.endswith(FORMATS[name].extension)
    assert path.read_text(encoding="utf-8") == text
    with pytest.raises(ValueError, match="no run"):
        Trace().export(name)


@pytest.mark.parametrize("name", FORMATS)
def test_a_run_that_is_under_way_is_exported_as_far_as_it_is_told(run: Any, name: str) -> None:
    events = [event for event in run.record().events if not isinstance(event, SpanEnd)]
    assert Trace(events).export(name) or name == "chat"


def test_a_file_that_is_there_stays_unless_told_otherwise(run: Any, tmp_path: Path) -> None:
    trace = run.record()
    path = tmp_path / "mine.md"
    path.write_text("mine")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        trace.export("markdown", path)
    assert path.read_text() == "mine"
    assert trace.export("markdown", path, overwrite=True) == path
    assert path.read_text(encoding="utf-8") == trace.to_markdown()


def test_what_is_written_over_keeps_its_place_and_its_mode(tmp_path: Path) -> None:
    target, link = tmp_path / "target.md", tmp_path / "link.md"
    target.write_text("mine")
    target.chmod(0o640)
    link.symlink_to(target)
    with pytest.raises(FileExistsError):
        write_new(link, "ours")
    write_new(link, "ours \ud800", overwrite=True)
    assert (link.is_symlink(), target.read_text(), target.stat().st_mode & 0o777) == (True, "ours ?", 0o640)
    with pytest.raises(TypeError):
        write_new(target, cast(str, b"half"), overwrite=True)
    assert target.read_text() == "ours ?"
    with pytest.raises(TypeError):
        write_new(tmp_path / "new.md", cast(str, b"half"))
    write_new(Path(os.devnull), "nobody reads it", overwrite=True)
    with pytest.raises(IsADirectoryError):
        write_new(tmp_path, "a folder", overwrite=True)
    assert sorted(tmp_path.iterdir()) == [link, target]


def test_what_there_is_not_is_an_error_that_lists_what_there_is(run: Any) -> None:
    trace = run.record()
    with pytest.raises(ValueError, match="There are: notebook, markdown, html, jsonl"):
        trace.export("pdf")
    with pytest.raises(ValueError, match="It has subcalls, unanswered"):
        trace.export("chat", capture_content=False)
    with pytest.raises(ValueError, match="It has none"):
        trace.export("html", subcalls=True)
    with pytest.raises(ValueError, match="True or False"):
        trace.export("chat", subcalls="yes")


def test_what_a_format_leaves_out_is_said(run: Any, caplog: pytest.LogCaptureFixture) -> None:
    run.status = "limit"
    with caplog.at_level(logging.WARNING, "rlm_jupyter"):
        run.record().export("chat")
    assert "1 run without an answer (unanswered=True takes them in)" in caplog.text


def test_the_page_lists_every_format_and_option() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `(\.[^`]+)` \| (.+) \|$", EXPORTS.read_text(encoding="utf-8"), re.MULTILINE)
    assert rows == [(form.name, form.extension, form.summary) for form in FORMATS.values()]
    options = re.findall(r"^\| `(\w+)` \| `(\w+)=(\w+)` \| (.+) \|$", EXPORTS.read_text("utf-8"), re.MULTILINE)
    assert options == [
        (form.name, name, str(option.default), option.summary)
        for form in FORMATS.values()
        for name, option in form.options.items()
    ]
