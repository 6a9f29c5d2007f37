"""On what the figures were measured."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Mapping
from pathlib import Path

import psutil

__all__ = ["described"]


def described(versions: Mapping[str, str]) -> dict[str, str]:
    """Return what the page says of the machine and the moment, by name; ``versions`` are those of the packages."""
    memory = psutil.virtual_memory().total / 2**30
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    return {
        "machine": f"{os.cpu_count()} cores, {_processor()}, {memory:.0f} GiB of memory",
        "system": f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}",
        "Python": platform.python_version(),
        **versions,
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "load before it began": load,
    }


def _processor() -> str:
    """Return the processor's model, as far as the system tells."""
    told = Path("/proc/cpuinfo")
    if told.exists():
        for line in told.read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()
