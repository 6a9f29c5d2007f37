"""What the commands on traces have in common: a file is opened, and a run of it is chosen."""

from __future__ import annotations

from typing import Any

from jupyter_core.application import base_aliases, base_flags
from traitlets import Unicode

from rlm_jupyter.trace.files.opened import TraceFile, open_traces
from rlm_jupyter.trace.trace import Trace

from .command import Command, say
from .printed import run_list

__all__ = ["TraceCommand"]


class TraceCommand(Command):
    """A command on the traces of a file: a log in JSON lines (.jsonl, .jsonl.gz), a trace notebook, or a recording."""

    wanted = Unicode("", config=True, help="Which run of a file: its number there, from 1, or the beginning of its id.")
    aliases: dict[Any, Any] = {**base_aliases, "run": "TraceCommand.wanted"}
    flags: dict[Any, Any] = {**base_flags}
    file_count = 1

    def files(self) -> list[str]:
        """Return the names that were given; exits when there are not as many as the command takes."""
        if len(self.extra_args) != self.file_count:
            wanted = "one file is" if self.file_count == 1 else f"{self.file_count} files are"
            self.misused(f"{wanted.capitalize()} wanted, and not {len(self.extra_args)}.")
        return list(self.extra_args)

    def opened(self, name: str) -> TraceFile:
        """Return what is in the file, and say what of it cannot be read; exits when there is nothing."""
        try:
            found = open_traces(name)
        except OSError as error:
            self.failed(f"{name} cannot be opened: {error.strerror or error}.")
        except ValueError as error:
            self.failed(error)
        if found.damage is not None:
            say(found.damage)
        return found

    def chosen(self, name: str, wanted: str | None = None, found: TraceFile | None = None) -> Trace:
        """Return the run that was asked for, or the only one; exits when it cannot be told which.

        ``found`` is what is in the file, where that is open already.
        """
        traces = (found or self.opened(name)).traces
        wanted = self.wanted if wanted is None else wanted
        if not wanted and len(traces) == 1:
            return traces[0]
        meant = [trace for trace in traces if wanted and trace.run_id.startswith(wanted)]
        if len(meant) == 1:
            return meant[0]
        if wanted.isascii() and wanted.isdigit() and len(wanted) < 7 and 1 <= int(wanted) <= len(traces):
            return traces[int(wanted) - 1]
        why = f"{name} has no run {wanted!r}, or several" if wanted else f"{name} holds {len(traces):,} runs"
        return self.failed(f"{why}. Name one with --run:\n{run_list(traces)}")
