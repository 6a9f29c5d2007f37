"""How a wheel gets the labextension: built from its sources when the wheel is."""

from __future__ import annotations

import os
from typing import Any

from hatch_jupyter_builder.utils import npm_builder


def build(target_name: str, version: str, **options: Any) -> None:
    """Build it with the Node of the build requirements."""
    # From 24.6 on Node can trust the machine's authorities, as pip does, and not only its own list.
    os.environ.setdefault("NODE_USE_SYSTEM_CA", "1")
    os.environ.setdefault("YARN_ENABLE_IMMUTABLE_INSTALLS", "1")  # what yarn.lock says, and nothing newer
    npm_builder(target_name, version, **options)
