"""What the paths of a server's notebooks are relative to."""

from __future__ import annotations

import os

from jupyter_server.services.contents.filemanager import FileContentsManager
from jupyter_server.services.contents.manager import ContentsManager

__all__ = ["root_of"]


def root_of(contents: ContentsManager) -> str:
    """Return the folder of a server whose notebooks are files; elsewhere what tells one place from another, if any."""
    root = str(getattr(contents, "root_dir", ""))
    if isinstance(contents, FileContentsManager):
        return os.path.realpath(root)
    kind = type(contents)
    return f"{kind.__module__}.{kind.__qualname__}:{root}"
