"""Ends the kernel with the process that started it, however that ended."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
import time
from types import SimpleNamespace

__all__ = ["end_with"]

_LOOK = 0.5  # seconds


def end_with(parent: int, directory: str) -> None:
    """End this process, its group and the directory once the parent is gone.

    Does nothing where that process is not the parent, as when the kernel was started by a provisioner elsewhere.
    """
    if os.name != "posix" or os.getppid() != parent:
        return
    poller = sys.modules.get("ipykernel.parentpoller")
    if poller is not None:  # it watches for the same and would end the process before the directory is removed
        poller.os = SimpleNamespace(getppid=lambda: parent, _exit=os._exit)  # type: ignore[attr-defined]
    threading.Thread(target=_watch, args=(parent, directory), name="rlm-jupyter-parent", daemon=True).start()


def _watch(parent: int, directory: str) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK)
    shutil.rmtree(directory, ignore_errors=True)
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(1)
