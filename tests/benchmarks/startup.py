"""What it costs to begin: imports, a process with its first answer, ``%load_ext``, a kernel's first question."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.bench import Bench
from benchmarks.figure import Figure, compared
from benchmarks.peer import environment
from benchmarks.peers.packages import IMPORTS
from benchmarks.scripted_model import Step, answer
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


def measure(bench: Bench) -> list[Figure]:
    """Return milliseconds of imports in fresh interpreters, of fresh processes, and of first steps in fresh kernels."""
    figures = [
        Figure(f"`import {IMPORTS['ours']}`", "ms", *_imports(bench, "import {}"), limit=100),
        Figure(f"`from {IMPORTS['ours']} import RLM`", "ms", *_imports(bench, "from {} import RLM")),
        Figure("a new process, to an answer in two iterations", "ms", *compared(bench.each(_cold))),
    ]
    return figures if bench.quick else [*figures, *_kernels(bench), *_lab(bench)]


def _imports(bench: Bench, statement: str) -> tuple[float | None, float | None, float | None]:
    return compared(
        {
            name: median(
                _printed(python, f"{_TIMED.format(statement.format(IMPORTS[name]))}; print(took)")
                for _ in range(bench.runs)
            )
            for name, python in bench.interpreters.items()
        }
    )


def _cold(bench: Bench, name: str) -> float:
    """Return the milliseconds from before the process is there to its answer; no file is read for the first time."""
    bench.model.play(Step(("print(len(context))",)), answer(), package=name)
    times = []
    for _ in range(1 + bench.runs):
        began = time.monotonic()
        (completion,) = bench.complete(name, 1)
        times.append(completion.returned - began)
    return 1000 * median(times[1:])


def _kernels(bench: Bench) -> list[Figure]:
    bench.model.play(answer())
    steps = [_in_kernel(bench.model.base_url) for _ in range(bench.runs)]
    load, first, second = (median(times) for times in zip(*steps, strict=True))
    return [
        Figure("`%load_ext rlm_jupyter` in a warm kernel", "ms", load, limit=100),
        Figure("first `%%rlm` of a kernel, 0 ms model", "ms", first),
        Figure("second `%%rlm` of a kernel, 0 ms model", "ms", second),
    ]


def _lab(bench: Bench) -> list[Figure]:
    if not find_spec("jupyterlab"):
        return []
    took = median(_printed(Path(sys.executable), _SERVER) for _ in range(bench.runs))
    return [Figure("the extension, in the start of JupyterLab", "ms", took, limit=50)]


def _printed(python: Path, program: str) -> float:
    with TemporaryDirectory() as folder:
        places = dict.fromkeys(("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"), folder)
        env = {**environment(), **places}
        ran = subprocess.run([python, "-c", program], check=True, capture_output=True, text=True, env=env)
    return float(ran.stdout)


def _in_kernel(base_url: str) -> tuple[float, float, float]:
    with TemporaryDirectory() as folder:
        notebook = Path(folder) / "analysis.ipynb"
        notebook.write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}')
        env = {
            "OPENAI_API_KEY": "for-the-scripted-model",
            "OPENAI_BASE_URL": base_url,
            "JPY_SESSION_NAME": os.fspath(notebook),
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
