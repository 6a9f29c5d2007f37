"""The options of ``%rlm`` and ``%%rlm``, and how a line is told apart into options and a question."""

from __future__ import annotations

import re
from argparse import Namespace
from collections.abc import Mapping
from typing import Any

from IPython.core.error import UsageError
from IPython.core.magic_arguments import MagicArgumentParser
from IPython.utils._process_common import arg_split

__all__ = ["own_arguments", "parse_options", "split_line"]

_OPTION = re.compile(r"""\s*(?P<name>--?[a-zA-Z][\w-]*)(?:=(?P<value>"[^"]*"|'[^']*'|\S+))?(?=\s|$)""")
_VALUE = re.compile(r"""\s+("[^"]*"|'[^']*'|\S+)""")

_TAKES_NO_VALUE = {"--cache": "name the file with %config RLMMagics.cache = 'PATH'"}
"""What to do instead, by the flag that was given a value."""


def split_line(line: str, parser: MagicArgumentParser) -> tuple[str, str]:
    """Return the options at the beginning of a line, and the rest as it was written.

    The question is prose: it may hold an apostrophe, which a shell-like parser would take for a quotation.
    """
    position = 0
    while match := _OPTION.match(line, position):
        if match["name"] == "--":
            break
        position = match.end()
        if match["value"] is None and _takes_value(parser, match["name"]):
            value = _VALUE.match(line, position)
            position = value.end() if value is not None else position
    return line[:position], line[position:].strip()


def parse_options(options: str, parser: MagicArgumentParser) -> Namespace:
    """Return the options' values. Raises ``UsageError`` for what is no option, or lacks its value."""
    try:
        words = arg_split(options, posix=False)
    except ValueError as error:
        msg = f"{error} in: {options.strip()}"
        raise UsageError(msg) from None
    flags = {name for name in _actions(parser) if not _takes_value(parser, name)}
    for word in words:
        name, equals, _ = word.partition("=")
        if equals and name in flags:
            msg = f"{name} takes no value: {_TAKES_NO_VALUE.get(name, f'write {name} alone')}."
            raise UsageError(msg)
    return parser.parse_args([_unquoted(word) for word in words])


def own_arguments(setting: str, values: Mapping[str, Any], otherwise: Mapping[str, str]) -> dict[str, Any]:
    """Return the arguments that ``RLMMagics.setting`` holds.

    Raises ``UsageError`` for a name that is said ``otherwise``, by name: the message tells how.
    """
    for name, how in otherwise.items():
        if name in values:
            msg = f"RLMMagics.{setting}: leave {name} out of it, {how}."
            raise UsageError(msg)
    return dict(values)


def _takes_value(parser: MagicArgumentParser, name: str) -> bool:
    action = _actions(parser).get(name)
    return action is not None and action.nargs != 0


def _actions(parser: MagicArgumentParser) -> dict[str, Any]:
    """Return the options by their names: argparse tells of them in this attribute only."""
    actions: dict[str, Any] = parser._option_string_actions  # noqa: SLF001
    return actions


def _unquoted(word: str) -> str:
    """Return the word without the quotation marks around the whole of it, or of its value: ``--context="a b"``."""
    name, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" and value[0] not in value[1:-1]:
        value = value[1:-1]
    return name + equals + value if equals or not name else word
