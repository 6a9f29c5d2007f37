"""``rlm_jupyter.play``: what the first cell of a trace notebook calls, so that the cells below it run again."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlm_jupyter.core.errors import ConfigurationError
from rlm_jupyter.core.protocols import Message
from rlm_jupyter.environments.shells.instance import process_shell
from rlm_jupyter.runs.earlier import EarlierRun
from rlm_jupyter.runs.question import UNSET
from rlm_jupyter.trace.files.recording import packed_in, unpack
from rlm_jupyter.trace.trace import Trace

from .given import context_of
from .player import Player
from .stage import Stage
from .surroundings import conversations

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["play", "played"]

_SHOWN = 60  # characters of a question in the line that is printed


@dataclass(slots=True)
class _Turn:
    context: Any
    messages: list[Message]


@dataclass(slots=True)
class _Session:
    """What the turns of a session that were played here leave to those after them."""

    turns: dict[str, _Turn] = field(default_factory=dict)
    """By the run's id: a cell that is run again is no further turn."""
    before: dict[str, frozenset[str]] = field(default_factory=dict)
    """By the run's id, the names that were there before it, and that its code did not see."""


_SESSIONS = 20
"""Sessions, or single runs, whose turns are kept for those that may follow: they hold contexts."""

_sessions: dict[str, _Session] = {}
_last: list[Player] = []


def play(
    recording: str | None = None,
    *,
    file: str | os.PathLike[str] | None = None,
    digest: str | None = None,
    run: str | None = None,
    context: Any = UNSET,
    values: Mapping[str, Any] | None = None,
    live: Any = False,
) -> None:
    """Let the cells below play a recorded run again: its code runs, and the recording answers what it asks.

    ``recording`` is the text in a trace notebook, ``file`` the recording beside it, which is to have this ``digest``,
    or, without one, any file of traces; of several runs ``run`` (an id) is played.
    ``context``, and ``values`` by name, stand for what the code reads and the recording does not hold. A call that is
    not recorded raises, unless a model is asked with ``live``: True for the one that is chosen as usual, or a backend
    with its arguments (``("openai", {...})``).

    The run's scaffold (``context``, ``llm_query``, ...) lies over the notebook's variables until the next ``play``.
    Cells that hold no recorded block run as always. Raises ``ConfigurationError`` outside IPython and when something is
    missing, and ``ValueError`` for a recording that is damaged.
    """
    shell = process_shell()
    if shell is None:
        msg = "A trace notebook plays in Jupyter or IPython, and there is none here. See rlm_jupyter.replay(trace)."
        raise ConfigurationError(msg)
    while _last:
        _last.pop().end()
    trace = _trace_of(recording, file, digest, run, shell)
    player = _player_of(trace, shell, context, dict(values or {}), live)
    player.begin()
    _last.append(player)
    print(_line(trace))  # noqa: T201 - the cell's output


def played() -> None:
    """Say how what the cells of the run that is played put out differs from what was recorded."""
    told = str(_last[-1].report) if _last else "No run is played here: run the cell above that plays it first."
    print(told)  # noqa: T201 - the cell's output


def _trace_of(
    recording: str | None,
    file: str | os.PathLike[str] | None,
    digest: str | None,
    run: str | None,
    shell: InteractiveShell,
) -> Trace:
    if recording is not None:
        return unpack(packed_in(recording).data)
    if file is None:
        msg = (
            "The recording of this run is not in this notebook: the run is too large, or is not all here. Export it as "
            'JSONL, from the panel or from its log, and play that: rlm_jupyter.play(file="run.jsonl").'
        )
        raise ConfigurationError(msg)
    path = _found(file, shell)
    if digest is not None:
        from rlm_jupyter.trace.files.notebook_file import recording_at

        held = [unpack(recording_at(path, digest))]
    else:
        from rlm_jupyter.trace.files.opened import read_traces

        held = read_traces(path)
    traces = [trace for trace in held if run in (None, trace.run_id)]
    if len(traces) != 1:
        several = f"{len(traces):,} runs: name one of them, run=ID" if traces else "no such run"
        msg = f"{path.name} holds {several}."
        raise ConfigurationError(msg)
    return traces[0]


def _found(file: str | os.PathLike[str], shell: InteractiveShell) -> Path:
    """Return where a file is that stands in the working directory, or else beside the notebook."""
    named = Path(file)
    notebooks = (os.environ.get("JPY_SESSION_NAME"), shell.user_ns.get("__vsc_ipynb_file__"))
    beside = [Path(each).parent / named for each in notebooks if isinstance(each, str) and each]
    for path in (named, *beside):
        if path.is_file():
            return path
    msg = (
        f"{named} is neither in the working directory ({Path.cwd()}) nor beside the notebook. It belongs to the trace "
        "notebook: move it there, or name it with its folder: rlm_jupyter.play(file=...)."
    )
    raise ConfigurationError(msg)


def _player_of(trace: Trace, shell: InteractiveShell, context: Any, values: Mapping[str, Any], live: Any) -> Player:
    root = trace.root
    if root is None:
        msg = "This trace has no run, so there is nothing to play."
        raise ConfigurationError(msg)
    name = trace.run.session_id or trace.run_id
    session = _sessions[name] = _sessions.pop(name, _Session())
    for oldest in list(_sessions)[:-_SESSIONS]:
        del _sessions[oldest]
    stage = Stage(shell, trace.run.environment, _names_before(trace, session, shell))
    earlier = EarlierRun(trace, root)
    _furnish(stage, earlier, session, context)
    return Player(shell, earlier, stage, values, live)


def _names_before(trace: Trace, session: _Session, shell: InteractiveShell) -> frozenset[str]:
    """Return the names that are not the run's: a turn that goes on with its session's variables finds those."""
    goes_on = any(_number(record.name) for record in trace.run.contexts)
    first = next(iter(session.before.values()), None) if goes_on else session.before.get(trace.run_id)
    return session.before.setdefault(trace.run_id, first if first is not None else frozenset(shell.user_ns))


def _furnish(stage: Stage, run: EarlierRun, session: _Session, context: Any) -> None:
    """Give the stage the contexts and histories of the run, and those of the turns before it."""
    trace = run.trace
    session.turns.pop(trace.run_id, None)
    earlier = list(session.turns.values())
    values = [context_of(trace, record, context) for record in trace.run.contexts]
    numbers = [_number(record.name) for record in trace.run.contexts]
    for value, number in zip(values, numbers, strict=True):
        for index, turn in enumerate(earlier[:number]):
            stage.add_context(turn.context, index)
            stage.add_history([{**message} for message in turn.messages], index)
        stage.add_context(value, number)
    if trace.run.session_id is None and values:
        stage.offer({"completion_context": values[0]})
    elif values:
        contexts = [*(turn.context for turn in earlier), values[0]]
        names = {f"session_context_{index}": each for index, each in enumerate(contexts)}
        histories = [turn.messages for turn in earlier]
        stage.offer({**names, "context_history": contexts, "session_history": histories})
    if trace.run.session_id is not None:
        session.turns[trace.run_id] = _Turn(values[0] if values else None, _said(run))


def _said(run: EarlierRun) -> list[Message]:
    """Return the whole conversation of a run."""
    told = [messages for _, messages in conversations(run)]
    return told[-1] if told else []


def _number(name: str) -> int:
    tail = name.rpartition("_")[2]
    return int(tail) if tail.isdecimal() and len(tail) < 6 else 0


def _line(trace: Trace) -> str:
    question = " ".join(trace.run.question.split())
    shown = question if len(question) <= _SHOWN else f"{question[: _SHOWN - 1]}…"
    calls = len(trace.subcalls) + len(trace.children)
    recorded = "1 call of its code is" if calls == 1 else f"{calls:,} calls of its code are"
    return f"Playing “{shown}”: {recorded} recorded."
