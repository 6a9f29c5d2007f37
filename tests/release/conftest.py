"""What all of these tests look at: the distributions, built once for each process that tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from release.built import build_sdist, build_wheel


@pytest.fixture(scope="session")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution."""
    return build_sdist(tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="session")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the source distribution; nothing else of its kind is in its folder."""
    return build_wheel(sdist, tmp_path_factory.mktemp("wheel"))
