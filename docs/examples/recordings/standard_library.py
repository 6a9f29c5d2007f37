"""Modules of the Python standard library, as the Python has them that runs this."""

from __future__ import annotations

import sysconfig
from pathlib import Path

__all__ = ["standard_library"]

_MODULES = (
    "bisect", "configparser", "contextlib", "copy", "copyreg", "csv", "fnmatch", "functools", "glob", "graphlib", "heapq",
    "json/__init__", "json/decoder", "json/encoder", "json/scanner", "linecache", "plistlib", "pprint", "queue", "reprlib", "sched",
    "shlex", "shutil", "string", "textwrap", "types",
)  # fmt: skip


def standard_library() -> dict[str, str]:
    """Return the modules' source by their paths in the library.

    It differs from version to version, so the demo takes the library that its recording holds.
    """
    root = Path(sysconfig.get_path("stdlib"))
    return {f"{name}.py": (root / f"{name}.py").read_text("utf-8") for name in _MODULES}
