"""The sub-commands of ``%rlm``: what they take, and what they show."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from IPython.core.error import UsageError
from IPython.display import display

from .tables import cell

if TYPE_CHECKING:
    from .rlm_magics import RLMMagics
    from .server_link import ServerLink

__all__ = ["COMMANDS", "Command", "find_command"]


@dataclass(frozen=True, slots=True)
class Command:
    """A sub-command: its argument's name where it takes one, what it is for, and what it does."""

    argument: str
    purpose: str
    run: Callable[[RLMMagics, str], None]


def find_command(line: str) -> Callable[[RLMMagics], None] | None:
    """Return what the line commands, or None when it is a question.

    ``%rlm history`` is a command, ``%rlm history of Rome?`` a question: only a line that is nothing but a command and
    its one argument is one. A single word that is nearly a command is a slip of the finger, and no question to pay for.
    """
    name, _, rest = line.partition(" ")
    argument = rest.strip()
    command = COMMANDS.get(name) if name else COMMANDS["status"]
    if command is None:
        close = difflib.get_close_matches(name, COMMANDS, n=1, cutoff=0.75)
        if argument or name.endswith("?") or not close:
            return None
        msg = f"There is no command {name!r}. Did you mean %rlm {close[0]}? A question may stand in a cell under %%rlm."
        raise UsageError(msg)
    quoted = len(argument) > 1 and argument[0] == argument[-1] and argument[0] in "\"'"
    if argument and not (command.argument and (quoted or " " not in argument)):
        return None
    return lambda magics: command.run(magics, argument[1:-1] if quoted else argument)


def _show(title: str, rows: list[tuple[str, str]]) -> None:
    """Show rows as a table, and as lines where there is no table."""
    width = max((len(name) for name, _ in rows), default=0)
    plain = [f"{name:<{width}}  {text}" for name, text in rows]
    cells = [f"| {cell(name)} | {cell(text)} |" for name, text in rows]
    data = {
        "text/plain": "\n".join([title, *plain]),
        "text/markdown": "\n".join([f"**{title}**", "", "| | |", "|:--|:--|", *cells]),
    }
    display(data, raw=True)


def _status(magics: RLMMagics, _: str) -> None:
    from .sessions import earlier_session, questions

    ask, notice = magics.choose()
    repl = ask.repl
    session = magics.conversations.current
    rows = [
        ("model", dict(ask.backend_kwargs).get("model_name", ask.backend)),
        ("backend", ask.backend),
        ("environment", f"{repl.environment}, sync {repl.sync}" if repl.environment == "jupyter" else repl.environment),
        ("session", f"{questions(len(session.history))} so far" if session is not None else "none yet"),
    ]
    if (earlier := earlier_session(magics)) is not None:
        rows.append(("earlier session", earlier))
    rows += [*_notebook_rows(magics), ("traces", _traces_text(magics))]
    if ask.cache:
        rows.append(("cache", _cache_text(ask.cache)))
    if notice:
        rows.append(("note", notice))
    _show("rlm-jupyter", rows)


def _cache_text(cache: bool | str) -> str:
    from rlm_jupyter.clients.cache import Cache

    kept = Cache(cache if isinstance(cache, str) else None)
    try:
        return str(kept.stats())
    finally:
        kept.close()


def _notebook_rows(magics: RLMMagics) -> list[tuple[str, str]]:
    """Return which notebook this is, and who keeps its session."""
    path = magics.find_notebook()
    link = magics.link
    if link is None or link.welcome is None:
        return [("notebook", str(path) if path is not None else "not known: set %config RLMMagics.notebook")]
    keeps = "keeps this notebook's sessions" + (" and writes its traces" if link.writes else "")
    return [
        ("notebook", link.notebook or (str(path) if path is not None else "none that the server knows of")),
        ("server", f"{keeps}{_not_stored_text(magics)}"),
    ]


def _not_stored_text(magics: RLMMagics) -> str:
    missing = len(magics.journal.not_stored())
    if not missing:
        return ""
    return f"; it has not said yet that it has {'the last run' if missing == 1 else f'{missing} of the runs'}"


def _traces_text(magics: RLMMagics) -> str:
    runs, written = len(magics.journal.traces), magics.journal.written
    by_server = _server_text(magics.link) if magics.link is not None and magics.link.writes else None
    if written is None:
        where = ", none written" if by_server is None else by_server
    else:
        where = f", the written ones in {written}{by_server or ''}"
    return f"{runs} run{'' if runs == 1 else 's'} in this kernel{where if runs else ''}"


def _server_text(link: ServerLink) -> str:
    """Return where the server writes the traces; nothing until it has said so."""
    if link.trace is None:
        return ""
    path, problem = link.trace
    if path is None:
        return f"; none is written: {problem}"
    return f", the server cannot write the trace: {problem}" if problem else f", the server writes them to {path}"


def _config(magics: RLMMagics, _: str) -> None:
    from rlm_jupyter.trace.redaction import Redactor, secrets_in

    redactor = Redactor([*secrets_in(magics.environment_kwargs), *secrets_in(magics.backend_kwargs)])
    traits = sorted(magics.traits(config=True).items())
    rows = [(name, f"{redactor.redact(repr(getattr(magics, name)))}: {trait.help}") for name, trait in traits]
    _show("%config RLMMagics.NAME = VALUE", rows)


def _sessions(magics: RLMMagics, _: str) -> None:
    from .sessions import session_rows

    whose = "notebook" if magics.link is not None and magics.link.welcome is not None else "kernel"
    _show(f"Sessions of this {whose}", session_rows(magics) or [("none", "ask something: %rlm question")])


def _resume(magics: RLMMagics, argument: str) -> None:
    from .sessions import resume

    _show("Resumed", resume(magics, argument))


def _new(magics: RLMMagics, _: str) -> None:
    magics.conversations.new()
    _show("New session", [("next", "the next question begins it, in a new REPL; %rlm sessions lists the earlier ones")])


def _reset(magics: RLMMagics, _: str) -> None:
    magics.conversations.reset()
    _show("Forgotten", [("next", "the next question begins a new conversation; your variables and traces are kept")])


def _history(magics: RLMMagics, _: str) -> None:
    session = magics.conversations.current
    rows = []
    if session is not None:
        for number, turn in enumerate(session.history, 1):
            rows.append((str(number), session.rlm.redactor.redact(f"{turn.question}\n→ {turn.completion.response}")))
    _show("This session", rows or [("empty", "ask something: %rlm question")])


def _trace(magics: RLMMagics, argument: str) -> None:
    traces = magics.journal.traces
    if not traces:
        _show("Traces", [("none", "no question was asked in this kernel yet")])
        return
    number = int(argument) if argument.isdigit() else len(traces)
    if argument and not (argument.isdigit() and 1 <= number <= len(traces)):
        msg = f"%rlm trace takes the number of a run, 1 to {len(traces)}; without one, it shows the last."
        raise UsageError(msg)
    traces[number - 1].render()


def _save(magics: RLMMagics, argument: str) -> None:
    try:
        written = magics.journal.save(Path(argument).expanduser() if argument else None)
    except LookupError as error:
        raise UsageError(str(error)) from None
    except OSError as error:
        place = argument or "the notebook's folder"
        msg = f"The trace could not be written to {place}: {error.strerror or error}. Save it elsewhere."
        raise UsageError(msg) from None
    if written is None:
        msg = "The notebook's file is not known, so say where to save: %rlm save analysis.trace.ipynb"
        raise UsageError(msg)
    _show("Saved", [("trace notebook", os.fspath(written))])


def _cost(magics: RLMMagics, _: str) -> None:
    from .costs import show_cost

    show_cost(magics)


def _models(magics: RLMMagics, _: str) -> None:
    from rlm_jupyter.clients.choice import backend_names

    ask, notice = magics.choose()
    below = [_asked(backend, dict(arguments)) for backend, arguments in ask.others]
    rows = [
        ("asked now", _asked(ask.backend, dict(ask.backend_kwargs))),
        ("below the root", ", ".join(below) or "the same"),
        *([("why", notice)] if notice else []),
        ("backends", ", ".join(backend_names())),
        ("choose", "--model NAME, %config RLMMagics.model = 'NAME', or the environment variable RLM_JUPYTER_MODEL"),
        ("choose below", "--sub-model NAME or %config RLMMagics.sub_model = 'NAME', for what model code asks"),
    ]
    _show("Models", rows)


def _asked(backend: str, arguments: Mapping[str, object]) -> str:
    return f"{arguments.get('model_name', backend)} through {backend}"


def _help(_magics: RLMMagics, _: str) -> None:
    rows = [
        ("%%rlm [options]", "asks what stands in the cell below"),
        ("%rlm [options] question", "asks what stands behind the options"),
        *((f"%rlm {name} {command.argument}".rstrip(), command.purpose) for name, command in COMMANDS.items()),
        ("%%rlm?", "the options"),
    ]
    _show("rlm-jupyter", rows)


COMMANDS: dict[str, Command] = {
    "status": Command("", "shows which model is asked, the session and the notebook; also %rlm alone", _status),
    "config": Command("", "shows the defaults and how to set them", _config),
    "sessions": Command("", "lists the conversations of this notebook, earlier kernels' among them", _sessions),
    "resume": Command(
        "[ID]", "goes on with the last conversation of an earlier kernel, or with the one you name", _resume
    ),
    "new": Command("", "begins another conversation", _new),
    "reset": Command("", "forgets the conversation and the model's own variables", _reset),
    "history": Command("", "shows the questions and answers of this conversation", _history),
    "trace": Command("[N]", "shows the trace of the last run, or of run N", _trace),
    "save": Command("[PATH]", "writes the trace notebook, beside the notebook or where you say", _save),
    "cost": Command("", "shows what the last run, this session and this kernel have used, and what it cost", _cost),
    "models": Command("", "shows which model is asked, why, and how to choose another", _models),
    "help": Command("", "shows this", _help),
}
