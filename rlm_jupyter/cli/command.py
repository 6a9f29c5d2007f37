"""What all commands have in common: the configuration file, the exit codes, and what is said of bad input."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

from jupyter_core.application import JupyterApp
from traitlets import TraitError
from traitlets.config import Application
from traitlets.config.loader import ArgumentError, KVArgParseConfigLoader

from rlm_jupyter.trace.artifacts.inert import without_controls

__all__ = ["FAILED", "INTERRUPTED", "USAGE", "Command", "Group", "leave_pipe", "say", "tell"]

FAILED, USAGE, INTERRUPTED = 1, 2, 130
"""How a command exits that could not do its work, was not understood, or was interrupted."""

_CONFIG = "jupyter_rlm_config"


class _StrictLoader(KVArgParseConfigLoader):
    """Refuses an option that there is not, where traitlets says so and goes on without."""

    def _handle_unrecognized_alias(self, arg: str) -> None:
        msg = f"There is no option --{arg.lstrip('-').partition('=')[0]}."
        raise ArgumentError(msg)

    def _create_parser(self, *arguments: Any) -> None:
        super()._create_parser(*arguments)
        self.parser.parse_args = self.parser.parse_intermixed_args  # type: ignore[method-assign]  # QUESTION --context a b


class Command(JupyterApp):
    """A command; its options can be set in ``jupyter_rlm_config.py`` as well, under the name of its class."""

    version = version("rlm-jupyter")
    config_file_name = _CONFIG
    failure = FAILED
    """How it exits when it cannot do its work."""
    runs_code = False
    """Whether it executes code, which then finds the modules of the working folder."""

    def start(self) -> None:
        """Do what was asked, and say what came of it."""
        super().start()
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(
                errors="backslashreplace"
            )  # half a character has no bytes, nor all others everywhere
        if self.runs_code:
            _find_modules_here()
        try:
            self.work()
            sys.stdout.flush()
        except KeyboardInterrupt:
            sys.exit(INTERRUPTED)
        except BrokenPipeError:  # whoever read the output has enough of it
            leave_pipe()

    def work(self) -> None:
        """Do the command's work; exits with its code."""

    def exit(self, exit_status: int | str | None = 0) -> NoReturn:
        """Exit; traitlets has 1 for what it does not understand, and everybody else 2."""
        sys.exit(USAGE if exit_status else 0)

    def parse_command_line(self, argv: list[str] | None = None) -> None:
        """Take the options in, and say of a wrong one how the command is used."""
        parse = getattr(Application.parse_command_line, "__wrapped__")  # noqa: B009 - what logs the error as critical
        try:
            parse(self, argv)
        except (ArgumentError, TraitError) as error:
            self.misused(str(error))

    def misused(self, message: str) -> NoReturn:
        """Say how the command is to be used, and exit."""
        say(f"{message}\nSee: {self.name.replace('-', ' ')} --help")
        sys.exit(USAGE)

    def failed(self, message: object) -> NoReturn:
        """Say why the work could not be done, and exit."""
        say(str(message))
        sys.exit(self.failure)

    def _create_loader(self, argv: Any, aliases: Any, flags: Any, classes: Any) -> KVArgParseConfigLoader:
        return _StrictLoader(argv, aliases, flags, classes=classes, log=self.log, subcommands=self.subcommands)


class Group(Command):
    """A command that has others below it."""

    def parse_command_line(self, argv: list[str] | None = None) -> None:
        """Refuse a command that there is not, also when its help is asked for."""
        words = sys.argv[1:] if argv is None else argv
        if words and not words[0].startswith("-") and words[0] not in self.subcommands:
            self._ask_for_command(words[0])
        super().parse_command_line(argv)

    def work(self) -> None:
        """Without a command to start, say which there are."""
        self._ask_for_command("")

    def _ask_for_command(self, said: str) -> NoReturn:
        which = f"There is no {said!r}." if said else "Which one?"
        named = f"{self.name.replace('-', ' ')} {{{'|'.join(self.subcommands)}}}"
        self.misused(f"{which} {named}")


def _find_modules_here() -> None:
    """Have code find the working folder's modules, as in a kernel: a script that was installed does not look there."""
    with contextlib.suppress(OSError):  # the folder was deleted
        here = str(Path.cwd())
        if here not in sys.path and not getattr(sys.flags, "safe_path", False):
            sys.path.append(here)


def leave_pipe() -> NoReturn:
    """Exit when nobody reads the output any more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(FAILED)


def say(text: str) -> None:
    """Write a line for people to the terminal, and nothing that it would obey: not among what the command returns."""
    sys.stderr.write(f"{without_controls(text)}\n")
    sys.stderr.flush()


def tell(text: str) -> None:
    """Write what the command returns: as it is, but to a terminal nothing that it would obey."""
    sys.stdout.write(without_controls(text) if sys.stdout.isatty() else text)
