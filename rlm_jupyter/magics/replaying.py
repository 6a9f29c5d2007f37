"""``%rlm replay``: which run is meant, and its context, which may still be in the notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

from IPython.core.error import UsageError

from .named_run import context_in, file_named, own_runs, runs_in, server_run

if TYPE_CHECKING:
    from rlm_jupyter.playback.report import ReplayReport
    from rlm_jupyter.trace.trace import Trace

    from .rlm_magics import RLMMagics

__all__ = ["replayed"]


def replayed(magics: RLMMagics, argument: str) -> ReplayReport:
    """Replay a run of this kernel (its number, or the beginning of its id; the last without), or those of a file.

    A run of an earlier kernel is the server's to tell, by the beginning of its id.

    Raises ``UsageError`` when there is no such run, and ``ConfigurationError`` when its context is gone.
    """
    from rlm_jupyter.playback.rerun import replay

    own = _own(magics, argument)
    if own is not None:
        return replay(own, context=context_in(magics, own))
    if (path := file_named(argument)) is not None:
        runs_in(path)  # or it cannot be read
        return replay(path)
    kept = server_run(magics, argument)
    if kept is None:
        raise UsageError(_none_such(magics, argument))
    return replay(kept, context=context_in(magics, kept))


def _own(magics: RLMMagics, argument: str) -> Trace | None:
    traces = magics.journal.traces
    if not argument:
        return traces[-1] if traces else None
    if argument.isdecimal() and 1 <= int(argument[:9]) <= len(traces):
        return traces[int(argument) - 1]
    return next(iter(own_runs(magics, argument)), None)


def _none_such(magics: RLMMagics, argument: str) -> str:
    count = len(magics.journal.traces)
    if not argument:
        return "There is no run to replay: no question was asked in this kernel yet. Name a log: %rlm replay PATH."
    own = f"1 to {count}" if count > 1 else "1" if count else "of which there is none yet"
    return (
        f"There is no run {argument!r} here. %rlm replay takes the number of a run of this kernel ({own}), the "
        "beginning of a run's id, or the path of a log or trace notebook."
    )
