"""docs/guides/environments.md says what the table of behaviours shows."""

from __future__ import annotations

import re
from pathlib import Path

from every_environment import EXCEPTIONS

GUIDE = (Path(__file__).parents[2] / "docs" / "guides" / "environments.md").read_text("utf-8")


def test_every_exception_is_told_and_no_other() -> None:
    told = " ".join(GUIDE.split())
    assert [each for where in EXCEPTIONS.values() for each in where.values() if each not in told] == []
    cells = re.findall(r"\]\(#([a-z-]+)\) (?=\|)", GUIDE)
    behaviours = [name.replace(" ", "-") for name, where in EXCEPTIONS.items() for _ in where]
    behaviours.remove("pickles")  # told with references
    assert sorted(cells) == sorted(behaviours)


def test_every_link_leads_somewhere() -> None:
    headings = {title.lower().replace(" ", "-") for title in re.findall(r"^#+ (.*)$", GUIDE, re.MULTILINE)}
    assert set(re.findall(r"\]\(#([^)]*)\)", GUIDE)) <= headings
