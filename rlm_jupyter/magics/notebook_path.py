"""Which notebook this kernel belongs to, as far as the kernel can know."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["cell_id", "notebook_path"]


def notebook_path(user_ns: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> Path | None:
    """Return the notebook's file, or None when no front end told of one that exists.

    VS Code binds ``__vsc_ipynb_file__``; a Jupyter server sets ``JPY_SESSION_NAME`` when it starts the kernel, which is
    out of date once the notebook was renamed: a file that is not there is not believed in.
    """
    for told in (user_ns.get("__vsc_ipynb_file__"), environ.get("JPY_SESSION_NAME")):
        if isinstance(told, str) and told.endswith(".ipynb") and Path(told).is_file():
            return Path(told).absolute()
    return None


def cell_id(shell: Any) -> str | None:
    """Return the identifier of the notebook cell that is running, where the front end tells it."""
    parent = shell.get_parent() if hasattr(shell, "get_parent") else None
    metadata = parent.get("metadata") if isinstance(parent, dict) else None
    told = metadata.get("cellId") if isinstance(metadata, dict) else None
    return told if isinstance(told, str) else None
