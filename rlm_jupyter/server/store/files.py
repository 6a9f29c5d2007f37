"""The store's files: its owner's alone, whatever the umask."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

__all__ = ["disk_bytes", "make_private", "put_aside"]

_COMPANIONS = ("", "-wal", "-shm", "-journal")


def make_private(path: Path) -> None:
    """See that the file is there, and that nobody else may read it nor what SQLite puts beside it."""
    if not path.parent.is_dir():
        path.parent.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):  # another server of this user is quicker
            path.parent.mkdir(mode=0o700)
            path.parent.chmod(0o700)
    # A file that is there is not opened here: closing it would drop the locks that SQLite holds in this process.
    # SQLite gives its companions the mode that the file has when they are made.
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    for name in _COMPANIONS:
        companion = path.with_name(path.name + name)
        with contextlib.suppress(FileNotFoundError):
            if companion.stat().st_mode & 0o777 != 0o600 and companion.is_file():
                companion.chmod(0o600)


def put_aside(path: Path) -> Path:
    """Give a damaged file, and what belongs to it, a name that says when that was; return where it is."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    kept, number = path.with_name(f"{path.name}.damaged-{stamp}"), 1
    while kept.exists():
        number += 1
        kept = path.with_name(f"{path.name}.damaged-{stamp}-{number}")
    for name in _COMPANIONS:
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + name).rename(kept.with_name(kept.name + name))
    return kept


def disk_bytes(path: Path) -> int:
    """Return what the store takes on the disk, in bytes."""
    sizes = 0
    for name in _COMPANIONS:
        with contextlib.suppress(OSError):
            sizes += path.with_name(path.name + name).stat().st_size
    return sizes
