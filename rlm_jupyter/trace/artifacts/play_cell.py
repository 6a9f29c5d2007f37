"""The cell of a trace notebook that plays the run again: written here, and found and read again here."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from rlm_jupyter.trace.digest import PLAY_TAG
from rlm_jupyter.trace.files.recording import PartialTraceError, Recording, pack
from rlm_jupyter.trace.trace import Trace

__all__ = ["INSIDE", "Beside", "Inside", "Named", "PlayCell", "recordings_of"]

INSIDE = 500_000
"""Characters of a recording that a notebook holds itself; a larger one is a file beside it."""

# A recording is a tenth of what is recorded, or more: a run under way that tells more is not packed only to be told so.
_PACKED = 10
_EVENT_SIZE = 300  # characters of an event beside its text, roughly

_UNDER_WAY = "The run has not ended, and its recording is large."
_RUNS = "# Run All plays this run again from its recording: no key, no network."
_HELD = re.compile(r'\bplay\(\s*"""([A-Za-z0-9+/=\s]*)"""')
_NAMED = re.compile(
    r"""\bplay\(\s*file\s*=\s*(["'])([0-9a-f]{24}\.rlm)\1\s*,\s*digest\s*=\s*(["'])(sha256:[0-9a-f]{32})\3"""
)


@dataclass(frozen=True, slots=True)
class Inside:
    """A recording that stands in the cell: ``recording.packed_in`` reads its text."""

    text: str


@dataclass(frozen=True, slots=True)
class Beside:
    """A recording that is a file beside the notebook; its name is digits and ``.rlm``, so it can be nowhere else."""

    file_name: str
    digest: str


Named: TypeAlias = Inside | Beside


@dataclass(frozen=True, slots=True)
class PlayCell:
    """The code of the cell; ``aside`` is the recording that is to stand in a file beside the notebook."""

    source: str
    aside: Recording | None = None

    @classmethod
    def of(cls, trace: Trace, inside: float | None = None) -> PlayCell:
        """Return the cell of a run; a recording of more than ``inside`` characters (``INSIDE``) is not in it.

        A run that is not in the trace as a whole cannot be played from here, and one that is under way gets a file once
        it has ended: then the cell says so.
        """
        most = INSIDE if inside is None else inside
        if trace.status is None and _size(trace) > _PACKED * most:
            return cls(_absent(trace, _UNDER_WAY))
        try:
            recording = pack(trace)
        except PartialTraceError as error:
            return cls(_absent(trace, str(error)))
        if recording.text_size <= most:
            return cls(f'{_RUNS}\nimport rlm_jupyter\n\nrlm_jupyter.play("""\n{recording.text}\n""")')
        if trace.status is None:
            return cls(_absent(trace, _UNDER_WAY))
        call = f'rlm_jupyter.play(file="{recording.file_name}", digest="{recording.digest}")'
        return cls(
            f"{_RUNS}\n# The recording is the file beside this notebook.\nimport rlm_jupyter\n\n{call}", recording
        )

    @staticmethod
    def read(cell: Any) -> Named | None:
        """Return which recording a cell of any notebook plays; None when it is no such cell, or plays none.

        Also of one that a formatter has laid out anew. The cell is read as text, whatever it holds.
        """
        source = _source(cell)
        if (held := _HELD.search(source)) is not None:
            return Inside(held[1])
        if (named := _NAMED.search(source)) is not None:
            return Beside(named[2], named[4])
        return None


def recordings_of(cells: Sequence[Any]) -> Iterator[Named]:
    """Yield the recordings that the cells of a notebook play, in their order."""
    return (found for cell in cells if (found := PlayCell.read(cell)) is not None)


def _size(trace: Trace) -> int:
    return sum(len(blob.text) for blob in trace.blobs.values()) + _EVENT_SIZE * len(trace.events)


def _source(cell: Any) -> str:
    """Return the source of a cell that plays a recording, and nothing of another."""
    metadata = cell.get("metadata") if isinstance(cell, Mapping) else None
    tags = metadata.get("tags") if isinstance(metadata, Mapping) else None
    if not isinstance(tags, list) or PLAY_TAG not in tags:
        return ""
    source = cell.get("source")
    if isinstance(source, list):
        return "".join(line for line in source if isinstance(line, str))
    return source if isinstance(source, str) else ""


def _absent(trace: Trace, reason: str) -> str:
    told = " ".join(reason.split())
    return (
        f"# The recording of this run is not in this notebook: {told}\n"
        '# Export the run as JSONL, from the panel or from its log, and name that file here: file="run.jsonl".\n'
        f"import rlm_jupyter\n\nrlm_jupyter.play(run={trace.run_id!r})"
    )
