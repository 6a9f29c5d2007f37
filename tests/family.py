"""A parent run, its children, and the scripts that they follow."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from scripted_server import ChatRequest, Reply, ScriptedServer
from scripts import Script, is_root, step, text_of

from rlm_jupyter import RLM, InterruptedRun, RLMChatCompletion, RLMError
from rlm_jupyter.trace.schema import CodeEnd, RunStart
from rlm_jupyter.trace.trace import Span, Trace


def question(request: ChatRequest) -> str:
    """What the run of this request was asked."""
    return text_of(request.messages[1]).split("\n")[2]


def family(*parent: str, child: str = "FINAL(grown up)", leaf: str = "leaf") -> Script:
    """Return a script: the run that is asked ``parent`` gives these replies, every other run ``child``."""

    def script(request: ChatRequest) -> Reply | str:
        if not is_root(request):
            return leaf
        return parent[step(request)] if question(request) == "parent" else child

    return script


def asked(server: ScriptedServer, **arguments: Any) -> RLM:
    settings = {"model_name": "m", "api_key": "k", "base_url": server.base_url}
    return RLM("openai", settings, **{"max_depth": 2, **arguments})


def trace_of(ended: RLMChatCompletion | RLMError | InterruptedRun) -> Trace:
    """The trace of a run that ended in this way."""
    assert isinstance(ended.trace, Trace)
    return ended.trace


def said(ended: RLMChatCompletion | RLMError | InterruptedRun) -> str:
    """Everything that the root's code put out."""
    root = trace_of(ended).root
    assert root is not None
    return printed(root)


def stop_after(server: ScriptedServer, requests: int, press: Callable[[], None]) -> threading.Thread:
    """Press the stop button once the server has seen so many requests."""

    def wait_and_press() -> None:
        server.wait_for(requests, 60)
        press()

    stop = threading.Thread(target=wait_and_press)
    stop.start()
    return stop


def printed(span: Span) -> str:
    """Everything that the code of a run, without its children, put out."""
    blocks = [each.end.payload for iteration in span.children for each in iteration.children if each.end is not None]
    outputs = [output for block in blocks if isinstance(block, CodeEnd) for output in block.outputs]
    return "".join(output.get("text", "") for output in outputs)


def begun(span: Span) -> RunStart:
    """What a run was told at its beginning."""
    payload = span.start.payload
    assert isinstance(payload, RunStart)
    return payload
