"""Checks a trace notebook beside what its recordings hold: its form, and whether somebody edited it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rlm_jupyter.trace.digest import cell_digest, cells_digest
from rlm_jupyter.trace.trace import Trace

from . import Finding

__all__ = ["is_edited", "verify_notebook"]


def verify_notebook(notebook: Mapping[str, Any], traces: Sequence[Trace]) -> list[Finding]:
    """Return what is wrong with a notebook of these traces; that it was edited is a warning."""
    return [*_form(notebook), *_edits(notebook), *_runs(notebook, traces)]


def _form(notebook: Mapping[str, Any]) -> Iterator[Finding]:
    from nbformat import ValidationError, validate  # noqa: TID251 - only a command waits for it

    try:
        validate(notebook, relax_add_props=False)
    except ValidationError as error:
        yield Finding("error", "notebook", f"It is not as nbformat says: {str(error).splitlines()[0][:300]}")
    except (
        AssertionError,
        AttributeError,
        KeyError,
        TypeError,
        ValueError,
        RecursionError,
    ) as error:  # what it makes of any other file
        yield Finding("error", "notebook", f"nbformat cannot read it: {type(error).__name__}: {str(error)[:300]}")


def _edits(notebook: Mapping[str, Any]) -> Iterator[Finding]:
    written = _ours(notebook).get("digest")
    if not isinstance(written, str):
        yield Finding("warning", "notebook", "It does not say what it held when it was written.")
        return
    if is_edited(notebook):
        yield Finding(
            "warning", "notebook", "It was edited after it had been written: its cells are no longer the same."
        )


def is_edited(notebook: Mapping[str, Any]) -> bool:
    """Return whether its cells are no longer those that were written; False where it does not say what those were."""
    written = _ours(notebook).get("digest")
    try:
        digest = cells_digest(cell_digest(cell) for cell in notebook["cells"])
    except (AttributeError, KeyError, TypeError, ValueError):
        digest = ""
    return isinstance(written, str) and digest != written


def _runs(notebook: Mapping[str, Any], traces: Sequence[Trace]) -> Iterator[Finding]:
    named = _ours(notebook).get("run_ids")
    held = [trace.run_id for trace in traces]
    if isinstance(named, list) and named != held:
        missing = [str(run_id)[:40] for run_id in named if run_id not in held]
        others = [run_id[:40] for run_id in held if run_id not in named]
        if missing:
            yield Finding("warning", "notebook", f"It holds no recording of {', '.join(missing[:5])}.")
        if others:
            yield Finding("error", "notebook", f"It holds recordings of other runs: {', '.join(others[:5])}.")


def _ours(notebook: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata = notebook.get("metadata")
    ours = metadata.get("rlm_jupyter") if isinstance(metadata, Mapping) else None
    return ours if isinstance(ours, Mapping) else {}
