"""The pages of which blocks run, in parts: each part has a test file, for the tests of a file run in one process."""

from __future__ import annotations

from pathlib import Path

import pytest
from pages.reader import problems

__all__ = ["PARTS", "pages", "run_blocks"]

PARTS = ("docs/guides", "docs/how-to")

_ROOT = Path(__file__).parents[2]


def pages(part: str = "") -> list[str]:
    """Return the pages of a part, by their paths in the repository; without one, those that are in none of them."""
    every = (path.relative_to(_ROOT) for path in (*_ROOT.glob("*.md"), *(_ROOT / "docs").rglob("*.md")))
    return sorted(path.as_posix() for path in every if part == _part_of(path))


def _part_of(path: Path) -> str:
    return next((part for part in PARTS if path.is_relative_to(part)), "")


def run_blocks(page: str, folder: Path) -> None:
    """Read a page in a folder, and fail with what is wrong with it."""
    if wrong := problems(_ROOT / page, folder):
        pytest.fail("\n\n".join(f"{page}, {each}" for each in wrong), pytrace=False)
