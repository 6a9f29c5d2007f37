"""What the environments' constructors refuse, said once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rlm_jupyter.core.errors import ConfigurationError

from .tools import check_tools

__all__ = ["check_arguments"]

_TIMES = ("cell_timeout", "startup_timeout", "subcall_timeout")


def check_arguments(arguments: Mapping[str, Any]) -> None:
    """Raise ``ConfigurationError`` for tools, times and numbers that cannot be used, as far as they are given."""
    check_tools(arguments.get("custom_tools") or {})
    for name in _TIMES:
        _check_time(name, arguments.get(name))
    width = arguments.get("max_concurrent_subcalls", 1)
    if not isinstance(width, int) or isinstance(width, bool) or width < 1:
        msg = f"max_concurrent_subcalls is a number of calls, 1 or more; this is {width!r}."
        raise ConfigurationError(msg)
    setup = arguments.get("setup_code")
    if setup is not None and not isinstance(setup, str):
        msg = f"setup_code is the text of a cell; this is of type {type(setup).__name__}."
        raise ConfigurationError(msg)


def _check_time(name: str, seconds: object) -> None:
    if seconds is None or (isinstance(seconds, int | float) and not isinstance(seconds, bool) and seconds > 0):
        return
    msg = f"{name} is a number of seconds above 0, or None for no limit; this is {seconds!r}."
    raise ConfigurationError(msg)
