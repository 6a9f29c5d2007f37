"""A cell's result, from what the kernel told and how it ended."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from rlm_jupyter.core.results import CellError, REPLResult, RLMChatCompletion

from .report import Report
from .request import Request
from .waiting import Ending

__all__ = ["Outcome"]

_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_LOST = "The kernel is gone and the variables with it. The next block gets a new one, with contexts and tools."


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a cell; ``cell_timeout`` is in seconds."""

    request: Request
    ending: Ending
    report: Report
    cell_timeout: float | None

    def result(
        self, outputs: list[dict[str, Any]], notes: list[str], seconds: float, calls: list[RLMChatCompletion]
    ) -> REPLResult:
        """Return the result, with the error at the end of the outputs and of ``stderr``."""
        text = {
            name: "".join(each["text"] for each in outputs if each.get("name") == name) for name in ("stdout", "stderr")
        }
        error = self.error()
        if error is not None:
            lines = error.traceback.rstrip("\n").split("\n")
            shown = {"output_type": "error", "ename": error.name, "evalue": error.message, "traceback": lines}
            outputs = [*outputs, shown]
            text["stderr"] += error.traceback
        told = self.request.report is not None
        return REPLResult(
            stdout=text["stdout"],
            stderr=text["stderr"],
            locals=dict(self.report.variables),
            execution_time=seconds,
            rlm_calls=calls,
            final_answer=self.report.so_far if told and self.report.ready else None,
            outputs=outputs,
            error=error,
            notes=[*notes, *(self.report.notes if told else []), *([_LOST] if self.ending.dead is not None else [])],
            changes=self.report.changes if told else {},
        )

    def error(self) -> CellError | None:
        """Return what the cell ended with."""
        within = self._within()
        if self.ending.timed_out:
            msg = (
                f"The cell took longer than the {self.cell_timeout:g} s that it may take (cell_timeout) and was stopped"
                f"{': it did not stop by itself, and the kernel was killed' if self.ending.dead is not None else ''}."
            )
            return _error("TimeoutError", msg, within)
        if self.ending.dead is not None:
            return _error("DeadKernelError", str(self.ending.dead), within)
        return within

    def _within(self) -> CellError | None:
        """Return the exception that ended the code, if one did."""
        if self.request.report is not None:
            return self.report.error
        reply = self.request.reply
        if reply.get("status") != "error":
            return None
        lines = "\n".join(_ANSI.sub("", line) for line in reply.get("traceback", []))
        return CellError(str(reply.get("ename")), str(reply.get("evalue")), f"{lines}\n")


def _error(name: str, message: str, within: CellError | None) -> CellError:
    """Return the error, told after the place where it broke into the code."""
    place = within.traceback.rstrip("\n").rsplit("\n", 1)[0] + "\n" if within is not None else ""
    return CellError(name, message, f"{place}{name}: {message}\n")
