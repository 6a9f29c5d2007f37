"""``jupyter rlm trace``: the commands on recorded runs."""

from __future__ import annotations

from typing import Any

from .command import Group

__all__ = ["TraceApp"]


class TraceApp(Group):
    """The commands on traces."""

    name = "jupyter-rlm-trace"
    description = (
        "Show, export, replay, compare and check recorded runs: a log in JSON lines (.jsonl, .jsonl.gz), a trace "
        "notebook, or a recording (.rlm)."
    )
    subcommands: dict[str, Any] = {
        "show": ("rlm_jupyter.cli.show.ShowApp", "Show a run as text, or which runs a file holds."),
        "export": ("rlm_jupyter.cli.export.ExportApp", "Write a run in another format."),
        "replay": ("rlm_jupyter.cli.replay.ReplayApp", "Run the code of a run again, over its recorded answers."),
        "diff": ("rlm_jupyter.cli.diff.DiffApp", "Say where two runs part, and what each took."),
        "verify": ("rlm_jupyter.cli.verify.VerifyApp", "Check that files of traces are whole and sound."),
    }
