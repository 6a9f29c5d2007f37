"""The scripted server in a process of its own, so that its work is not counted as that of whoever asks it."""

from __future__ import annotations

import multiprocessing
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any

from scripted_server import ChatRequest, Reply, ScriptedServer

__all__ = ["Exchange", "ScriptedModel"]


@dataclass(frozen=True)
class Exchange:
    """When a request came in and when its reply went out, in seconds of ``time.monotonic()``.

    That clock is the same in every process of the machine. ``replied`` is None until the reply goes out.
    """

    arrived: float
    replied: float | None


class ScriptedModel:
    """A model that gives the root's replies in order, for each completion anew, and every sub-call the same."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._orders, orders = context.Pipe()
        self._process = context.Process(target=_serve, args=(orders,), daemon=True)
        self.base_url = ""

    def __enter__(self) -> ScriptedModel:
        self._process.start()
        self.base_url = self._orders.recv()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._orders.send(None)
        self._process.join(10)

    def play(self, *replies: str, delay: float = 0.0, child: tuple[str, ...] = (), children: int = 0) -> None:
        """Give these replies from now on. Forgets what was asked.

        After each reply to a root, so many ``children`` are given the replies of ``child``: nothing in the requests of
        every package tells them apart. ``delay`` is what a sub-call takes, or a reply to a child, in seconds.
        """
        self._order("play", replies, delay, child, children)

    def wait_for(self, count: int) -> None:
        """Return once so many requests came in since ``play``."""
        self._order("wait_for", count)

    def exchanges(self) -> list[Exchange]:
        """Return the requests since ``play``, in the order in which they came in."""
        exchanges: list[Exchange] = self._order("exchanges")
        return exchanges

    def bodies(self) -> list[dict[str, Any]]:
        """Return what the requests since ``play`` said."""
        bodies: list[dict[str, Any]] = self._order("bodies")
        return bodies

    def _order(self, name: str, *arguments: Any) -> Any:
        self._orders.send((name, arguments))
        return self._orders.recv()


class _Part:
    """What the server says, and what it was asked: the child process's side."""

    def __init__(self) -> None:
        self.server = ScriptedServer(self._answer)
        self._replies: tuple[str, ...] = ()
        self._child: tuple[str, ...] = ()
        self._round = 1
        self._delay = 0.0
        self._first = 0
        self._replied: dict[int, float] = {}

    def play(self, replies: tuple[str, ...], delay: float, child: tuple[str, ...], children: int) -> None:
        self._replies, self._delay, self._child = replies, delay, child
        self._round = 1 + children * len(child)
        self._first = len(self.server.requests)

    def wait_for(self, count: int) -> None:
        self.server.wait_for(self._first + count, timeout=30)

    def exchanges(self) -> list[Exchange]:
        return [Exchange(each.arrived, self._replied.get(each.number)) for each in self._asked()]

    def bodies(self) -> list[dict[str, Any]]:
        return [dict(each.body) for each in self._asked()]

    def _asked(self) -> list[ChatRequest]:
        return self.server.requests[self._first :]

    def _answer(self, request: ChatRequest) -> Reply:
        if request.messages[0]["role"] != "system":  # sub-calls come without a system prompt
            return Reply("a sub-call's reply", delay=self._delay)
        said = sum(each["role"] == "assistant" for each in request.messages)
        if (request.number - self._first - 1) % self._round:
            return Reply(self._child[min(said, len(self._child) - 1)], delay=self._delay)
        self._replied[request.number] = time.monotonic()
        return Reply(self._replies[min(said, len(self._replies) - 1)])


def _serve(orders: Connection) -> None:
    part = _Part()
    with part.server as server:
        orders.send(server.base_url)
        while (order := orders.recv()) is not None:
            name, arguments = order
            orders.send(getattr(part, name)(*arguments))
