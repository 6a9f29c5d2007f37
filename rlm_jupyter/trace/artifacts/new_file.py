"""Files that are written as new ones, and never over another unless that is asked for; all of it or nothing."""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path

__all__ = ["write_new"]


def write_new(path: Path, text: str, *, overwrite: bool = False, mode: int = 0o666) -> None:
    """Write a file in UTF-8, over one that is there only with ``overwrite``; what fails leaves things as they were.

    ``mode`` is a new file's, within the umask. One that is written over keeps its own, and a link goes on leading to
    it. Raises ``FileExistsError``, and ``OSError``.
    """
    target = Path(os.path.realpath(path)) if overwrite else path
    if overwrite and target.exists():
        if not target.is_file():  # a device, which no file can take the place of; of a folder this says so
            _write(os.open(target, os.O_WRONLY), text)
            return
        whole = target.with_name(f".{secrets.token_hex(8)}.part")  # the name of the file may be as long as it may be
        try:
            _write(os.open(whole, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), text)
            shutil.copymode(target, whole)
            whole.replace(target)
        finally:
            whole.unlink(missing_ok=True)
        return
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        _write(descriptor, text)
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def _write(descriptor: int, text: str) -> None:
    with open(descriptor, "w", encoding="utf-8", errors="replace", newline="\n") as file:
        file.write(text)
