"""Every block of code in the documentation but its guides and its how-to pages runs, or says why not."""

from __future__ import annotations

from pathlib import Path

import pytest
from pages.parts import pages, run_blocks


@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", pages())
def test_every_block_runs_or_says_why_not(page: str, reading: Path) -> None:
    run_blocks(page, reading)
