"""The server's part of the link, played by hand over a kernel's own channels."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from queue import Empty
from typing import Any

from jupyter_client.session import Session
from live_kernel import LiveKernel, Message

from rlm_jupyter.trace.schema import Event, event_adapter
from rlm_jupyter.trace.wire import TARGET


class ServerPart:
    """Hears what a kernel publishes, and says what a server would."""

    def __init__(self, kernel: LiveKernel) -> None:
        self.kernel = kernel
        self.messages: list[Message] = []
        self.others: list[Message] = []
        self.comm_id = ""
        self._subshell: str | None = None
        self._client = kernel.manager.client()
        # A session is who one is: two clients of one session would take each other's messages.
        self._client.session = Session(key=kernel.manager.session.key)

    def __enter__(self) -> ServerPart:
        self._client.start_channels()
        self._client.wait_for_ready(timeout=60)
        return self

    def __exit__(self, *exception: object) -> None:
        if self._subshell is not None:
            self._on_control("delete_subshell_request", {"subshell_id": self._subshell})
        self._client.stop_channels()

    # What is heard

    def listen(self, until: Callable[[], bool], timeout: float = 30.0) -> None:
        """Take in what is published until this holds."""
        deadline = time.monotonic() + timeout
        while not until():
            with suppress(Empty):
                self._take(self._client.get_iopub_msg(timeout=0.1))
            if time.monotonic() > deadline:
                said = [self.data(message).get("type") for message in self.messages]
                msg = f"Waited {timeout} s in vain; heard {said}."
                raise AssertionError(msg)

    def _take(self, message: Message) -> None:
        ours = str(message["content"].get("comm_id", "")).startswith(f"{TARGET}-")
        (self.messages if ours else self.others).append(message)
        if ours and message["msg_type"] == "comm_open":
            self.comm_id = message["content"]["comm_id"]

    @staticmethod
    def data(message: Message) -> dict[str, Any]:
        data = message["content"]["data"]
        assert isinstance(data, dict)
        return data

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [self.data(message) for message in self.messages if self.data(message).get("type") == kind]

    def hello(self) -> dict[str, Any]:
        """Wait for the kernel's greeting: the one after those that were heard already."""
        before = len(self.of("hello"))
        self.listen(lambda: len(self.of("hello")) > before)
        return self.of("hello")[-1]

    @property
    def events(self) -> list[Event]:
        """All events that were published, as they came."""
        return [event_adapter.validate_python(event) for batch in self.of("events") for event in batch["events"]]

    def run(self, question: str) -> list[Event]:
        """Return the events of the run that was asked this, once it has ended."""
        self.listen(lambda: self._ended(question) is not None)
        return self._ended(question) or []

    def _ended(self, question: str) -> list[Event] | None:
        runs: dict[str, list[Event]] = {}
        for event in self.events:
            runs.setdefault(event.run_id, []).append(event)
        for events in runs.values():
            first = events[0]
            if getattr(getattr(first, "payload", None), "question", None) == question:
                ends = [event for event in events if event.event == "end" and event.span_id == "s1"]
                return events if ends else None
        return None

    @property
    def published(self) -> str:
        """Every byte of the link, as text."""
        return "\n".join(json.dumps(message, default=str, ensure_ascii=False) for message in self.messages)

    def times(self, kind: str) -> list[float]:
        """When the messages of this type were published, in seconds."""
        return [_seconds(each["header"]["date"]) for each in self.messages if self.data(each).get("type") == kind]

    # What is said

    def say(self, data: dict[str, Any], *, msg_type: str = "comm_msg", channel: str | None = None) -> None:
        """Say this to the kernel where it can be reached, on a subshell of the server's own or on the control channel.

        ``channel`` says another way, such as ``shell``.
        """
        session = self._client.session
        channel = channel or self.of("hello")[-1]["reach"]
        message = session.msg(msg_type, {"comm_id": self.comm_id, "data": data})
        if channel == "subshell":
            if self._subshell is None:
                self._subshell = self._on_control("create_subshell_request", {})["subshell_id"]
            message["header"]["subshell_id"] = self._subshell
        (self._client.control_channel if channel == "control" else self._client.shell_channel).send(message)

    def welcome(self, *, channel: str | None = None, **fields: Any) -> None:
        """Greet the kernel as the server does: its last greeting counts, and it greets again when it misses us."""
        with suppress(Empty):
            while True:
                self._take(self._client.get_iopub_msg(timeout=0))
        hello = self.of("hello")[-1]
        self.say({"type": "welcome", "load_id": hello["load_id"], **fields}, channel=channel)

    def answer(self, asked: str, answer: dict[str, Any], count: int = 1) -> None:
        """Wait for a question of this type, and answer it."""
        self.listen(lambda: len(self.of(asked)) >= count)
        self.say({**answer, "request_id": self.of(asked)[-1]["request_id"]})

    def _on_control(self, kind: str, content: dict[str, Any]) -> dict[str, Any]:
        message = self._client.session.msg(kind, content)
        self._client.control_channel.send(message)
        while True:
            reply = self._client.get_control_msg(timeout=30)
            if reply["parent_header"].get("msg_id") == message["header"]["msg_id"]:
                assert reply["content"]["status"] == "ok", reply
                return dict(reply["content"])


def _seconds(date: datetime | str) -> float:
    return date.timestamp() if isinstance(date, datetime) else datetime.fromisoformat(date).timestamp()
