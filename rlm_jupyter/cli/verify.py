"""``jupyter rlm trace verify``."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Any

from traitlets import Bool

from rlm_jupyter.trace.artifacts.facts import count_text
from rlm_jupyter.trace.artifacts.inert import without_controls
from rlm_jupyter.trace.verify import Finding
from rlm_jupyter.trace.verify.file import verify_file

from .command import FAILED, USAGE, tell
from .trace_command import TraceCommand

__all__ = ["VerifyApp"]


class VerifyApp(TraceCommand):
    """Checks files of traces."""

    name = "jupyter-rlm-trace-verify"
    description = (
        "Check that files of traces are whole, in order and in agreement with themselves. Nothing of them is run. "
        "Exits with 1 when there is an error, and with 2 when a file cannot be opened."
    )
    examples = "jupyter rlm trace verify logs/*.jsonl analysis.trace.ipynb"
    as_json = Bool(False, config=True, help="Whether to say it as JSON.")
    flags: dict[Any, Any] = {
        **TraceCommand.flags,
        "json": ({"VerifyApp": {"as_json": True}}, "Say it as JSON."),
    }

    def work(self) -> None:
        """Print what was found, and exit with 1 when there is an error, with 2 when a file cannot be opened."""
        if not self.extra_args:
            self.misused("Name the files that are to be checked.")
        found: dict[str, list[Finding]] = {}
        code = 0
        for name in self.extra_args:
            try:
                found[name] = verify_file(name)
            except OSError as error:
                found[name] = [Finding("error", "file", f"It cannot be opened: {error.strerror or error}.")]
                code = USAGE
        if self.as_json:
            told = {name: [asdict(each) for each in findings] for name, findings in found.items()}
            tell(f"{json.dumps(told, indent=2)}\n")
        else:
            for name, findings in found.items():
                tell(without_controls("".join(_lines(name, findings))))
        if any(finding.severity == "error" for findings in found.values() for finding in findings):
            sys.stdout.flush()
            sys.exit(code or FAILED)


def _lines(name: str, findings: list[Finding]) -> list[str]:
    errors = sum(finding.severity == "error" for finding in findings)
    warnings = len(findings) - errors
    verdict = f"{count_text(errors, 'error')}, {count_text(warnings, 'warning')}" if findings else "sound"
    return [f"{name}: {verdict}\n", *(f"  {finding}\n" for finding in findings)]
