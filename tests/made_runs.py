"""The events of runs, as a recorder makes them and a kernel publishes them."""

from __future__ import annotations

from typing import TypeAlias

from rlm_jupyter.trace.recorder import Recorder
from rlm_jupyter.trace.redaction import Redactor
from rlm_jupyter.trace.schema import (
    CodeEnd,
    CodeStart,
    Event,
    IterationEnd,
    IterationStart,
    RunEnd,
    RunStart,
    SubcallEnd,
    SubcallStart,
)

RunEvent: TypeAlias = Event


def made_run(question: str = "Where does the walrus live?", subcalls: int = 3) -> list[RunEvent]:
    """The events of a run with one code block and so many sub-calls, which ended well."""
    events: list[RunEvent] = []

    def keep(event: Event) -> None:
        events.append(event)

    recorder = Recorder(Redactor(environ={}), [keep])
    begin = RunStart(question=question, model="scripted", backend="openai", environment="local", max_iterations=1)
    root = recorder.start(begin)
    iteration = recorder.start(IterationStart(number=1), root)
    code = recorder.start(CodeStart(code="llm_query_batched(prompts)", index=1), iteration)
    for number in range(subcalls):
        prompt = recorder.blob(f"{number}: {question} The walrus lives in the bath.", 4_000)
        span = recorder.start(SubcallStart(model="scripted", prompt=prompt, batch="b1", index=number), code)
        recorder.end(span, SubcallEnd(reply=prompt, finish_reason="stop"))
    recorder.end(code, CodeEnd(outputs=[{"output_type": "stream", "name": "stdout", "text": "in the bath\n"}]))
    recorder.end(iteration, IterationEnd(answered=True))
    recorder.end(root, RunEnd(answer="in the bath"))
    return events


def begun_run(question: str = "Where does the walrus live?") -> list[RunEvent]:
    """The events of a run that has not ended."""
    return made_run(question)[:-3]
