"""Runs as a recorder writes them down, and runs that were really run with the model that needs no key."""

from __future__ import annotations

from typing import Any, TypeAlias

from rlm_jupyter import RLM
from rlm_jupyter.observers import observers
from rlm_jupyter.trace.recorder import Recorder
from rlm_jupyter.trace.redaction import Redactor
from rlm_jupyter.trace.schema import (
    CodeEnd,
    CodeStart,
    ErrorRecord,
    Event,
    IterationEnd,
    IterationStart,
    MessageRecord,
    ModelCallEnd,
    ModelCallStart,
    RunEnd,
    RunStart,
    SpanEnd,
    Status,
    SubcallEnd,
    SubcallStart,
    UsageRecord,
)
from rlm_jupyter.trace.trace import Trace

Recorded: TypeAlias = Event

SHELF = "The lamp in the hall is red.\n\nThe door of the cellar is green.\n\nThe walrus lives in the bath.\n"

USAGE = UsageRecord(input_tokens=10, output_tokens=2, cost=0.001)


def record(
    question: str = "What is it?",
    answer: str | None = "42",
    *,
    status: Status | None = "ok",
    subcalls: int = 2,
    usage: UsageRecord = USAGE,
    error: ErrorRecord | None = None,
    text: str = "a text",
    **start: Any,
) -> Trace:
    """Return the trace of a run with one iteration and a child; of one that is under way when the status is None."""
    recorder = Recorder(Redactor(environ={}))
    begin = RunStart(question=question, model="m", backend="b", environment="local", max_iterations=3, **start)
    root = recorder.start(begin)
    iteration = recorder.start(IterationStart(number=1), root)
    message = MessageRecord(role="user", digest=recorder.blob(question, 1_000))
    call = recorder.start(ModelCallStart(model="m", added=[message]), iteration)
    recorder.end(call, ModelCallEnd(reply=recorder.blob("ask", 1_000), usage=usage))
    block = recorder.start(CodeStart(code="rlm_query('x')", index=1), iteration)
    child = recorder.start(
        RunStart(question="x", model="m", backend="b", environment="local", depth=1, max_iterations=3), block
    )
    for number in range(subcalls):
        prompt = recorder.blob(f"{text} {number}", 1_000)
        subcall = recorder.start(SubcallStart(model="small", prompt=prompt), child)
        recorder.end(subcall, SubcallEnd(reply=recorder.blob(f"reply {number}", 1_000), usage=usage, retries=1))
    if status is not None:
        recorder.end(child, RunEnd(answer="y"))
        recorder.end(block, CodeEnd(outputs=[{"output_type": "stream", "name": "stdout", "text": "y\n"}]))
        recorder.end(iteration, IterationEnd(answered=True))
        recorder.end(root, RunEnd(answer=answer, error=error), status)
    return recorder.trace


def recorded(question: str, context: str = SHELF) -> list[Recorded]:
    """The events of a run that ended well."""
    (events,) = conversation(question, context=context).values()
    return events


def conversation(*questions: str, context: str = SHELF) -> dict[str, list[Recorded]]:
    """The events of the runs of one session, run by run."""
    runs: dict[str, list[Recorded]] = {}

    def keep(event: Event) -> None:
        runs.setdefault(event.run_id, []).append(event)

    observers.append(keep)
    try:
        with RLM("offline", environment="local") as rlm:
            session = rlm.start_session()
            for question in questions:
                session.chat(context, root_prompt=question)
    finally:
        observers.remove(keep)
    return runs


def begun(events: list[Recorded]) -> list[Recorded]:
    """The events of the run without its end, as if it were under way."""
    return [event for event in events if not (isinstance(event, SpanEnd) and event.span_id == "s1")]
