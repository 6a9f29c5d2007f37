"""The tools that a user gives to model code: values by name, or ``{"tool": ..., "description": ...}``."""

from __future__ import annotations

from collections.abc import Mapping
from keyword import iskeyword
from typing import Any

from rlm_jupyter.core.errors import ConfigurationError
from rlm_jupyter.core.scaffold_names import is_numbered

from .scaffold import RESERVED_NAMES

__all__ = ["check_tools", "tool_values"]


def check_tools(tools: Mapping[str, Any]) -> None:
    """Raise ``ConfigurationError`` for names that tools cannot have."""
    reserved = sorted(name for name in tools if name in RESERVED_NAMES or is_numbered(name))
    if reserved:
        msg = f"Custom tools cannot be named {', '.join(reserved)}: these names are reserved. Choose other names."
        raise ConfigurationError(msg)
    unusable = sorted(name for name in tools if not name.isidentifier() or iskeyword(name))
    if unusable:
        msg = f"Custom tools must be named by identifiers; these are not: {', '.join(unusable)}."
        raise ConfigurationError(msg)


def tool_values(tools: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tools' values by name; raises ``ConfigurationError`` for names that they cannot have."""
    check_tools(tools)
    return {name: tool["tool"] if isinstance(tool, dict) and "tool" in tool else tool for name, tool in tools.items()}
