"""Which runs are at work in the live kernel: those of one thread at a time, and one in the user's namespace."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rlm_jupyter.core.errors import ConfigurationError

from .cells.receiver import receiver

__all__ = ["at_work"]

_lock = threading.Lock()
_threads: list[threading.Thread] = []
_sharing: list[threading.Thread] = []


@contextmanager
def at_work(*, shares_user_ns: bool) -> Iterator[None]:
    """Be at work in the kernel, or raise ``ConfigurationError`` because that cannot be.

    What a cell has for its own while it runs (streams, figures) is the process's, so that two threads would take it
    from each other. Runs of one thread may take turns; in the user's namespace not even these, because names laid over
    twice would not come off in order. A run that model code starts itself ends before the code goes on, and is let in.
    """
    thread = threading.current_thread()
    _check_runs_cells(thread)
    shares = shares_user_ns and receiver.get() is None
    with _lock:
        if any(other is not thread for other in _threads):
            msg = "Another run is working in this kernel, in another thread: wait for it, or use environment='local'."
            raise ConfigurationError(msg)
        if shares and _sharing:
            msg = "Another run is working in the notebook's namespace: wait for it, or share less with this one."
            raise ConfigurationError(msg)
        _threads.append(thread)
        if shares:
            _sharing.append(thread)
    try:
        yield
    finally:
        with _lock:
            _threads.remove(thread)
            if shares:
                _sharing.remove(thread)


def _check_runs_cells(thread: threading.Thread) -> None:
    """Refuse a thread in which the kernel runs no cells: neither the main one nor a subshell's."""
    subshell = getattr(sys.modules.get("ipykernel.subshell"), "SubshellThread", None)
    if thread is threading.main_thread() or (subshell is not None and isinstance(thread, subshell)):
        return
    msg = (
        "environment='jupyter' works where the kernel runs cells, which is its main thread, and this is the thread "
        f"{thread.name!r}. Use environment='local' in threads, or acompletion() for several runs at once."
    )
    raise ConfigurationError(msg)
