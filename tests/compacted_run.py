"""A run whose model looks until its conversation is longer than its window, in this process or in a kernel."""

from __future__ import annotations

from typing import Any

from scripted_server import ChatRequest
from scripts import code

from rlm_jupyter import RLM
from rlm_jupyter.core.prompts import COMPACTION_REQUEST
from rlm_jupyter.trace.schema import ModelCallStart

__all__ = ["TELLS_OF_HISTORY", "Explorer", "run"]

TELLS_OF_HISTORY = code(
    "import json",
    "kept = globals().get('history')",
    "answer['content'] = json.dumps({'kept': kept, 'variable': globals().get('found')})",
    "answer['ready'] = True",
)
"""A reply whose answer is what is in ``history``, and in a variable that was set in the first iteration."""


class Explorer:
    """A model that looks so many times, 200 words each time, and then tells what it finds in ``history``."""

    def __init__(self, looks: int) -> None:
        self._looks = looks
        self._done = 0

    def __call__(self, request: ChatRequest) -> str:
        if request.prompt.endswith(COMPACTION_REQUEST):
            return f"After {self._done} looks: `found` is 'the needle'."
        if self._done == self._looks:
            return TELLS_OF_HISTORY
        self._done += 1
        return f"Look number {self._done}.\n\n" + code("found = 'the needle'", f"print('output{self._done} ' * 200)")


def run(environment: str, base_url: str, *, completions: int = 1, **arguments: Any) -> list[dict[str, Any]]:
    """Return of each completion the answer, how many iterations there were, and what the root model was called for."""
    told = []
    backend = {"model_name": "scripted", "base_url": base_url, "api_key": "for-the-scripted-server"}
    with RLM("openai", backend, environment, **arguments) as rlm:
        for _ in range(completions):
            completion = rlm.completion("a haystack", "Where is the needle?")
            trace = completion.trace
            starts = [span.start.payload for span in trace.walk()]  # type: ignore[union-attr]
            told.append(
                {
                    "answer": completion.response,
                    "iterations": (completion.metadata or {})["iterations"],
                    "purposes": [start.purpose for start in starts if isinstance(start, ModelCallStart)],
                    "tokens": completion.usage_summary.total_input_tokens,
                }
            )
    return told
