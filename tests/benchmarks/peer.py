"""A package in an interpreter of its own, from the side of whoever measures it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import Any

from live_kernel import clean_environment

__all__ = ["Peer", "PeerError", "environment"]

_TESTS = Path(__file__).resolve().parents[1]


class PeerError(Exception):
    """What a package was asked to do, it could not. The message ends with what it said of that."""


def environment() -> dict[str, str]:
    """Return what a measured process finds in its environment: no key, and nothing to fetch from elsewhere."""
    # dspy else fetches a price list at its first call, and waits for it up to 5 s.
    return {**clean_environment(), "OPENAI_API_KEY": "none", "LITELLM_LOCAL_MODEL_COST_MAP": "true"}


class Peer:
    """A process of the package, which carries out the orders of ``benchmarks.peers.program``."""

    def __init__(self, python: Path, name: str) -> None:
        self._command = [str(python), "-m", "benchmarks.peers.program", name]
        self._name = name
        self._errors = TemporaryFile()  # noqa: SIM115 - it is closed with the process
        self._reader = ThreadPoolExecutor(1)
        self._process: subprocess.Popen[str]

    def __enter__(self) -> Peer:
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            cwd=_TESTS,
            env=environment(),
            start_new_session=True,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._kill()
        self._reader.shutdown()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._errors.close()

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    def ask(self, name: str, /, *, patience: float = 300.0, **arguments: Any) -> Any:
        """Have an order carried out and return what it gives; raises ``PeerError``, also after ``patience`` seconds."""
        self.order(name, **arguments)
        return self.answer(patience)

    def order(self, name: str, /, **arguments: Any) -> None:
        """Give an order and go on."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"name": name, "arguments": arguments}) + "\n")
        self._process.stdin.flush()

    def answer(self, patience: float = 300.0) -> Any:
        """Return what the order gives that was given last; raises ``PeerError``, also after ``patience`` seconds."""
        assert self._process.stdout is not None
        try:
            line = self._reader.submit(self._process.stdout.readline).result(patience)
        except FutureTimeoutError:
            self._kill()
            msg = f"{self._name} did not answer within {patience:.0f} s.\n{self._said()}"
            raise PeerError(msg) from None
        if not line:
            msg = f"The process of {self._name} ended with {self._process.wait(10)}.\n{self._said()}"
            raise PeerError(msg)
        answer = json.loads(line)
        if "failed" in answer:
            msg = f"{self._name} failed:\n{answer['failed']}"
            raise PeerError(msg)
        return answer["said"]

    def interrupt(self) -> None:
        """Do what Ctrl-C does."""
        self._process.send_signal(signal.SIGINT)

    def _kill(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _said(self) -> str:
        self._errors.seek(0)
        return self._errors.read()[-2000:].decode(errors="replace")
