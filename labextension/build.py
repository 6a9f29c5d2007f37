"""How a wheel gets the labextension: built from its sources when the wheel is."""

from __future__ import annotations

import os
from typing import Any

from hatch_jupyter_builder.utils import npm_builder


def build(target_name: str, version: str, **options: Any) -> None:
    """Build it with the Node of the build requirements."""
    os.environ.setdefault("NODE_USE_SYSTEM_CA", "1")  # Node would trust its own list of authorities only, unlike pip
    npm_builder(target_name, version, **options)
