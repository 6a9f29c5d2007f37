"""The scripted server in a process of its own, so that its work is not counted as that of whoever asks it."""

from __future__ import annotations

import multiprocessing
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any

from scripted_server import ChatRequest, Reply, ScriptedServer

__all__ = ["Counted", "Exchange", "ScriptedModel", "Step", "Troubles", "answer"]

_SAID = "=== Step "
"""How dspy begins each step of its history, which it sends in one message."""


@dataclass(frozen=True)
class Step:
    """What the root says: lines of code, and the expression to answer with, or None.

    Each package has its own form for it, and its own way to answer.
    """

    lines: tuple[str, ...] = ()
    result: str | None = None

    def written(self, package: str) -> str:
        """Return the reply as the package wants it."""
        if package == "dspy":
            end: tuple[str, ...] = () if self.result is None else (f"SUBMIT(answer={self.result})",)
            block = "\n".join(["```python", *self.lines, *end, "```"])
            return f"[[ ## reasoning ## ]]\nLook.\n\n[[ ## code ## ]]\n{block}\n\n[[ ## completed ## ]]"
        end = () if self.result is None else (f'answer["content"] = {self.result}', 'answer["ready"] = True')
        return "\n".join(["```repl", *self.lines, *end, "```"])


def answer(*lines: str, result: str = "'42'") -> Step:
    """Return a step that runs these lines and answers with what the expression gives."""
    return Step(lines, result)


@dataclass(frozen=True)
class Troubles:
    """What happens to sub-calls: one in so many is refused with 429, its connection dropped, or left without reply."""

    refused: int = 5
    dropped: int = 50
    stalled: int = 100
    retry_after: float = 0.2  # seconds
    stall: float = 4.0  # seconds


@dataclass(frozen=True)
class Exchange:
    """When a request came in and when its reply went out, in seconds of ``time.monotonic()``.

    That clock is the same in every process of the machine. ``replied`` is None until the reply of a root goes out.
    """

    arrived: float
    replied: float | None


@dataclass(frozen=True)
class Counted:
    """What the server was asked for: requests, and the tokens of those that it answered."""

    calls: int
    input: int
    output: int
    most_in_flight: int


@dataclass(frozen=True)
class _Play:
    """A script: see ``ScriptedModel.play``."""

    replies: tuple[str, ...] = ("",)
    delay: float = 0.0
    child: tuple[str, ...] = ()
    children: int = 0
    root_delay: float = 0.0
    troubles: Troubles | None = None


class ScriptedModel:
    """A model that gives the root's replies in order, for each completion anew, and sub-calls what they asked."""

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

    def play(
        self,
        *steps: Step,
        package: str = "ours",
        delay: float = 0.0,
        root_delay: float = 0.0,
        child: Sequence[Step] = (),
        children: int = 0,
        troubles: Troubles | None = None,
    ) -> None:
        """Say this from now on, in the package's form. Forgets what was asked.

        After each reply to a root, so many ``children`` are given the replies of ``child``: nothing in the requests of
        every package tells them apart. ``delay`` is what a sub-call takes, or a reply to a child, in seconds. A
        sub-call is answered with "reply to " and the first 100 characters of its prompt.
        """
        replies, of_child = (tuple(step.written(package) for step in each) for each in (steps, child))
        self._order("play", _Play(replies, delay, of_child, children, root_delay, troubles))

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

    def counted(self) -> Counted:
        """Return what was asked for since ``play``."""
        counted: Counted = self._order("counted")
        return counted

    def _order(self, name: str, *arguments: Any) -> Any:
        self._orders.send((name, arguments))
        said = self._orders.recv()
        if isinstance(said, Exception):
            raise said
        return said


class _Part:
    """What the server says, and what it was asked: the child process's side."""

    def __init__(self) -> None:
        self.server = ScriptedServer(self._answer)
        self._play = _Play()
        self._chance = random.Random()
        self._replied: dict[int, float] = {}
        self._runs = 0
        self._tokens = (0, 0)

    def play(self, play: _Play) -> None:
        self._play = play
        self._chance = random.Random(0)  # the same troubles for everybody
        self._replied = {}
        self._runs = 0
        self._tokens = (0, 0)
        self.server.requests.clear()
        self.server.max_in_flight = self.server.in_flight

    def wait_for(self, count: int) -> None:
        self.server.wait_for(count, timeout=30)

    def exchanges(self) -> list[Exchange]:
        return [Exchange(each.arrived, self._replied.get(each.number)) for each in self.server.requests]

    def bodies(self) -> list[dict[str, Any]]:
        return [dict(each.body) for each in self.server.requests]

    def counted(self) -> Counted:
        return Counted(len(self.server.requests), *self._tokens, self.server.max_in_flight)

    def _answer(self, request: ChatRequest) -> Reply:
        trouble = self._trouble() if request.messages[0]["role"] != "system" else None
        if trouble is not None:
            return trouble
        reply = self._reply(request)
        # Words are not counted here: of a long prompt that would take longer than the rest.
        asked, said = sum(len(str(each["content"])) for each in request.messages) // 4, len(reply.text or "") // 4
        self._tokens = (self._tokens[0] + asked, self._tokens[1] + said)
        usage = {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said}
        return replace(reply, usage=usage)

    def _trouble(self) -> Reply | None:
        troubles = self._play.troubles
        if troubles is None:
            return None
        if self._chance.random() < 1 / troubles.refused:
            return Reply("Too fast.", status=429, headers={"Retry-After": str(troubles.retry_after)})
        if self._chance.random() < 1 / troubles.dropped:
            return Reply("dropped in the middle of this", cut_after=0)
        if self._chance.random() < 1 / troubles.stalled:
            return Reply("too late", delay=troubles.stall)
        return None

    def _reply(self, request: ChatRequest) -> Reply:
        play = self._play
        if request.messages[0]["role"] != "system":  # sub-calls come without a system prompt
            return Reply(f"reply to {request.prompt[:100]}", delay=play.delay)
        said = sum(each["role"] == "assistant" for each in request.messages) or request.prompt.count(_SAID)
        self._runs += 1
        if (self._runs - 1) % (1 + play.children * len(play.child)):
            return Reply(play.child[min(said, len(play.child) - 1)], delay=play.delay)
        self._replied[request.number] = time.monotonic() + play.root_delay
        return Reply(play.replies[min(said, len(play.replies) - 1)], delay=play.root_delay)


def _serve(orders: Connection) -> None:
    part = _Part()
    with part.server as server:
        orders.send(server.base_url)
        while (order := orders.recv()) is not None:
            name, arguments = order
            try:
                orders.send(getattr(part, name)(*arguments))
            except AssertionError as error:
                orders.send(error)
