"""The form of docs/decisions.md, as its head says it."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "docs/decisions.md").read_text()
ENTRIES = {
    entry.partition("\n")[0]: entry.partition("\n")[2].split("\n## ")[0].strip()
    for entry in re.split(r"^### ", PAGE, flags=re.MULTILINE)[1:]
}
OVERTURNED = {name: text for name, text in ENTRIES.items() if name.startswith("~~")}


def test_an_entry_says_what_was_chosen_and_why() -> None:
    assert len(ENTRIES) == len(re.findall(r"^### ", PAGE, re.MULTILINE))
    standing = {name: text for name, text in ENTRIES.items() if name not in OVERTURNED}
    assert [
        name
        for name, text in standing.items()
        if not re.match(r"\*\*Choice\.\*\*\s.*\*\*Reason\.\*\*\s", text, re.DOTALL)
    ] == []


def test_what_is_struck_out_names_what_overturns_it() -> None:
    for name, text in OVERTURNED.items():
        assert name.endswith("~~")
        by = re.match(r'Overturned by "([^"]+)"', text.replace("\n", " "))
        assert by, name
        assert by[1] in ENTRIES


def test_the_table_of_contents_lists_the_themes() -> None:
    themes = re.findall(r"^## (.+)$", PAGE, re.MULTILINE)
    assert re.findall(r"^- \[(.+?)\]\(#", PAGE, re.MULTILINE) == themes
