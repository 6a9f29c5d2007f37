"""``jupyter rlm trace show``."""

from __future__ import annotations

from .command import tell
from .printed import run_list, run_text
from .trace_command import TraceCommand

__all__ = ["ShowApp"]


class ShowApp(TraceCommand):
    """Shows a run."""

    name = "jupyter-rlm-trace-show"
    description = (
        "Show the run of a file as text; of a file with several, list them, and show the one that --run names."
    )
    examples = "jupyter rlm trace show analysis.trace.ipynb --run=2"

    def work(self) -> None:
        """Print the run, or the list."""
        (name,) = self.files()
        found = self.opened(name)
        if not self.wanted and len(found.traces) > 1:
            tell(f"{run_list(found.traces)}\n")
        else:
            tell(run_text(self.chosen(name, found=found)))
