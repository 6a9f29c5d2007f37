"""magics.md: the options of ``%rlm`` and ``%%rlm``, and the commands of ``%rlm``."""

from __future__ import annotations

from argparse import Action
from typing import Any

from rlm_jupyter.magics.commands import COMMANDS
from rlm_jupyter.magics.defaults import Defaults
from rlm_jupyter.magics.rlm_magics import RLMMagics

from .markdown import code, paragraphs, prose, sentence, table, text
from .traits import default_text

__all__ = ["magics_page"]

_SETTINGS = {"env": "environment", "no_trace": "trace", "no_cache": "cache"}
"""The settings that hold the default of an option of another name."""

_PARSER: Any = RLMMagics.rlm.parser


def magics_page() -> str:
    """Return the page."""
    commands = (
        (code(f"%rlm {name} {command.usage}".rstrip()), sentence(command.purpose)) for name, command in COMMANDS.items()
    )
    return paragraphs(
        "# `%rlm` and `%%rlm`",
        prose(_PARSER.description),
        "```text\n%%rlm [options]\nthe question, in the cell below the line\n```",
        "```text\n%rlm [options] the question\n%rlm [command] [argument]\n```",
        "`%load_ext rlm_jupyter` brings both. `%%rlm?` shows the options in a notebook, `%rlm help` the commands. "
        "How one asks with them is told in [asking](../guides/asking.md).",
        "## Options",
        "They stand on the line, before the question. A value with spaces stands in quotation marks. Where a setting "
        "holds the default, `%config RLMMagics.NAME = VALUE` changes it for every question: see "
        "[settings](settings.md).",
        table(("option", "setting and its default", "what it does"), map(_option_row, _options())),
        "## Commands",
        "A line is a command when its first word is one and at most one argument stands behind it: `%rlm history` is a "
        "command, `%rlm history of Rome?` is a question. `[options]` are those above.",
        table(("command", "what it does"), commands),
    )


def _options() -> list[Action]:
    """Return what the magics' parser takes, in its order: argparse tells of it in this attribute only."""
    return [action for action in _PARSER._actions if action.dest != "help"]  # noqa: SLF001


def _option_row(action: Action) -> tuple[str, str, str]:
    name = action.option_strings[-1]
    takes = "" if action.nargs == 0 else f" {_value_of(action)}"
    setting = _SETTINGS.get(action.dest, action.dest)
    trait = Defaults.class_traits(config=True).get(setting)
    default = f"{code(setting)}: {default_text(trait)}" if trait is not None else ""
    return code(f"{name}{takes}"), default, text(str(action.help))


def _value_of(action: Action) -> str:
    if action.choices is not None:
        return "{" + ",".join(map(str, action.choices)) + "}"
    return str(action.metavar or action.dest.upper())
