"""What the kernel tells of itself after a cell."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from rlm_jupyter.core.describe import ValueSummary
from rlm_jupyter.core.results import CellError

__all__ = ["Report"]


@dataclass(frozen=True, slots=True)
class Report:
    """``variables`` are summaries of the values, by name; ``so_far`` is the answer's content as text."""

    notes: list[str] = field(default_factory=list)
    so_far: str | None = None
    ready: bool = False
    variables: dict[str, ValueSummary] = field(default_factory=dict)
    error: CellError | None = None

    @classmethod
    def read(cls, text: bytes) -> Report:
        """Return the report that the kernel sent as JSON."""
        told: dict[str, Any] = json.loads(text)
        error = told["error"]
        return cls(
            notes=[str(note) for note in told["notes"]],
            so_far=told["so_far"],
            ready=bool(told["ready"]),
            variables={name: ValueSummary(*summary) for name, summary in told["variables"].items()},
            error=CellError(str(error["name"]), str(error["message"]), str(error["traceback"])) if error else None,
        )
