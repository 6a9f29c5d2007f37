"""What a question is about, read from files: the text of one, the texts of a folder by path, or several by name."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from .command import say

__all__ = ["STDIN", "ContextError", "context_of"]

STDIN = "-"

_FILE_LIMIT = 4_000_000_000  # bytes
_FILES_LIMIT = 100_000
_PROBE = 8_192  # bytes; a file with a zero among them is no text


class ContextError(ValueError):
    """A context cannot be read; the message says what to do."""


def context_of(paths: Sequence[str]) -> Any:
    """Return the context that the paths name; ``-`` is the standard input.

    A file is its text in UTF-8, or its bytes when it is none; a folder is a dict of the texts in it by their paths,
    without hidden files and without what is no text. Several are a dict of all of them by the names that were given.
    Raises ``ContextError``.
    """
    if len(set(paths)) < len(paths):
        msg = "A context is named twice."
        raise ContextError(msg)
    if len(paths) == 1:
        return _context(paths[0])
    return {path: _context(path) for path in paths}


def _context(path: str) -> Any:
    if path == STDIN:
        return _text(sys.stdin.buffer.read())
    file = Path(os.path.expanduser(path))  # noqa: PTH111 - Path.expanduser raises for a user that is not there
    try:
        if file.is_dir():
            return _folder(file)
        return _text(_bytes(file))
    except OSError as error:
        msg = f"The context {path} cannot be read: {error.strerror or error}."
        raise ContextError(msg) from error


def _bytes(file: Path) -> bytes:
    status = file.stat()
    if stat.S_ISREG(status.st_mode) and status.st_size > _FILE_LIMIT:
        msg = f"The context {file} has {status.st_size:,} bytes; one may have {_FILE_LIMIT:,}."
        raise ContextError(msg)
    return file.read_bytes()


def _text(content: bytes) -> str | bytes:
    if b"\0" in content[:_PROBE]:
        return content
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content


def _folder(folder: Path) -> dict[str, str]:
    texts: dict[str, str] = {}
    left_out = size = 0
    for file in _files(folder):
        content = _bytes(file)
        size += len(content)
        if size > _FILE_LIMIT or len(texts) >= _FILES_LIMIT:
            msg = (
                f"The folder {folder} holds more than {_FILES_LIMIT:,} files or {_FILE_LIMIT:,} bytes: name one "
                "with less in it."
            )
            raise ContextError(msg)
        text = _text(content)
        if isinstance(text, str):
            texts[file.relative_to(folder).as_posix()] = text
        else:
            left_out += 1
    if not texts:
        msg = f"There is no text in the folder {folder}: hidden files and what is no UTF-8 are left out."
        raise ContextError(msg)
    if left_out:
        files = "file, which is" if left_out == 1 else "files, which are"
        say(f"Left out of {folder}: {left_out:,} {files} no text.")
    return texts


def _files(folder: Path) -> Iterator[Path]:
    """Yield the ordinary files below a folder in the order of their names; links to folders are not followed."""
    for base, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            file = Path(base, name)
            if not name.startswith(".") and file.is_file():
                yield file
