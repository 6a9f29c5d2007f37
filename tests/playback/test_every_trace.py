"""A trace of every kind of run is exported to every format, is found sound, and is one with itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from replayed_runs import KINDS, trace_recorded
from sound_trace import assert_sound


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_exported_verified_and_read_again(kind: str, tmp_path: Path) -> None:
    assert_sound(trace_recorded(kind), tmp_path)
