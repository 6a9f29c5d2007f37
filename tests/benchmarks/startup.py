"""What it costs to begin: the import, ``%load_ext``, the first question of a kernel."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.figure import Figure
from benchmarks.scripted_model import ScriptedModel
from benchmarks.subject import new_kernel
from live_kernel import LiveKernel

__all__ = ["measure"]

_TIMED = "import time; began = time.perf_counter(); {}; took = 1000 * (time.perf_counter() - began)"
_LOAD = _TIMED.format("get_ipython().run_line_magic('load_ext', 'rlm_jupyter')")

_SERVER = """
import time, jupyterlab.labapp
from jupyter_server.serverapp import ServerApp
app = ServerApp()
app.initialize(["--allow-root", "--no-browser"], find_extensions=False, new_httpserver=False)
began = time.perf_counter()
app.extension_manager.add_extension("rlm_jupyter", enabled=True)
app.extension_manager.link_extension("rlm_jupyter")
app.extension_manager.load_extension("rlm_jupyter")
print(1000 * (time.perf_counter() - began))
"""
"""Lab is imported beforehand: what it shares with the extension costs nothing more."""


def measure(model: ScriptedModel, packages: Sequence[str], runs: int) -> list[Figure]:
    """Return milliseconds of imports in fresh interpreters, and of a kernel's first steps in fresh kernels."""
    imports, uses = (
        [median(_in_interpreter(statement.format(package)) for _ in range(runs)) for package in packages]
        for statement in ("import {}", "from {} import RLM")
    )
    model.play("FINAL(42)")
    steps = [_in_kernel(model.base_url) for _ in range(runs)]
    load, first, second = (median(times) for times in zip(*steps, strict=True))
    server = median(_printed(_SERVER) for _ in range(runs)) if find_spec("jupyterlab") else None
    return [
        *([Figure("the extension, in the start of jupyter lab", "ms", server, limit=50)] if server is not None else []),
        Figure("import rlm_jupyter", "ms", *imports, limit=100),
        Figure("from rlm_jupyter import RLM", "ms", *uses),
        Figure("%load_ext rlm_jupyter in a warm kernel", "ms", load, limit=100),
        Figure("first %%rlm of a kernel, 0 ms model", "ms", first),
        Figure("second %%rlm of a kernel, 0 ms model", "ms", second),
    ]


def _in_interpreter(statement: str) -> float:
    return _printed(f"{_TIMED.format(statement)}; print(took)")


def _printed(program: str) -> float:
    with TemporaryDirectory() as folder:
        env = {**os.environ, "JUPYTER_CONFIG_DIR": folder, "JUPYTER_DATA_DIR": folder, "JUPYTER_RUNTIME_DIR": folder}
        ran = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, env=env)
    return float(ran.stdout)


def _in_kernel(base_url: str) -> tuple[float, float, float]:
    with TemporaryDirectory() as folder:
        notebook = Path(folder) / "analysis.ipynb"
        notebook.write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}')
        env = {
            "OPENAI_API_KEY": "for-the-scripted-model",
            "OPENAI_BASE_URL": base_url,
            "JPY_SESSION_NAME": str(notebook),
        }
        with new_kernel(env, cwd=folder, extension=False) as kernel:
            kernel.ok("sum(range(10))")
            kernel.ok(_LOAD)
            return kernel.value("took"), _question(kernel), _question(kernel)


def _question(kernel: LiveKernel) -> float:
    """Return how many milliseconds a cell takes, as the front end sees it."""
    began = time.perf_counter()
    kernel.ok("%%rlm\nWhat is it?")
    return 1000 * (time.perf_counter() - began)
