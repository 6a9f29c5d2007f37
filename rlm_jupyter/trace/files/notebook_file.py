"""The recordings that a trace notebook holds, or that stand beside it: found as text, and never by running a cell."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rlm_jupyter.core.digest import bytes_digest
from rlm_jupyter.trace.artifacts.play_cell import Beside, Inside, recordings_of

from .errors import TraceFileError
from .lines import is_dense
from .recording import packed_in

__all__ = ["is_notebook", "notebook_of", "recording_at", "recordings_in"]

_CONTAINERS = 2_000_000
_FILE_LIMIT = 250_000_000  # bytes of a recording beside a notebook
_EVENT = re.compile(rb'\s*\{\s*"event"\s*:')
_CELLS = re.compile(rb'"(?:cells|nbformat|nbformat_minor)"\s*:')


def is_notebook(head: bytes) -> bool:
    """Return whether a file that begins so is a notebook, and no log."""
    return head.lstrip().startswith(b"{") and _EVENT.match(head) is None and _CELLS.search(head) is not None


def notebook_of(text: bytes, name: str) -> dict[str, Any]:
    """Return the notebook. Raises ``TraceFileError`` for what is none."""
    from pydantic_core import from_json  # unlike json.loads, it bounds how deep values are

    if is_dense(text, _CONTAINERS):
        msg = f"{name} holds more lists and objects than a notebook has, and is not opened."
        raise TraceFileError(msg)
    try:
        notebook = from_json(text)
    except ValueError as error:
        msg = f"{name} is no whole notebook: {error}."
        raise TraceFileError(msg) from error
    if not isinstance(notebook, dict) or not isinstance(notebook.get("cells"), list):
        msg = f"{name} is no notebook: it has no list of cells."
        raise TraceFileError(msg)
    return notebook


def recordings_in(notebook: dict[str, Any], file: Path) -> Iterator[bytes]:
    """Yield the packed recordings that the notebook's cells hold or name, in their order, each once.

    Raises ``TraceFileError`` when one is damaged, or does not stand beside the notebook.
    """
    for named in dict.fromkeys(recordings_of(notebook["cells"])):
        yield _decoded(named.text, file.name) if isinstance(named, Inside) else _beside(file, named)


def recording_at(path: Path, digest: str) -> bytes:
    """Return what the file of a recording holds.

    Raises ``TraceFileError`` when that is larger than a recording may be, or has another digest.
    """
    with path.open("rb") as file:
        data = file.read(_FILE_LIMIT + 1)
    if len(data) > _FILE_LIMIT:
        msg = f"{path.name} is larger than the {_FILE_LIMIT:,} bytes that a recording may have."
        raise TraceFileError(msg)
    if bytes_digest(data) != digest:
        msg = f"{path.name} is not the recording of this run: its digest is another. Export the run again."
        raise TraceFileError(msg)
    return data


def _decoded(text: str, name: str) -> bytes:
    try:
        return packed_in(text).data
    except ValueError as error:
        msg = f"{name}: {error}"
        raise TraceFileError(msg) from error


def _beside(file: Path, named: Beside) -> bytes:
    path = file.parent / named.file_name
    if path.is_symlink() or not path.is_file():
        msg = f"{file.name} names the recording {path.name}, and there is no such file beside it: put it there."
        raise TraceFileError(msg)
    return recording_at(path, named.digest)
