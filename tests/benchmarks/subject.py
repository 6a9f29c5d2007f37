"""Who is measured: the two packages have the same names, so that a program is ported by its import line."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from multiprocessing import get_context
from typing import Any, TypeVar

from live_kernel import LiveKernel

__all__ = ["ANSWER", "OURS", "THEIRS", "in_fresh_process", "new_kernel", "new_logger", "new_rlm"]

OURS, THEIRS = "rlm_jupyter", "rlm"

ANSWER = ('answer["content"] = "42"', 'answer["ready"] = True')
"""Lines of code that answer, in either package's namespace."""

T = TypeVar("T")


def new_rlm(package: str, base_url: str, **options: Any) -> Any:
    """Return an ``RLM`` of the package, which asks the scripted model."""
    backend = {"model_name": "scripted", "base_url": base_url, "api_key": "for-the-scripted-model"}
    return import_module(package).RLM(backend="openai", backend_kwargs=backend, environment="local", **options)


def new_logger(package: str, folder: str) -> Any:
    """Return the package's logger, which writes into the folder."""
    home = {OURS: "rlm_jupyter", THEIRS: "rlm.logger"}[package]
    return import_module(home).RLMLogger(log_dir=folder)


def new_kernel(*arguments: Any, **options: Any) -> LiveKernel:
    """Return a kernel that warns of nothing, so that the report stays readable."""
    kernel = LiveKernel(*arguments, **options)
    assert kernel.manager.kernel_spec is not None
    kernel.manager.kernel_spec.argv.append("--log-level=ERROR")
    return kernel


def in_fresh_process(function: Callable[..., T], *arguments: Any) -> T:
    """Return what the function returns in a process where nothing has run before."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()
