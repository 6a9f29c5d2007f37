"""Scripts for the scripted server: what the root model says, reply by reply, and what sub-calls are answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from scripted_server import ChatRequest, Reply

Script = Callable[[ChatRequest], "Reply | str"]


def is_root(request: ChatRequest) -> bool:
    """Whether the root model is asked: sub-calls come without a system prompt."""
    return bool(request.messages[0]["role"] == "system")


def step(request: ChatRequest) -> int:
    """How many replies the root model gave to the current question already."""
    roles = [(message["role"], text_of(message).startswith("## Question")) for message in request.messages]
    last_question = max(index for index, (_, asks) in enumerate(roles) if asks)
    return sum(role == "assistant" for role, _ in roles[last_question:])


def text_of(message: Mapping[str, Any]) -> str:
    """The text of a message; of one with pictures, its first text."""
    content = message["content"]
    return str(content if isinstance(content, str) else next(part["text"] for part in content if "text" in part))


def says(
    *replies: Reply | str, sub: Callable[[ChatRequest], Reply | str] | Reply | str = "a sub-call's reply"
) -> Script:
    """Return the script of a root model that gives these replies in order, for every question anew."""

    def script(request: ChatRequest) -> Reply | str:
        if is_root(request):
            return replies[min(step(request), len(replies) - 1)]
        return sub(request) if callable(sub) else sub

    return script


def code(*lines: str) -> str:
    """Return a reply that is one block of code."""
    return "\n".join(["```repl", *lines, "```"])
