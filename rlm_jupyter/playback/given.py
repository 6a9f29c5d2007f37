"""The values that recorded code reads: from the recording, or else given by whoever plays it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from rlm_jupyter.core.errors import ConfigurationError
from rlm_jupyter.runs.question import UNSET, context_digest
from rlm_jupyter.runs.recorded_context import described, recorded_context
from rlm_jupyter.trace.context_record import context_record, input_record
from rlm_jupyter.trace.schema import ContextRecord
from rlm_jupyter.trace.trace import Trace

__all__ = ["check_inputs", "context_of"]


def context_of(trace: Trace, record: ContextRecord, given: Any = UNSET) -> Any:
    """Return the context of a run: the one that is given, or else the recorded one.

    Warns of one that is given and is not what was recorded. Raises ``ConfigurationError`` when there is none.
    """
    if given is not UNSET:
        _compare(record, given, {context_digest(given)})
        return given
    return recorded_context(trace, trace.run, record, how="play(..., context=VALUE)", run=True)


def check_inputs(records: Sequence[ContextRecord], given: Mapping[str, Any], left_out: Mapping[str, str]) -> None:
    """Warn of given values that are not what was recorded, and raise ``ConfigurationError`` for those left out."""
    for record in records:
        if record.name in given:
            _compare(record, given[record.name], set())
    missing = [record for record in records if record.name in left_out]
    if missing:
        told = ", ".join(f"{record.name} ({described(record)})" for record in missing)
        values = ", ".join(f"{record.name!r}: VALUE" for record in missing)
        msg = (
            f"This code reads what is not in the recording: {told}. Pass it: play(..., values={{{values}}}). "
            "A run that is asked with a larger record_limit keeps plain values, arrays and data frames."
        )
        raise ConfigurationError(msg)


def _compare(record: ContextRecord, given: Any, digests: set[str | None]) -> None:
    found = input_record(record.name, given)
    digests |= {found.digest, context_record(record.name, given).digest}
    if record.digest not in digests if record.digest is not None else found.type != record.type:
        msg = (
            f"{record.name} is another value than the recorded one ({described(record)}): what the code puts out may "
            "be different, and calls that were not made then are not in the recording."
        )
        warnings.warn(msg, stacklevel=4)
