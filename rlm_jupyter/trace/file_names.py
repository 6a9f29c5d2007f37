"""How the files of artifacts are called, trace notebooks first. Paths may be the system's or a contents manager's."""

from __future__ import annotations

import re
from datetime import datetime, timezone

__all__ = ["artifact_name", "beside", "numbered", "trace_name_for"]

_UNSAFE = re.compile(r"[^\w .()+-]")
_STEM_LENGTH = 45  # characters: with four bytes each, and what follows, it is still a name that file systems take
_WORDS = 6
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?", re.IGNORECASE)  # Windows keeps them for devices
_TRACE_NAME = re.compile(r"\.trace(?:-\d+)?\.ipynb\Z")


def trace_name_for(name: str) -> str | None:
    """Return the name of the trace of a notebook: ``analysis.ipynb`` has ``analysis.trace.ipynb``.

    None for a trace notebook: a run in one is looked at where it is, and traces of traces would litter the folder.
    """
    if _TRACE_NAME.search(name):
        return None
    return f"{name.removesuffix('.ipynb')}.trace.ipynb"


def numbered(name: str, number: int) -> str:
    """Return the name for the second file and any further one, when the first is not ours: ``a.trace-2.ipynb``."""
    stem, dot, suffix = name.rpartition(".")
    if not stem or "/" in suffix or "\\" in suffix:
        stem, dot, suffix = name, "", ""
    return name if number == 1 else f"{stem}-{number}{dot}{suffix}"


def beside(name: str, other: str) -> str:
    """Return the path of a file called ``other`` that stands in the same folder."""
    at = max(name.rfind("/"), name.rfind("\\"))
    return f"{name[: at + 1]}{other}"


def artifact_name(notebook: str | None, question: str, began: float, run_id: str, extension: str) -> str:
    """Return a name for a file of a run, such as ``analysis-2026-09-21-3dae0f61.md``, which no file system minds.

    It begins with the notebook's, or where there is none with the question's first words; then the day (UTC), and the
    end of the run's id, which tells runs apart: an id begins with the time, and its end is random.
    """
    words = " ".join(question[:1_000].split()[:_WORDS])
    name = notebook.rpartition("/")[2].removesuffix(".ipynb") if notebook else words
    stem = _UNSAFE.sub("_", name).strip(" ._-")[:_STEM_LENGTH].rstrip(" ._-") or "run"
    stem = f"run {stem}" if _RESERVED.fullmatch(stem) else stem
    return f"{stem}-{_day(began)}-{_UNSAFE.sub('_', run_id[-8:])}{extension}"


def _day(seconds: float) -> str:
    try:
        return f"{datetime.fromtimestamp(seconds, tz=timezone.utc):%Y-%m-%d}"
    except (ValueError, OverflowError, OSError):  # what no calendar has
        return "undated"
