"""The versions of the schema: an event of an earlier one is brought up to ours, one of a later one is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from rlm_jupyter.trace.schema import SCHEMA_VERSION

__all__ = ["TraceVersionError", "refuse_newer", "upgraded"]

_Fields: TypeAlias = dict[str, Any]


class TraceVersionError(ValueError):
    """A newer version than this one wrote the trace, and this one cannot read it."""


def refuse_newer(version: object, source: str) -> None:
    """Raise ``TraceVersionError`` when the version is one that does not exist yet; ``source`` names the file."""
    if isinstance(version, int) and version > SCHEMA_VERSION:
        msg = (
            f"{source} was written by a newer rlm-jupyter (trace schema {version}; this one reads up to "
            f"{SCHEMA_VERSION}). Upgrade to read it: pip install -U rlm-jupyter"
        )
        raise TraceVersionError(msg)


def upgraded(fields: Mapping[str, Any]) -> _Fields:
    """Return the fields of an event as the schema has them now. Raises ``ValueError`` for what has no version."""
    told = dict(fields)
    version = told.get("version")
    if type(version) is not int or not 1 <= version <= SCHEMA_VERSION:
        msg = f"An event has a version from 1 to {SCHEMA_VERSION}, not {version!r}."
        raise ValueError(msg)
    for earlier in range(version, SCHEMA_VERSION):
        told = {**_UPGRADES[earlier](told), "version": earlier + 1}
    return told


def _values_and_inputs(told: _Fields) -> _Fields:
    """Version 2 says more (``value``, ``inputs``, ``resumes``, ``encoding``), and nothing in another way."""
    return told


_UPGRADES: dict[int, Callable[[_Fields], _Fields]] = {1: _values_and_inputs}
"""What makes an event of this version one of the next."""
