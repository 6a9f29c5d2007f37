"""A trace in one of its formats, as a text or as a file."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from rlm_jupyter.trace.file_names import artifact_name
from rlm_jupyter.trace.trace import Trace

from .formats import Format, format_named
from .new_file import write_new

__all__ = ["export"]

_log = logging.getLogger(__name__)


def export(
    trace: Trace, name: str, path: str | os.PathLike[str] | None = None, *, overwrite: bool = False, **options: bool
) -> str | Path:
    """Return the trace in the format of this name, or the path of the file that it was written to.

    What the format leaves out is logged as a warning. Raises as ``Trace.export`` says.
    """
    form = format_named(name)
    form.check(options)
    target = _target(trace, form, Path(path)) if path is not None else None
    text = form.export(trace, **options)
    if left_out := form.left_out(trace, **options):
        _log.warning("%s of %s: %s", form.name, trace.run_id, left_out)
    if target is None:
        return text
    try:
        write_new(target, text, overwrite=overwrite)
    except FileExistsError as error:
        msg = f"{target} is there already. Choose another name, or say overwrite=True."
        raise FileExistsError(msg) from error
    return target


def _target(trace: Trace, form: Format, path: Path) -> Path:
    if not path.is_dir():
        return path
    run, began = trace.run, trace.root.start.started if trace.root is not None else 0
    return path / artifact_name(run.notebook, run.question, began, trace.run_id, form.extension)
