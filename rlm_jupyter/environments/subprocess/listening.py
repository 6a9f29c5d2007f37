"""Takes what the kernel publishes: outputs into the sink, queries to whoever answers them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rlm_jupyter.environments.cells.sink import Sink

from .channels import Answerer
from .questions import Questions

__all__ = ["Listening"]


class Listening:
    """One for all cells: what a thread prints after its cell is over stands in the next one's output."""

    def __init__(self, questions: Questions) -> None:
        self.sink = Sink()
        self._questions = questions

    def asked(self, query: Mapping[str, Any], text: bytes, answer: Answerer) -> None:
        """Hand a query on."""
        self._questions.asked(query, text, answer)

    def output(self, kind: str, content: Mapping[str, Any]) -> None:
        """Put an output into the sink; errors come with the report, and what else there is shows nothing."""
        if kind == "stream":
            self.sink.write(content["name"], content["text"])
        elif kind == "execute_result":
            self.sink.result(content["data"], content["metadata"])
        elif kind in ("display_data", "update_display_data"):
            display_id = (content.get("transient") or {}).get("display_id")
            update = kind == "update_display_data"
            self.sink.display(content["data"], content["metadata"], display_id, update=update)
        elif kind == "clear_output":
            self.sink.clear(wait=bool(content.get("wait")))
