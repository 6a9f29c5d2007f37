"""``%rlm resume``: which session or run is meant, where its trace comes from, and how the run goes on."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

from rlm_jupyter.runs.cut_runs import can_go_on, last_cut
from rlm_jupyter.runs.question import UNSET
from rlm_jupyter.session import RLMSession
from rlm_jupyter.trace.notebooks.writer import trace_path_for

from . import sessions
from .named_run import context_in, file_named, own_runs, runs_in, server_run
from .open_logs import left_behind

if TYPE_CHECKING:
    from rlm_jupyter.core.results import RLMChatCompletion
    from rlm_jupyter.magics.sessions import Rows
    from rlm_jupyter.trace.trace import Trace

    from .rlm_magics import RLMMagics

__all__ = ["resume"]

_CHAIN = 20
"""Runs that took each other up and were cut before they had got any further."""


def resume(
    magics: RLMMagics, argument: str, options: Namespace, show: Callable[[Rows], None]
) -> RLMChatCompletion | None:
    """Take up a session, and go on with its last run if that was cut; or with the run, or the file, that is named.

    The run is asked as it was, but for what the ``options`` say. Returns its result, None where none was to go on.
    Raises ``UsageError`` where there is nothing to resume, and for ``--fresh``.
    """
    given = {name: value for name, value in vars(options).items() if value is not None and value is not False}
    if "fresh" in given:
        msg = "%rlm resume takes no --fresh: a run goes on in the conversation in which it was asked."
        raise UsageError(msg)
    own = magics.journal.traces
    if named := own_runs(magics, argument):
        return _go_on(magics, _one(argument, named, own), given)
    if (path := file_named(argument)) is not None:
        return _go_on(magics, _in_file(path), given)
    if not argument and own and can_go_on(own[-1]):
        return _go_on(magics, last_cut(own) or own[-1], given)
    try:
        rows, cut = sessions.resume(magics, argument)
    except sessions.NoSessionError:
        if argument and (told := _of_server(magics, argument)):
            return _go_on(magics, _one(argument, told, own), given)
        beside = None if argument else _beside(magics)
        if beside is None:
            raise
        return _go_on(magics, beside, given)
    show(rows)
    found = _of_server(magics, cut) if cut is not None else []
    if not found and (current := magics.conversations.current) is not None:
        found = [trace for trace in own if trace.run.session_id == current.session_id][-1:]
    if found and can_go_on(found[-1]):
        return _go_on(magics, found[-1], given)
    if given:
        show([("options", "not used: no run of this session was cut, so nothing was asked")])
    return None


def _one(argument: str, named: list[Trace], own: list[Trace]) -> Trace:
    if len({trace.run_id for trace in named}) > 1 and not any(trace.run_id == argument for trace in named):
        msg = f"More than one run begins with {argument!r}: give more of its id."
        raise UsageError(msg)
    (trace, *_) = named
    if not can_go_on(trace):
        msg = f"The run {trace.run_id[:12]} came to its answer, so there is nothing to resume: ask the next question."
        raise UsageError(msg)
    before = {each.run_id: each for each in own}
    chain = [trace]
    while (earlier := before.get(chain[0].run.resumes or "")) is not None and earlier not in chain:
        chain.insert(0, earlier)
    return last_cut(chain) or trace


def _in_file(path: Path) -> Trace:
    found = last_cut(runs_in(path))
    if found is None:
        msg = f"Every run in {path.name} came to its answer, so there is nothing to resume."
        raise UsageError(msg)
    return found


def _beside(magics: RLMMagics) -> Trace | None:
    """Return the notebook's last run, if it was cut: as its trace notebook has it, or what its kernel was killed in."""
    notebook = magics.find_notebook()
    if notebook is None:
        return None
    path, traces = trace_path_for(notebook), left_behind(notebook)
    for trace in traces:
        trace.vouched = True  # another kernel of the user's wrote it, where only the user can
    if path is not None and path.is_file():
        with suppress(UsageError):
            traces += runs_in(path)
    traces.sort(key=lambda trace: trace.run_id)
    return (last_cut(traces) or traces[-1]) if traces and can_go_on(traces[-1]) else None


def _of_server(magics: RLMMagics, prefix: str) -> list[Trace]:
    """Return the run of this notebook whose id begins so, or the one that it took up and that is to go on; or none."""
    traces: list[Trace] = []
    wanted: str | None = prefix
    while wanted is not None and len(traces) < _CHAIN:
        trace = server_run(magics, wanted, over=True)
        if trace is None:
            break
        traces.insert(0, trace)
        wanted = trace.run.resumes
        if last_cut([trace]) is None or wanted in {each.run_id for each in traces}:
            break
    found = last_cut(traces)
    return [found] if found is not None else traces[-1:]


def _go_on(magics: RLMMagics, trace: Trace, given: dict[str, Any]) -> RLMChatCompletion:
    context = UNSET if "context" in given else context_in(magics, trace)
    options = _options(magics, trace, given)
    magics.choose(options)  # or they do not fit, and the session stays as it is
    fresh = _is_fresh(magics, trace)
    return magics.go_on(trace, context, options, fresh=fresh)


def _is_fresh(magics: RLMMagics, trace: Trace) -> bool:
    """Have the run's session be the current one; return whether it has none, as with ``--fresh``."""
    wanted, conversations = trace.run.session_id, magics.conversations
    session = next((each for each in conversations.sessions if each.session_id == wanted), None)
    if session is not None:
        if session is not conversations.current:
            conversations.resume(session)
        return False
    if wanted is None or any(each is trace for each in magics.journal.traces):
        return True
    from rlm_jupyter.rlm import RLM

    record = sessions.kept_session(magics, wanted)
    taken_up = sessions.taken_up(record) if record is not None else RLMSession(RLM("offline"), wanted)
    conversations.resume(taken_up)
    return False


def _options(magics: RLMMagics, trace: Trace, given: dict[str, Any]) -> Namespace:
    """Return the options with which the run is asked as it was, as far as a trace tells them, and what is ``given``.

    Who is asked is the run's model and backend, or what is given of them, not something of both: another model may
    have no such backend. Whoever wrote a file does not choose who is asked, or where code runs, and loosens no limit.
    """
    own = _own_options(magics, trace)
    if "model" in given or "backend" in given or ("base_url" in given and own.get("backend") == "offline"):
        own = {name: value for name, value in own.items() if name not in ("model", "backend")}
    return Namespace(**own | given)


def _own_options(magics: RLMMagics, trace: Trace) -> dict[str, Any]:
    run = trace.run
    ask, _ = magics.choose()
    if not trace.vouched:
        return {"max_iterations": min(dict(ask.limits)["max_iterations"], run.max_iterations)}
    given: dict[str, Any] = {}
    if (ask.backend, dict(ask.backend_kwargs).get("model_name", ask.backend)) != (run.backend, run.model):
        given |= {"model": run.model, "backend": run.backend}
    if ask.repl.environment != run.environment:
        given["env"] = run.environment
    if dict(ask.limits).get("max_iterations") != run.max_iterations:
        given["max_iterations"] = run.max_iterations
    return given
