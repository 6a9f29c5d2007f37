"""The command itself: it knows the names of the others."""

from __future__ import annotations

from typing import Any

from .command import Group, leave_pipe

__all__ = ["RLMApp", "main"]


class RLMApp(Group):
    """``jupyter rlm``."""

    name = "jupyter-rlm"
    description = "Recursive language models from a terminal: ask, and look at what was recorded."
    examples = """
        jupyter rlm run "Which contract ends first?" --context contracts/ --model gpt-5-mini
        jupyter rlm trace show contracts.rlm.jsonl
    """
    subcommands: dict[str, Any] = {
        "run": ("rlm_jupyter.cli.run.RunApp", "Answer a question, with no notebook."),
        "trace": ("rlm_jupyter.cli.trace.TraceApp", "Show, export, replay, compare and check recorded runs."),
        "store": ("rlm_jupyter.cli.store.StoreApp", "Say what the server keeps of your notebooks' runs, and prune it."),
    }


def main() -> None:
    """Do what the command line says."""
    try:
        RLMApp.launch_instance()
    except BrokenPipeError:  # whoever read the help has enough of it
        leave_pipe()
