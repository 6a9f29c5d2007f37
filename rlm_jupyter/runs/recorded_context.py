"""The context that a recorded run was asked about, from its trace."""

from __future__ import annotations

from typing import Any

from rlm_jupyter.core.errors import ConfigurationError
from rlm_jupyter.trace.context_record import context_record
from rlm_jupyter.trace.schema import ContextRecord, RunStart
from rlm_jupyter.trace.trace import Trace
from rlm_jupyter.trace.values import NotRecordedError, recorded_value

__all__ = ["described", "recorded_context"]


def recorded_context(trace: Trace, start: RunStart, record: ContextRecord, *, how: str, run: bool = False) -> Any:
    """Return the context of the run of the trace that began with ``start``.

    It is in the trace as a value, or is a text that stands there anyhow: the question, where there was no other, or the
    preview of a short one. With ``run``, code that the value needs is executed. Raises ``ConfigurationError`` when it
    is not there, with ``how`` it can be handed over.
    """
    try:
        return recorded_value(trace, record, run=run)
    except NotRecordedError as error:
        for text in (start.question, record.preview) if record.type == "str" and record.digest is not None else ():
            if context_record(record.name, text).digest == record.digest:
                return text
        named = f" (the notebook called it {record.expression})" if record.expression else ""
        msg = (
            f"The context of this run, {described(record)}{named}, is not in its trace in full. Pass it: {how}. "
            "A run that is asked with a larger record_limit keeps plain values, arrays and data frames."
        )
        raise ConfigurationError(msg) from error


def described(record: ContextRecord) -> str:
    """Return what a recorded value was, in a few words."""
    return f"a {record.type}" + (f" of {record.size:,} {record.unit or ''}".rstrip() if record.size is not None else "")
