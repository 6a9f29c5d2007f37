"""A real kernel, driven as a front end drives it."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from queue import Empty
from types import TracebackType
from typing import Any

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

Message = dict[str, Any]


@dataclass
class Executed:
    """What a cell gave: the reply, and everything that was published for it."""

    reply: Message
    messages: list[Message] = field(default_factory=list)

    @property
    def status(self) -> str:
        return str(self.reply["content"]["status"])

    @property
    def error(self) -> str:
        """The error's name and message, as the reply has them."""
        content = self.reply["content"]
        return f"{content.get('ename', '')}: {content.get('evalue', '')}"

    @property
    def traceback(self) -> str:
        """What the user sees of the error."""
        return "\n".join("\n".join(m["content"]["traceback"]) for m in self.of("error"))

    @property
    def stdout(self) -> str:
        return "".join(m["content"]["text"] for m in self.of("stream") if m["content"]["name"] == "stdout")

    @property
    def text(self) -> str:
        """All that the cell printed or showed, as plain text."""
        shown = [m["content"]["data"].get("text/plain", "") for m in self.of("execute_result", "display_data")]
        return "\n".join([self.stdout, *shown])

    @property
    def result(self) -> dict[str, Any]:
        """The bundle of the cell's value; empty when it has none."""
        results = self.of("execute_result")
        return results[-1]["content"]["data"] if results else {}

    @property
    def types(self) -> list[str]:
        return [m["msg_type"] for m in self.messages]

    def of(self, *types: str) -> list[Message]:
        return [m for m in self.messages if m["msg_type"] in types]


class LiveKernel:
    """A kernel process; its environment is this process's, and what is given on top of it."""

    def __init__(self, env: Mapping[str, str] | None = None, cwd: str | None = None, *, extension: bool = True) -> None:
        self.manager = KernelManager(kernel_name="python3")
        self._env = {**clean_environment(), **(env or {})}
        self._cwd = cwd
        self._extension = extension
        self.client: BlockingKernelClient

    def __enter__(self) -> LiveKernel:
        self.manager.start_kernel(env=self._env, cwd=self._cwd)
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)
        if self._extension:
            self.ok("%load_ext rlm_jupyter")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
        self.manager.cleanup_resources()

    def run(self, code: str, timeout: float = 60.0) -> Executed:
        """Run a cell and wait for its end."""
        return self.finish(self.send(code), timeout)

    def ok(self, code: str, timeout: float = 60.0) -> Executed:
        """Run a cell that must succeed."""
        executed = self.run(code, timeout)
        assert executed.status == "ok", executed.traceback or executed.reply
        return executed

    def value(self, expression: str) -> Any:
        """Return the value of an expression of plain values."""
        content = self.client.execute(
            "",
            silent=True,
            user_expressions={"value": f"__import__('json').dumps({expression})"},
            reply=True,
            timeout=30,
        )["content"]
        told = content["user_expressions"]["value"]
        assert told["status"] == "ok", told
        import ast
        import json

        return json.loads(ast.literal_eval(told["data"]["text/plain"]))

    def send(self, code: str, **kwargs: Any) -> str:
        """Send a cell and return its message id. It runs although a cell before it failed."""
        return str(self.client.execute(code, allow_stdin=False, stop_on_error=False, **kwargs))

    def finish(self, message_id: str, timeout: float = 60.0) -> Executed:
        """Wait for the end of a cell that was sent."""
        deadline = time.monotonic() + timeout
        messages: list[Message] = []
        idle = False
        while not idle:
            try:
                message = self.client.get_iopub_msg(timeout=max(0.1, deadline - time.monotonic()))
            except Empty:
                msg = f"The cell did not end within {timeout} s; it published {[m['msg_type'] for m in messages]}."
                raise AssertionError(msg) from None
            if message["parent_header"].get("msg_id") != message_id:
                continue
            messages.append(message)
            idle = message["msg_type"] == "status" and message["content"]["execution_state"] == "idle"
        while True:
            reply = self.client.get_shell_msg(timeout=max(0.1, deadline - time.monotonic()))
            if reply["parent_header"].get("msg_id") == message_id:
                return Executed(reply, messages)

    def interrupt(self) -> None:
        """Press the stop button."""
        self.manager.interrupt_kernel()


def clean_environment() -> dict[str, str]:
    """Return this process's environment without what would choose a model or a notebook."""
    chosen = ("OPENAI_", "RLM_JUPYTER_", "JPY_SESSION_NAME")
    return {name: value for name, value in os.environ.items() if not name.startswith(chosen)}
