"""``jupyter rlm trace diff``."""

from __future__ import annotations

import json
import sys
from typing import Any

from traitlets import Bool, Unicode

from .command import FAILED, USAGE, tell
from .trace_command import TraceCommand

__all__ = ["DiffApp"]


class DiffApp(TraceCommand):
    """Holds two runs side by side."""

    name = "jupyter-rlm-trace-diff"
    description = (
        "Say where two runs part, how their answers differ, and what each took. Exits with 1 when they did not do the "
        "same, and with 2 when they cannot be compared."
    )
    failure = USAGE
    examples = "jupyter rlm trace diff before.jsonl after.jsonl"
    file_count = 2
    other = Unicode("", config=True, help="Which run of the second file; without it, what --run says.")
    as_json = Bool(False, config=True, help="Whether to say it as JSON.")
    aliases: dict[Any, Any] = {**TraceCommand.aliases, "other-run": "DiffApp.other"}
    flags: dict[Any, Any] = {
        **TraceCommand.flags,
        "json": ({"DiffApp": {"as_json": True}}, "Say it as JSON."),
    }

    def work(self) -> None:
        """Print the difference, and exit with 1 when there is one."""
        from rlm_jupyter.trace.diff import diff

        first, second = self.files()
        found = diff(self.chosen(first), self.chosen(second, self.other or None))
        told = json.dumps(found.to_dict(), indent=2, default=str) if self.as_json else found.to_text()
        tell(f"{told}\n")
        if not found.same:
            sys.stdout.flush()
            sys.exit(FAILED)
