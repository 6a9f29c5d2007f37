"""Runs that stand in a server's store when it starts, made without a model."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from live_server import LiveServer

from rlm_jupyter.core.digest import text_digest
from rlm_jupyter.server.store.store import Store
from rlm_jupyter.trace.schema import (
    Blob,
    CodeEnd,
    CodeStart,
    ContextRecord,
    ErrorRecord,
    IterationEnd,
    IterationStart,
    MessageRecord,
    ModelCallEnd,
    ModelCallStart,
    RunEnd,
    RunStart,
    SpanEnd,
    SpanStart,
    Status,
    SubcallEnd,
    SubcallStart,
    UsageRecord,
)
from rlm_jupyter.trace.trace import Trace

__all__ = ["RunEvent", "Writer", "hostile_run", "many_spans", "put"]

RunEvent: TypeAlias = SpanStart | SpanEnd | Blob

_BEGUN = 1_790_000_000.0  # seconds since the epoch


class Writer:
    """Writes the events of a run by hand: nothing is cut or redacted, and the clock goes on by a tenth of a second."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self.events: list[RunEvent] = []
        self.clock = _BEGUN
        self._spans = 0

    def start(self, payload: Any, parent: str | None = None) -> str:
        """Begin a span below this one, and return its id."""
        self._spans += 1
        span = f"s{self._spans}"
        self._tick()
        fields = {"run_id": self.run_id, "seq": len(self.events), "span_id": span, "parent_id": parent}
        self.events.append(SpanStart(**fields, started=self.clock, payload=payload))
        return span

    def end(self, span: str, payload: Any, status: Status = "ok") -> None:
        """End a span."""
        self._tick()
        fields = {"run_id": self.run_id, "seq": len(self.events), "span_id": span, "status": status}
        self.events.append(SpanEnd(**fields, ended=self.clock, payload=payload))

    def text(self, text: str) -> str:
        """Write a text down, and return its digest."""
        digest = text_digest(text)
        fields = {"run_id": self.run_id, "seq": len(self.events), "digest": digest, "size": len(text)}
        self.events.append(Blob(**fields, text=text))
        return digest

    @property
    def trace(self) -> Trace:
        """The run, read as a trace."""
        return Trace(self.events)

    def _tick(self) -> None:
        self.clock += 0.1


def hostile_run(run_id: str, text: str) -> Writer:
    """Return a run that has this text in every field that can hold one."""
    writer = Writer(run_id)
    line = text[:900]
    error = ErrorRecord(name=line, message=text, traceback=text)
    usage = UsageRecord(input_tokens=10, output_tokens=2, cost=0.001)
    context = ContextRecord(name=line, type=line, size=3, unit=line, preview=text)
    begin = RunStart(
        question=text,
        model=line,
        backend=line,
        environment=line,
        max_iterations=3,
        contexts=[context],
        cell_id=line,
        versions={line: line},
        settings={line: text},
    )
    root = writer.start(begin)
    iteration = writer.start(IterationStart(number=1, notes=[text]), root)
    digest = writer.text(text)
    messages = [MessageRecord(role=role, digest=digest) for role in ("system", "user", "assistant", line)]
    call = writer.start(ModelCallStart(model=line, added=messages, sampling={line: text}), iteration)
    reply: dict[str, Any] = {
        "notes": [text],
        "reasoning": digest,
        "response_model": line,
        "response_id": line,
        "finish_reason": line,
        "usage": usage,
    }
    writer.end(call, ModelCallEnd(reply=digest, **reply))
    code = writer.start(CodeStart(code=text, index=1, review="edited", proposed=text), iteration)
    asked = {"prompt": digest, "images": [digest], "batch": line, "index": 0, "sampling": {line: text}}
    subcall = writer.start(SubcallStart(model=line, **asked), code)
    writer.end(subcall, SubcallEnd(reply=digest, error=error, **reply), "error")
    outputs = [
        {"output_type": "stream", "name": "stdout", "text": text},
        {"output_type": "stream", "name": "stderr", "text": text},
        *({"output_type": "display_data", "metadata": {}, "data": {mime: text}} for mime in _MIMES),
        {"output_type": "error", "ename": line, "evalue": text, "traceback": [text]},
    ]
    ended = CodeEnd(outputs=outputs, error=error, final_answer=text, notes=[text])
    writer.end(code, ended, "error")
    writer.end(iteration, IterationEnd(rejected=text))
    writer.end(root, RunEnd(answer=text, error=error, changes={"created": [line], "rebound": [line]}), "error")
    return writer


_MIMES = (
    "text/html",
    "text/markdown",
    "text/latex",
    "text/plain",
    "image/svg+xml",
    "image/png",
    "application/javascript",
    "application/json",
    "application/vnd.rlm-jupyter.run+json",
    "application/vnd.rlm-jupyter.live+json",
)


def many_spans(run_id: str, count: int, *, question: str = "What is in all of them?", ended: bool = True) -> Writer:
    """Return a run of so many spans, ten in each block of code, and each fifth of them another model's."""
    writer = Writer(run_id)
    root = writer.start(RunStart(question=question, model="m", backend="b", environment="local", max_iterations=9_999))
    prompt, reply = writer.text("What is it?"), writer.text("It is nothing.")
    usage = UsageRecord(input_tokens=90, output_tokens=9, cost=0.0001)
    number = 0
    spans = 1
    while spans < count:
        number += 1
        iteration = writer.start(IterationStart(number=number), root)
        call = writer.start(ModelCallStart(model="m"), iteration)
        writer.end(call, ModelCallEnd(reply=reply, usage=usage))
        code = writer.start(CodeStart(code=f"found[{number}] = look({number})", index=1), iteration)
        spans += 3
        for index in range(min(7, count - spans)):
            subcall = writer.start(SubcallStart(model=f"small-{index % 5}", prompt=prompt), code)
            failed = (number * 7 + index) % 97 == 0
            error = ErrorRecord(name="APIError", message="429") if failed else None
            writer.end(subcall, SubcallEnd(reply=reply, usage=usage, error=error), "error" if failed else "ok")
            spans += 1
        writer.end(code, CodeEnd(outputs=[{"output_type": "stream", "name": "stdout", "text": f"{number}\n"}]))
        writer.end(iteration, IterationEnd())
    if ended:
        writer.end(root, RunEnd(answer="nothing"))
    return writer


def put(server: LiveServer, notebook: str, runs: Iterable[Sequence[RunEvent]], kernel: str = "a-kernel") -> None:
    """Put runs of a notebook into the store of a server that is not running yet."""
    store = Store(server.store, os.path.realpath(server.root))
    try:
        number = store.notebook(notebook)
        for events in runs:
            store.take(kernel, number, events)
    finally:
        store.close()
