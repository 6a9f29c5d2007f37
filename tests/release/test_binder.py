"""What Binder reads: the badge's address, and the Python that it takes. test_installed.py makes what it would make."""

from __future__ import annotations

import re

from release.binder import BINDER, LANDING
from release.built import ROOT

BADGE = f"https://mybinder.org/v2/gh/rlm-jupyter/rlm-jupyter/HEAD?urlpath=lab/tree/{LANDING}"


def test_the_badge_leads_everywhere_to_the_same_notebook() -> None:
    pages = [ROOT / "README.md", ROOT / LANDING, *sorted((ROOT / "docs").rglob("*.md"))]
    found = {page: set(re.findall(r"https://mybinder\.org/v2/[^\s\"')>\\]+", page.read_text())) for page in pages}
    assert found[ROOT / "README.md"] == found[ROOT / LANDING] == {BADGE}
    assert {address for addresses in found.values() for address in addresses} == {BADGE}


def test_its_python_is_one_that_is_tested() -> None:
    (python,) = re.fullmatch(r"python-(3\.\d+)\n", (BINDER / "runtime.txt").read_text()).groups()  # type: ignore[union-attr]
    assert f"Programming Language :: Python :: {python}" in (ROOT / "pyproject.toml").read_text()
