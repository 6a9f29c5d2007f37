"""What pages are read with: a folder, an empty home, and none of the keys of whoever runs the tests."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

# Keys and servers, where things are kept, and how pip, uv and pytest are to behave.
_OWN = re.compile(
    r".*_(API_KEY|TOKEN|SECRET|PROXY)|JUPYTER_.*_DIR|(AZURE|OLLAMA|OPENAI|OTEL|PIP|RLM_JUPYTER|UV|XDG)_.*"
    r"|IPYTHONDIR|JPY_SESSION_NAME|PYTEST_(ADDOPTS|PLUGINS|DISABLE_PLUGIN_AUTOLOAD)",
    re.IGNORECASE,
)


@pytest.fixture(scope="session")
def fonts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where matplotlib keeps its list of fonts, which takes it seconds to make."""
    return tmp_path_factory.mktemp("matplotlib")


@pytest.fixture
def reading(tmp_path: Path, fonts: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which a page's blocks run."""
    for name in [name for name in os.environ if _OWN.fullmatch(name)]:
        monkeypatch.delenv(name)
    for name in ("home", "page"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MPLCONFIGDIR", str(fonts))
    return tmp_path / "page"
