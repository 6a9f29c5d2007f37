"""``jupyter rlm trace replay``."""

from __future__ import annotations

import json
import sys
from typing import Any

from traitlets import Bool, Float, List, Unicode

from rlm_jupyter.core.errors import RLMError

from .command import FAILED, USAGE, tell
from .contexts import ContextError, context_of
from .trace_command import TraceCommand

__all__ = ["ReplayApp"]


class ReplayApp(TraceCommand):
    """Replays a run."""

    name = "jupyter-rlm-trace-replay"
    description = (
        "Run the code of a run again, or of all runs of a file, over the recorded answers, and say what differs. No "
        "model is asked. The code is executed on this machine, as you: replay what you would run. Exits with 1 when "
        "something differs, and with 2 when it cannot be replayed."
    )
    failure = USAGE
    runs_code = True
    examples = "jupyter rlm trace replay run.jsonl --context=contracts/"
    context = List(
        Unicode(), config=True, help="The context, as it was given to the run, where the recording does not hold it."
    )
    live = Bool(False, config=True, help="Whether calls that are not recorded are asked of a model.")
    timeout = Float(0.0, config=True, help="Seconds that a block may take; 0: ten times as long as it took then.")
    as_json = Bool(False, config=True, help="Whether to say it as JSON.")
    aliases: dict[Any, Any] = {
        **TraceCommand.aliases,
        "context": "ReplayApp.context",
        "timeout": "ReplayApp.timeout",
    }
    flags: dict[Any, Any] = {
        **TraceCommand.flags,
        "live": ({"ReplayApp": {"live": True}}, "Ask a model what is not recorded."),
        "json": ({"ReplayApp": {"as_json": True}}, "Say it as JSON."),
    }

    def work(self) -> None:
        """Replay, print the report, and exit with 1 when something differs."""
        from rlm_jupyter.playback.rerun import edit_notes, replay

        (name,) = self.files()
        traces = [self.chosen(name)] if self.wanted else self.opened(name).traces
        options: dict[str, Any] = {"live": self.live}
        try:
            if self.context:
                options["context"] = context_of(list(self.context))
            report = replay(traces, cell_timeout=self.timeout or None, **options)
        except (ContextError, RLMError, ValueError) as error:
            self.failed(error)
        report.notes += edit_notes(name)
        told = json.dumps(report.to_dict(), indent=2, default=str) if self.as_json else str(report)
        tell(f"{told}\n")
        if not report.same:
            sys.stdout.flush()
            sys.exit(FAILED)
