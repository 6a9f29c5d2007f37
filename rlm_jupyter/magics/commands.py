"""The sub-commands of ``%rlm``: what they take, and what they show."""

from __future__ import annotations

import difflib
import os
import re
from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from IPython.core.error import UsageError
from IPython.display import display

from .options import parse_options, split_line
from .tables import cell

if TYPE_CHECKING:
    from IPython.core.magic_arguments import MagicArgumentParser

    from rlm_jupyter.core.results import RLMChatCompletion

    from .rlm_magics import RLMMagics
    from .server_link import ServerLink

__all__ = ["COMMANDS", "Command", "find_command"]

_WORD = re.compile(r"""("[^"]*"|'[^']*'|\S+)(?=\s|$)""")


@dataclass(frozen=True, slots=True)
class Command:
    """A sub-command: its argument's name where it takes one, what it is for, and what it does.

    With ``options`` it takes those of a question, of which it is handed what was given.
    """

    argument: str
    purpose: str
    run: Callable[[RLMMagics, str, Namespace], RLMChatCompletion | None]
    options: bool = False

    @property
    def usage(self) -> str:
        """What may stand behind its name."""
        return " ".join(filter(None, (self.argument, "[options]" if self.options else "")))


def find_command(
    before: str, rest: str, parser: MagicArgumentParser
) -> Callable[[RLMMagics], RLMChatCompletion | None] | None:
    """Return what the line with these options ``before`` its ``rest`` commands, or None when it is a question.

    A line is a command when its first word is one, and at most one argument stands behind it, in quotation marks or
    without a space, or options do. ``%rlm history`` is a command, ``%rlm history of Rome?`` a question, and so is
    ``%rlm models used?``, as ``models`` takes no argument. A single word that is nearly a command is a slip of the
    finger, and no question to pay for. Raises ``UsageError`` for that, and for what a command does not take.
    """
    name, _, behind = rest.partition(" ")
    if not name:
        return None if before.strip() else lambda magics: COMMANDS["status"].run(magics, "", Namespace())
    argument, options = _told_apart(behind, parser)
    quoted = argument[:1] in ("'", '"') and argument.find(argument[0], 1) == len(argument) - 1 > 0
    several = " " in argument and not quoted
    is_command = bool(options) or argument.startswith("--")
    command = COMMANDS.get(name)
    if command is None:
        close = difflib.get_close_matches(name, COMMANDS, n=1, cutoff=0.75)
        if argument or name.endswith("?") or not close:
            return None
        msg = f"There is no command {name!r}. Did you mean %rlm {close[0]}? A question may stand in a cell under %%rlm."
        raise UsageError(msg)
    if not is_command and (several or (argument.endswith("?") and not command.argument)):
        return None
    given = f"{before} {options}".strip()
    if several or (argument and not command.argument):
        raise UsageError(_not_taken(name, command, argument))
    if given and not command.options:
        raise UsageError(_not_taken(name, command, given))
    arguments = parse_options(given, parser) if given else Namespace()
    return lambda magics: command.run(magics, argument[1:-1] if quoted else argument, arguments)


def _told_apart(behind: str, parser: MagicArgumentParser) -> tuple[str, str]:
    """Return the words behind a command's name, and the options before them, or behind them where they are one."""
    options, words = split_line(behind, parser)
    if (word := _WORD.match(words)) is not None:
        more, left = split_line(words[word.end() :], parser)
        if not left:
            return word[0], f"{options} {more}".strip()
    return words, options.strip()


def _not_taken(name: str, command: Command, what: str) -> str:
    takes = f"%rlm {name} {command.usage}" if command.usage else f"%rlm {name}, with nothing else on the line"
    return (
        f"{name} is a command, which does not take {what!r}: {takes}. A question that begins with this word stands in "
        "a cell under %%rlm."
    )


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


def _status(magics: RLMMagics, *_: object) -> None:
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


def _config(magics: RLMMagics, *_: object) -> None:
    from rlm_jupyter.trace.redaction import Redactor, secrets_in

    redactor = Redactor([*secrets_in(magics.environment_kwargs), *secrets_in(magics.backend_kwargs)])
    traits = sorted(magics.traits(config=True).items())
    rows = [(name, f"{redactor.redact(repr(getattr(magics, name)))}: {trait.help}") for name, trait in traits]
    _show("%config RLMMagics.NAME = VALUE", rows)


def _sessions(magics: RLMMagics, *_: object) -> None:
    from .sessions import session_rows

    whose = "notebook" if magics.link is not None and magics.link.welcome is not None else "kernel"
    _show(f"Sessions of this {whose}", session_rows(magics) or [("none", "ask something: %rlm question")])


def _resume(magics: RLMMagics, argument: str, options: Namespace) -> RLMChatCompletion | None:
    from .resuming import resume

    return resume(magics, argument, options, lambda rows: _show("Resumed", rows))


def _new(magics: RLMMagics, *_: object) -> None:
    magics.conversations.new()
    _show("New session", [("next", "the next question begins it, in a new REPL; %rlm sessions lists the earlier ones")])


def _reset(magics: RLMMagics, *_: object) -> None:
    magics.conversations.reset()
    _show("Forgotten", [("next", "the next question begins a new conversation; your variables and traces are kept")])


def _history(magics: RLMMagics, *_: object) -> None:
    session = magics.conversations.current
    rows = []
    if session is not None:
        for number, turn in enumerate(session.history, 1):
            rows.append((str(number), session.rlm.redactor.redact(f"{turn.question}\n→ {turn.completion.response}")))
    _show("This session", rows or [("empty", "ask something: %rlm question")])


def _trace(magics: RLMMagics, argument: str, _: Namespace) -> None:
    traces = magics.journal.traces
    if not traces:
        _show("Traces", [("none", "no question was asked in this kernel yet")])
        return
    number = int(argument) if argument.isdigit() else len(traces)
    if argument and not (argument.isdigit() and 1 <= number <= len(traces)):
        msg = f"%rlm trace takes the number of a run, 1 to {len(traces)}; without one, it shows the last."
        raise UsageError(msg)
    traces[number - 1].render()


def _replay(magics: RLMMagics, argument: str, _: Namespace) -> None:
    from .replaying import replayed

    display(replayed(magics, argument))


def _save(magics: RLMMagics, argument: str, _: Namespace) -> None:
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


def _cost(magics: RLMMagics, *_: object) -> None:
    from .costs import show_cost

    show_cost(magics)


def _models(magics: RLMMagics, *_: object) -> None:
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


def _help(_magics: RLMMagics, *_: object) -> None:
    rows = [
        ("%%rlm [options]", "asks what stands in the cell below"),
        ("%rlm [options] question", "asks what stands behind the options"),
        *((f"%rlm {name} {command.usage}".rstrip(), command.purpose) for name, command in COMMANDS.items()),
        ("%%rlm?", "the options"),
        (
            "a question or a command",
            "several words behind a command's name are a question; one word, or options, are not",
        ),
    ]
    _show("rlm-jupyter", rows)


COMMANDS: dict[str, Command] = {
    "status": Command("", "shows which model is asked, the session and the notebook; also %rlm alone", _status),
    "config": Command("", "shows the defaults and how to set them", _config),
    "sessions": Command("", "lists the conversations of this notebook, earlier kernels' among them", _sessions),
    "resume": Command(
        "[ID|PATH]",
        "goes on with the last conversation of an earlier kernel, or with the one you name, and with a run of it that "
        "was cut; or with the run that you name, with these options of a question",
        _resume,
        options=True,
    ),
    "new": Command("", "begins another conversation", _new),
    "reset": Command("", "forgets the conversation and the model's own variables", _reset),
    "history": Command("", "shows the questions and answers of this conversation", _history),
    "trace": Command("[N]", "shows the trace of the last run, or of run N", _trace),
    "replay": Command(
        "[N|ID|PATH]",
        "runs the code of a run again over its recorded answers, asks no model, shows differences",
        _replay,
    ),
    "save": Command("[PATH]", "writes the trace notebook, beside the notebook or where you say", _save),
    "cost": Command("", "shows what the last run, this session and this kernel have used, and what it cost", _cost),
    "models": Command("", "shows which model is asked, why, and how to choose another", _models),
    "help": Command("", "lists the commands", _help),
}
