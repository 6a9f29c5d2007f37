"""Every block of code in the guides runs, or says why not."""

from __future__ import annotations

from pathlib import Path

import pytest
from pages.parts import pages, run_blocks


@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", pages("docs/guides"))
def test_every_block_runs_or_says_why_not(page: str, reading: Path) -> None:
    run_blocks(page, reading)
