"""Our own side: kernels with the extension, and processes where nothing has run before."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, TypeVar

from live_kernel import LiveKernel

__all__ = ["in_fresh_process", "kernel_of", "new_kernel"]

T = TypeVar("T")


def new_kernel(*arguments: Any, **options: Any) -> LiveKernel:
    """Return a kernel that warns of nothing, so that the report stays readable."""
    kernel = LiveKernel(*arguments, **options)
    assert kernel.manager.kernel_spec is not None
    kernel.manager.kernel_spec.argv.append("--log-level=ERROR")
    return kernel


def kernel_of(base_url: str, **options: Any) -> LiveKernel:
    """Return a kernel whose model is the scripted one."""
    return new_kernel({"OPENAI_API_KEY": "for-the-scripted-model", "OPENAI_BASE_URL": base_url}, **options)


def in_fresh_process(function: Callable[..., T], *arguments: Any) -> T:
    """Return what the function returns in a process where nothing has run before."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()
