"""Which run is to go on, and what it was asked: from a trace, a result, an error or a file of traces."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from rlm_jupyter.core.errors import ConfigurationError
from rlm_jupyter.core.observation import head_and_tail
from rlm_jupyter.core.prompts import QUESTION_LIMIT
from rlm_jupyter.trace.files.opened import traces_of
from rlm_jupyter.trace.redaction import Redactor
from rlm_jupyter.trace.schema import ContextRecord, ModelCallEnd, SubcallEnd
from rlm_jupyter.trace.trace import Trace

from .question import UNSET, Question, context_digest
from .recorded_context import described, recorded_context
from .settings import Origin
from .steering import under_way

__all__ = ["can_go_on", "cut_run", "last_cut", "origin_of", "recorded_question"]


def cut_run(source: Any, log: str | os.PathLike[str] | None = None) -> Trace:
    """Return the run that is meant: of several the last that was cut and has not gone on since.

    ``source`` is a ``Trace``, what has one as ``trace`` (a result, an error), the path of a file with traces, or the
    beginning of the id of a run in the ``log``. Raises ``ConfigurationError`` where there is none that could go on,
    and what ``trace.files.traces_of`` does.
    """
    if isinstance(source, str) and log is not None and not os.path.exists(source):  # noqa: PTH110 - any text may come
        traces = [trace for trace in traces_of(log) if trace.run_id.startswith(source)]
        if not traces:
            msg = f"There is no file {source!r}, and no run in the log whose id begins so: give a trace, or its file."
            raise ConfigurationError(msg)
    else:
        traces = traces_of(source)
    found = last_cut(traces)
    if found is None:
        if any(trace.run_id in under_way for trace in traces):
            msg = "This run is under way, in this process: wait for its answer, or interrupt it."
            raise ConfigurationError(msg)
        msg = "This run came to its answer, so there is nothing to resume: ask again, or ask the next question."
        raise ConfigurationError(msg)
    if not _went_on(found) and found.run.resumes is not None:
        msg = (
            f"This run was cut before it had got as far as the run {found.run.resumes} that it had taken up: resume "
            "that one."
        )
        raise ConfigurationError(msg)
    return found


def can_go_on(trace: Trace) -> bool:
    """Return whether the run has no answer, and is not under way in this process.

    Of one that is under way elsewhere, a file does not tell: it looks like one that was killed.
    """
    return trace.root is not None and trace.status != "ok" and trace.run_id not in under_way


def last_cut(traces: Sequence[Trace]) -> Trace | None:
    """Return the last run that was cut and has not gone on in another one since; None where there is none.

    A run that was itself cut before it had asked for anything new is passed over for the one that it had taken up.
    """
    ids = {trace.run_id for trace in traces}
    gone_on = {trace.run.resumes for trace in traces if _went_on(trace) or trace.status == "ok"}
    waiting = [trace for trace in traces if can_go_on(trace) and trace.run_id not in gone_on]
    ahead = [trace for trace in waiting if trace.run.resumes not in ids or _went_on(trace)]
    return ahead[-1] if ahead else None


def origin_of(trace: Trace) -> Origin:
    """Return where the run was started."""
    run = trace.run
    return Origin(
        session_id=run.session_id,
        turn=run.turn,
        notebook=run.notebook,
        cell_id=run.cell_id,
        settings=dict(run.settings),
        expression=run.contexts[0].expression if run.contexts else None,
    )


def recorded_question(
    trace: Trace, context: Any, redactor: Redactor, *, other_context: bool = False
) -> tuple[Any, str | None]:
    """Return the prompt and the question about it, where that is another text, as the run was asked.

    The context is the one that is recorded, unless it is given. Raises ``ConfigurationError`` when it is neither, and
    for another one than the recorded, unless ``other_context`` says that it may be.
    """
    run = trace.run
    record = run.contexts[0] if run.contexts else ContextRecord(name="context", type="str")
    if context is UNSET:
        context = recorded_context(trace, run, record, how="resume(trace, context=...)")
    elif not other_context and record.digest is not None and context_digest(context) != record.digest:
        msg = (
            f"This is not the context that the run was asked about, which was {described(record)}: pass that one, or "
            "other_context=True to go on with this one all the same."
        )
        raise ConfigurationError(msg)
    alone = Question(context, "?") if isinstance(context, str) and not context.strip() else Question(context)
    told = redactor.redact(head_and_tail(alone.text, QUESTION_LIMIT))
    return context, (None if told == run.question else run.question)


def _went_on(trace: Trace) -> bool:
    """Return whether the run asked for anything that no earlier one had recorded."""
    ends = (span.end.payload for span in trace.walk() if span.end is not None)
    return any(isinstance(end, ModelCallEnd | SubcallEnd) and not end.cached for end in ends)
