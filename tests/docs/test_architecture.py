"""The architecture page and its picture, held against the tree."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/architecture.md").read_text()
PICTURE = (ROOT / "docs/architecture.svg").read_text()
SOURCES = [ROOT / "rlm_jupyter", ROOT / "labextension/src"]


def test_each_module_that_the_page_names_is_there() -> None:
    named = set(re.findall(r"`((?:\w+/)*(?:\w+\.(?:py|ts)|\w+/))`", PAGE))
    assert len(named) > 40
    assert [path for path in sorted(named) if not any((source / path).exists() for source in SOURCES)] == []


def test_the_picture_shows_each_folder() -> None:
    shown = set(re.findall(r"\w+", " ".join(re.findall(r'<text class="name"[^>]*>([^<]*)', PICTURE))))
    code = [path for source in SOURCES for suffix in ("py", "ts", "tsx") for path in source.glob(f"*/*.{suffix}")]
    assert {path.parent.name for path in code} - shown == set()


def test_the_table_of_folders_names_what_there_is() -> None:
    contributing = (ROOT / "CONTRIBUTING.md").read_text()
    named = re.findall(r"`([\w./]+/)`", contributing[contributing.index("## Where a change goes") :])
    ours = [path for path in named if path.startswith(("rlm_jupyter/", "labextension/", "tests/", "docs/", "binder/"))]
    assert [path for path in ours if not (ROOT / path).is_dir()] == []
    folders = {path for path in (ROOT / "rlm_jupyter").iterdir() if any(path.glob("*.py"))}
    assert [path.name for path in folders if f"`rlm_jupyter/{path.name}/`" not in contributing] == []
