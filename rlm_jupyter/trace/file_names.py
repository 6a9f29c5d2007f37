"""How the files of trace notebooks are called. Paths may be the system's or a contents manager's."""

from __future__ import annotations

import re

__all__ = ["numbered", "trace_name_for"]

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
