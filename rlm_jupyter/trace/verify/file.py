"""Checks a file of traces: what can be read of it, the traces in it, and the notebook when it is one."""

from __future__ import annotations

import os

from rlm_jupyter.trace.files.opened import BOUNDS, Bounds, open_traces

from . import Finding, verify

__all__ = ["verify_file"]


def verify_file(path: str | os.PathLike[str], bounds: Bounds = BOUNDS) -> list[Finding]:
    """Return what is wrong with a file of traces. Raises ``OSError`` when it cannot be opened."""
    try:
        found = open_traces(path, bounds)
    except ValueError as error:
        return [Finding("error", "file", str(error))]
    findings = [Finding("error", "file", found.damage)] if found.damage is not None else []
    for number, trace in enumerate(found.traces, 1):
        several = f"run {number}, " if len(found.traces) > 1 else ""
        findings += [Finding(each.severity, f"{several}{each.where}", each.message) for each in verify(trace)]
    if found.notebook is not None:
        from .notebook import verify_notebook

        findings += verify_notebook(found.notebook, found.traces)
    return findings
