"""An IPython shell apart: not the process's, seen by nobody else, and gone without a trace when it is closed."""

from __future__ import annotations

import atexit
import re
import time
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

from IPython import version_info
from IPython.core.builtin_trap import BuiltinTrap
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.profiledir import ProfileDir
from IPython.display import display
from traitlets.config import Config

from rlm_jupyter.environments.cells.receiver import receiver
from rlm_jupyter.environments.cells.sink import Sink

__all__ = ["PrivateShell"]

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_PATIENCE = 1.0  # seconds for the event loop of %%bash to stop


class _Publisher(DisplayPublisher):
    """Publishes to the cell that displays."""

    def publish(self, data: Any, metadata: Any = None, source: Any = None, **kwargs: Any) -> None:
        display_id = (kwargs.get("transient") or {}).get("display_id")
        _sink().display(dict(data), dict(metadata or {}), display_id, update=bool(kwargs.get("update")))

    def clear_output(self, wait: bool = False) -> None:
        _sink().clear(wait=wait)


class _Hook(DisplayHook):
    """Makes a value that ``run_cell`` displays, which model code called, a result of the cell that called it."""

    @property
    def prompt_count(self) -> int:
        """The number of the cell; when IPython counts on differs by version."""
        shell: Any = self.shell
        number: int = shell.cell_number
        return number

    def start_displayhook(self) -> None:
        """Begin: there is no prompt to write."""

    def write_output_prompt(self) -> None:
        """Write no prompt."""

    def write_format_data(self, format_dict: dict[str, Any], md_dict: dict[str, Any] | None = None) -> None:
        _sink().result(dict(format_dict), dict(md_dict or {}))

    def finish_displayhook(self) -> None:
        """End: the result was flushed with the sink."""


class _NoTrap(BuiltinTrap):
    """Leaves the builtins alone: they are the process's. ``get_ipython`` and ``display`` lie in the namespace."""

    def activate(self) -> None:
        """Do nothing."""

    def deactivate(self) -> None:
        """Do nothing."""


class PrivateShell(InteractiveShell):
    """A shell with a namespace of its own (``user_ns``), no history on disk, no terminal and no place in ``sys``."""

    display_pub_class = _Publisher
    displayhook_class = _Hook

    def __init__(self) -> None:
        self.cell_number = 1
        self._folder = TemporaryDirectory(prefix="rlm-jupyter-shell-", ignore_cleanup_errors=True)
        quiet = Config()
        quiet.HistoryAccessor.enabled = False
        quiet.InteractiveShell.colors = "nocolor" if version_info[0] >= 9 else "NoColor"
        make: Any = super().__init__  # which of IPython's methods have types differs by version
        make(config=quiet, user_module=ModuleType("__main__"))
        atexit.unregister(self.atexit_operations)
        set_hook: Any = self.set_hook
        set_hook("show_in_pager", _show_in_pager, 0)

    def begin_cell(self, source: str, code: str) -> None:
        """Note the cell as the next one of the history: the code, and the source that was made of it."""
        self.cell_number = self.execution_count
        history: Any = self.history_manager
        history.store_inputs(self.cell_number, source, code)
        self.execution_count += 1

    def close(self) -> None:
        """Give up what the shell holds: values that were displayed, threads, processes, files."""
        for magics in self.magics_manager.registry.values():
            if hasattr(magics, "kill_bg_processes"):
                magics.kill_bg_processes()
                atexit.unregister(magics.kill_bg_processes)
                stop = getattr(magics, "stop_event_loop", None)  # IPython 9 has it
                if stop is not None:
                    stop()
                else:
                    _stop(magics.event_loop)
        history: Any = self.history_manager
        history.reset(new_session=False)
        self.displayhook.flush()
        self._folder.cleanup()

    def ask_exit(self) -> None:
        """Refuse to end: the process is the user's."""
        _sink().write("stderr", "exit ends nothing here: the process goes on.\n")

    def enable_gui(self, gui: Any = None) -> None:
        """Take a plotting backend that shows figures in the cell, and refuse those that open windows."""
        if gui and gui != "inline":  # which IPython names here before 8.24
            msg = f"There are no windows here: {gui!r} cannot be used. %matplotlib inline shows figures in the cell."
            raise UsageError(msg)

    def enable_matplotlib(self, gui: Any = None) -> Any:
        """Show figures as pictures in this shell, too: matplotlib sees to it in the first of a process only."""
        enable: Any = super().enable_matplotlib
        chosen = enable(gui)
        from IPython.core.pylabtools import select_figure_formats
        from matplotlib_inline.config import InlineBackend

        inline: Any = InlineBackend.instance()
        select_figure_formats(self, inline.figure_formats, **inline.print_figure_kwargs)
        return chosen

    def init_ipython_dir(self, ipython_dir: Any) -> None:
        """Keep what extensions and magics write to the profile in a folder of this shell's own."""
        self.ipython_dir = self._folder.name

    def init_profile_dir(self, profile_dir: Any) -> None:
        """As above."""
        self.profile_dir = ProfileDir(location=self._folder.name)

    def init_virtualenv(self) -> None:
        """Leave ``sys.path`` as it is."""

    def init_sys_modules(self) -> None:
        """Leave ``sys.modules["__main__"]`` as it is."""

    def init_prompts(self) -> None:
        """Leave ``sys.ps1`` and its kin as they are."""

    def init_builtins(self) -> None:
        """Leave the builtins as they are."""
        self.builtin_trap = _NoTrap(shell=self)

    def init_user_ns(self) -> None:
        """Put into the namespace what elsewhere is a builtin, too."""
        fill: Any = super().init_user_ns
        fill()
        self.user_ns["display"] = self.user_ns_hidden["display"] = display

    def _showtraceback(self, kind: Any, error: Any, lines: list[str]) -> None:
        """Tell of an exception that a magic or a display formatter caught."""
        _sink().write("stderr", _COLOUR.sub("", "\n".join(lines)) + "\n")


def _sink() -> Sink:
    """Return the sink of the cell that is running; what comes from elsewhere is dropped with its own."""
    return receiver.get() or Sink()


def _show_in_pager(shell: Any, data: Any, start: int = 0, screen_lines: int = 0, pager_cmd: Any = None) -> None:  # noqa: ARG001 - the hook's
    text = data.get("text/plain", "") if isinstance(data, dict) else data
    _sink().write("stdout", _COLOUR.sub("", str(text)) + "\n")


def _stop(loop: Any) -> None:
    """Stop the event loop that a magic runs in a thread of its own."""
    if loop is None or loop.is_closed():
        return
    loop.call_soon_threadsafe(loop.stop)
    until = time.monotonic() + _PATIENCE
    while loop.is_running() and time.monotonic() < until:
        time.sleep(0.001)
    if not loop.is_running():
        loop.close()
