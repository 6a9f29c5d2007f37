"""What the kernel tells of itself after a cell."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass, field
from typing import Any

from rlm_jupyter.core.describe import ValueSummary
from rlm_jupyter.core.observation import head_and_tail
from rlm_jupyter.core.results import CellError

__all__ = ["Report"]

_NOTES = 100
_VARIABLES = 10_000
_CHANGES = 200
_SHORT = 2_000  # characters of a note, a name, a type, a preview
_LONG = 1_000_000  # characters of an error's message, and of its traceback


@dataclass(frozen=True, slots=True)
class Report:
    """``variables`` are summaries of the values, by name; ``so_far`` is the answer's content as text.

    ``changes`` are the names that the cell bound otherwise, by kind of change.
    """

    notes: list[str] = field(default_factory=list)
    so_far: str | None = None
    ready: bool = False
    variables: dict[str, ValueSummary] = field(default_factory=dict)
    error: CellError | None = None
    changes: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def read(cls, text: bytes) -> Report:
        """Return the report that the kernel sent as JSON, within bounds; raises ``ValueError`` when it is none."""
        try:
            told = json.loads(text)
            return cls(
                notes=[_text(note)[:_SHORT] for note in told["notes"][:_NOTES]],
                so_far=None if told["so_far"] is None else _text(told["so_far"]),
                ready=bool(told["ready"]),
                variables=dict(_variable(*each) for each in itertools.islice(told["variables"].items(), _VARIABLES)),
                error=None if told["error"] is None else _error(told["error"]),
                changes=_changes(told.get("changes", {})),
            )
        except (TypeError, LookupError, AttributeError, RecursionError) as error:
            msg = f"This is no report: {type(error).__name__}: {error}"
            raise ValueError(msg) from error

    @classmethod
    def unreadable(cls, so_far: str | None) -> Report:
        """Return what stands in for a report that cannot be read; ``so_far`` is the answer that was known before."""
        msg = (
            "What the kernel told after the cell cannot be read: code has broken the kernel or writes to its "
            "connection. Do without what does that, or call os._exit(1) to get a new kernel."
        )
        return cls(so_far=so_far, error=CellError("BrokenKernelError", msg, f"BrokenKernelError: {msg}\n"))


def _variable(name: str, summary: list[Any]) -> tuple[str, ValueSummary]:
    kind, size, unit, preview = summary
    if size is not None and not isinstance(size, int):
        msg = f"a size of {size!r}"
        raise TypeError(msg)
    cut = None if unit is None else _text(unit)[:_SHORT]
    return name[:_SHORT], ValueSummary(_text(kind)[:_SHORT], size, cut, _text(preview)[:_SHORT])


def _changes(told: dict[str, list[Any]]) -> dict[str, list[str]]:
    kinds = ("created", "rebound", "deleted")
    return {kind: [_text(name)[:_CHANGES] for name in told[kind][:_CHANGES]] for kind in kinds if kind in told}


def _error(told: dict[str, Any]) -> CellError:
    message, traceback = (head_and_tail(_text(told[key]), _LONG) for key in ("message", "traceback"))
    return CellError(_text(told["name"])[:_SHORT], message, traceback)


def _text(value: object) -> str:
    if not isinstance(value, str):
        msg = f"{type(value).__name__} where text belongs"
        raise TypeError(msg)
    return value
