"""The source that makes a kernel ours, as one statement."""

from __future__ import annotations

import os
import sys
from functools import cache
from pathlib import Path

import rlm_jupyter.core.describe as describe_module
import rlm_jupyter.core.pictures as pictures_module
import rlm_jupyter.environments.bindings as bindings_module

__all__ = ["RECEIVE", "bootstrap"]

_PACKAGE = "_rlm_jupyter_kernel"
_MODULES = ("scaffold", "prompts", "asking", "parent", "tracebacks", "streams", "cells")

RECEIVE = f"__import__('sys').modules[{_PACKAGE!r}].cells_of_host.receive()"
"""What the kernel runs to take the names that come with the message."""

_LOADER = """
import sys, types
package = types.ModuleType(name)
package.__path__ = []
sys.modules[name] = package
for each, source in sources:
    module = types.ModuleType(name + "." + each)
    module.__package__ = name
    sys.modules[module.__name__] = module
    exec(compile(source, "<rlm kernel " + each + ">", "exec"), module.__dict__)
from IPython import get_ipython
package.cells_of_host = sys.modules[name + ".cells"].begin(
    get_ipython(), options, sys.modules[name + ".describe"].describe, sys.modules[name + ".bindings"].Bindings
)
"""


def bootstrap(directory: str, subcall_timeout: float | None, *, same_python: bool) -> str:
    """Return the code. With ``same_python``, the kernel finds the modules that this process finds."""
    path = [os.path.abspath(each) for each in sys.path] if same_python else []
    options = {
        "parent": os.getpid(),
        "directory": directory,
        "subcall_timeout": subcall_timeout,
        "path": path,
        "version": f"{sys.version_info[0]}.{sys.version_info[1]}",
    }
    names = {"name": _PACKAGE, "sources": _sources(), "options": options}
    return f"exec(compile({_LOADER!r}, '<rlm kernel>', 'exec'), {names!r})"


@cache
def _sources() -> list[tuple[str, str]]:
    folder = Path(__file__).with_name("in_kernel")
    texts = [(name, (folder / f"{name}.py").read_text("utf-8")) for name in _MODULES]
    ours = {"pictures": pictures_module, "describe": describe_module, "bindings": bindings_module}
    sent = [(name, Path(str(module.__file__)).read_text("utf-8")) for name, module in ours.items()]
    return [*sent, *texts]
