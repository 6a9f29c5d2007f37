"""Which notebook this kernel belongs to, as far as the kernel can know."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["cell_id", "notebook_path", "vanished_notebook"]


def notebook_path(user_ns: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> Path | None:
    """Return the notebook's file, or None when no front end told of one that exists.

    VS Code binds ``__vsc_ipynb_file__``; a Jupyter server sets ``JPY_SESSION_NAME`` when it starts the kernel, which is
    out of date once the notebook was renamed: a file that is not there is not believed in.
    """
    return next((path.absolute() for path in _told(user_ns, environ) if path.is_file()), None)


def vanished_notebook(user_ns: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> str | None:
    """Return what the notebook was called that a front end told of, and that is there no more."""
    return next((path.name for path in _told(user_ns, environ) if not path.is_file()), None)


def _told(user_ns: Mapping[str, Any], environ: Mapping[str, str]) -> list[Path]:
    told = (user_ns.get("__vsc_ipynb_file__"), environ.get("JPY_SESSION_NAME"))
    return [Path(each) for each in told if isinstance(each, str) and each.endswith(".ipynb")]


def cell_id(shell: Any) -> str | None:
    """Return the identifier of the notebook cell that is running, where the front end tells it."""
    parent = shell.get_parent() if hasattr(shell, "get_parent") else None
    metadata = parent.get("metadata") if isinstance(parent, dict) else None
    told = metadata.get("cellId") if isinstance(metadata, dict) else None
    return told if isinstance(told, str) else None
