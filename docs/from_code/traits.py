"""What traitlets says of a setting, in words."""

from __future__ import annotations

from math import isfinite
from pathlib import Path
from typing import Any

from jupyter_core.paths import jupyter_data_dir
from traitlets import (
    Bool,
    Dict,
    Enum,
    Float,
    HasTraits,
    Integer,
    List,
    TraitType,
    Unicode,
    Union,
)

from rlm_jupyter.server.extension import RLMExtension

from .markdown import code, text

__all__ = ["default_text", "own_settings", "setting_row", "type_text"]

_TYPES: tuple[tuple[type[TraitType[Any, Any]], str], ...] = (
    (Bool, "True or False"),
    (Integer, "whole number"),
    (Float, "number"),
    (Unicode, "text"),
    (Dict, "dict"),
    (List, "list"),
)


def own_settings(*kinds: type[HasTraits]) -> dict[str, TraitType[Any, Any]]:
    """Return the settings that these classes of ours define themselves, in the order of their definition."""
    return {
        name: trait
        for kind in kinds
        for name, trait in vars(kind).items()
        if isinstance(trait, TraitType) and trait.metadata.get("config")
    }


def setting_row(name: str, trait: TraitType[Any, Any]) -> tuple[str, str, str, str]:
    """Return a row of a table: the setting, its type, its default, and what it is for."""
    return code(name), type_text(trait), default_text(trait), text(str(trait.help))


def type_text(trait: TraitType[Any, Any]) -> str:
    """Return what values a setting takes."""
    if isinstance(trait, Union):
        told = " or ".join(type_text(each) for each in trait.trait_types)
    elif isinstance(trait, Enum):
        told = ", ".join(code(str(each)) for each in trait.values or () if each != "")
    else:
        told = next(name for kind, name in _TYPES if isinstance(trait, kind))
        least = getattr(trait, "min", None)
        told += f", at least {least:,}".removesuffix(".0") if least is not None and isfinite(least) else ""
    return f"{told}, or None" if trait.allow_none else told


def default_text(trait: TraitType[Any, Any]) -> str:
    """Return the value that a setting has unless somebody sets it."""
    if trait is RLMExtension.store_path:  # where a user's data is differs; what is below that folder does not
        below = Path(RLMExtension().store_path).relative_to(jupyter_data_dir()).as_posix()
        return f"{code(below)} in Jupyter's data directory"
    value = trait.default()
    if value == "":
        return "none"
    return code(f"{value:_}" if type(value) is int and value >= 10_000 else repr(value))
