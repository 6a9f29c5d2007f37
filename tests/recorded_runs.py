"""Runs that were really run, with the model that needs no key, as the events that a kernel publishes of them."""

from __future__ import annotations

from typing import TypeAlias

from rlm_jupyter import RLM
from rlm_jupyter.observers import observers
from rlm_jupyter.trace.schema import Blob, Event, SpanEnd, SpanStart

Recorded: TypeAlias = SpanStart | SpanEnd | Blob

SHELF = "The lamp in the hall is red.\n\nThe door of the cellar is green.\n\nThe walrus lives in the bath.\n"


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
