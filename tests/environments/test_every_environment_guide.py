"""docs/environments.md says what the table of behaviours shows, and its code runs."""

from __future__ import annotations

import re
from pathlib import Path

from every_environment import EXCEPTIONS
from live_kernel import LiveKernel

GUIDE = (Path(__file__).parents[2] / "docs" / "environments.md").read_text("utf-8")


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


def test_every_block_of_code_runs(bare_kernel: LiveKernel) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
    printed = [bare_kernel.ok(block).stdout for block in blocks]
    assert "walrus" in printed[0]
    assert "lamp" in printed[1]
    assert printed[2:] == [
        "8 A\n 'a\\r\\nb'\n['A'] a\r\nb None\na\r\nb\n",
        "first second What was it? second\n\n",
        "[1, 2, 3] 3\n",
    ]
