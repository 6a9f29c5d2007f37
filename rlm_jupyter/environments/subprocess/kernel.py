"""A kernel, from the outside: it is started, runs requests, is interrupted, killed and started again."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Coroutine
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from .bootstrap import bootstrap
from .channels import Channels, Listener
from .failures import DeadKernelError, KernelStartError
from .io_thread import IOThread, wait
from .process import KernelProcess
from .request import Request

__all__ = ["Kernel"]

_IDLE_WITHIN = 0.2  # seconds until it is asked once more whether outputs arrive


class Kernel:
    """Times are in seconds: ``startup_timeout`` until it is ready, ``subcall_timeout`` for one query of its code.

    Safe to use from any thread; ``start``, ``kill`` and ``close`` wait until it is done.
    """

    def __init__(
        self, kernel_name: str | None, listener: Listener, *, startup_timeout: float, subcall_timeout: float | None
    ) -> None:
        self._kernel_name = kernel_name
        self._listener = listener
        self._startup_timeout = startup_timeout
        self._subcall_timeout = subcall_timeout
        self._owner = os.getpid()
        self._folder = Path(tempfile.mkdtemp(prefix="rlm-jupyter-"))
        self._io = IOThread()
        self._starts = 0
        self._process: KernelProcess | None = None
        self._channels: Channels | None = None
        self._watch: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def directory(self) -> str:
        """Where the kernel works."""
        return str(self._folder / "work")

    @property
    def alive(self) -> bool:
        """Whether there is a kernel that is ready, as far as it is known."""
        return self._channels is not None

    def start(self) -> None:
        """Start the kernel; raises ``KernelStartError``, or ``ConfigurationError`` when there is no such kernelspec."""
        self._wait(self._start())

    def run(self, request: Request) -> None:
        """Ask the kernel to run the request's code; whether there is a kernel shows when it is done."""
        if not self._io.call(self._run, request):
            request.fail(DeadKernelError("The kernel was shut down."))

    def interrupt(self) -> None:
        """Interrupt what the kernel runs; does not wait until it stops."""
        if not self._closed:
            self._io.submit(self._interrupt())

    def kill(self, reason: str) -> None:
        """Kill the kernel; requests fail with ``DeadKernelError`` for this reason."""
        if not self._closed:
            self._wait(self._kill(reason))

    def close(self) -> None:
        """Kill the kernel and remove its files. May be called twice."""
        if self._closed or os.getpid() != self._owner:  # a fork has the object, and not the kernel
            return
        self._closed = True
        try:
            self._wait(self._kill("the REPL was cleaned up"))
        finally:
            self._io.stop()
            shutil.rmtree(self._folder, ignore_errors=True)

    def _wait(self, coroutine: Coroutine[Any, Any, None]) -> None:
        future: Future[None] = self._io.submit(coroutine)
        try:
            wait(future)
        except BaseException:
            future.cancel()
            raise

    async def _start(self) -> None:
        self._starts += 1
        work = self._folder / "work"
        work.mkdir(exist_ok=True)
        process = self._process = KernelProcess(self._kernel_name, self._folder, self._starts)
        try:
            await asyncio.wait_for(self._make_ready(process), self._startup_timeout)
        except BaseException as error:
            await self._kill("it did not start")
            if isinstance(error, asyncio.TimeoutError):
                msg = f"The kernel was not ready within startup_timeout={self._startup_timeout:g} s."
                raise KernelStartError(_with_log(msg, process)) from None
            if isinstance(error, OSError):
                msg = f"The kernel could not be started: {error}"
                raise KernelStartError(_with_log(msg, process)) from error
            raise

    async def _make_ready(self, process: KernelProcess) -> None:
        await process.start()
        channels = Channels(process.session, process.address, self._listener)
        try:
            code = bootstrap(str(self._folder), self._subcall_timeout, same_python=self._kernel_name is None)
            made = Request(code, silent=True)
            channels.send(made)
            while not made.replied:
                await _check_alive(process)
                await asyncio.sleep(0.005)
            _check_prepared(made, process)
            while not made.idle:
                made = channels.ping()
                await asyncio.wait([asyncio.wrap_future(made.done)], timeout=_IDLE_WITHIN)
        except BaseException:
            channels.close()
            raise
        self._channels = channels
        self._watch = asyncio.ensure_future(self._look_after(process, channels))

    async def _look_after(self, process: KernelProcess, channels: Channels) -> None:
        while await process.alive():  # noqa: ASYNC110 - a process ends without a word
            await asyncio.sleep(process.pause)
        self._watch = None
        await self._kill("its process ended")

    def _run(self, request: Request) -> None:
        if self._channels is None:
            request.fail(DeadKernelError("The kernel is not running."))
        else:
            self._channels.send(request)

    async def _interrupt(self) -> None:
        if self._process is not None:
            await self._process.interrupt()
        if self._channels is not None:  # a cell that awaits hears of it when its event loop has something to do
            self._channels.ping()

    async def _kill(self, reason: str) -> None:
        process, self._process = self._process, None
        channels, self._channels = self._channels, None
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.cancel()
            await asyncio.wait([watch])
        try:
            if process is not None:
                await process.kill()
        finally:
            if channels is not None:
                channels.fail(DeadKernelError(f"The kernel died: {reason}."))
                channels.close()


async def _check_alive(process: KernelProcess) -> None:
    if not await process.alive():
        msg = "The kernel died while it was starting."
        raise KernelStartError(_with_log(msg, process))


def _check_prepared(made: Request, process: KernelProcess) -> None:
    if made.reply.get("status") != "ok":
        msg = f"The kernel could not be prepared ({made.reply.get('ename')}: {made.reply.get('evalue')})."
        raise KernelStartError(_with_log(msg, process))


def _with_log(message: str, process: KernelProcess) -> str:
    said = process.said()
    return f"{message} It said:\n{said}" if said else message
