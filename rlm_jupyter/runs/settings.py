"""What an ``RLM`` was told, sorted into small frozen parts; the rest of the package sees only these."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rlm_jupyter.core.limits import Limits
from rlm_jupyter.core.protocols import Client

__all__ = ["Callbacks", "Origin", "Prompting", "Setup"]


@dataclass(frozen=True, slots=True)
class Prompting:
    """What is said to the model besides the question."""

    system_prompt: str | None = None
    prologue: str | None = None
    tools: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Callbacks:
    """Called as a run goes on: ``start(depth, iteration)``, ``complete(depth, iteration, seconds)``."""

    on_iteration_start: Callable[[int, int], None] | None = None
    on_iteration_complete: Callable[[int, int, float], None] | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a run was started: the session and its turn, the notebook and its cell, as far as known."""

    session_id: str | None = None
    turn: int | None = None
    notebook: str | None = None
    cell_id: str | None = None


@dataclass(frozen=True, slots=True)
class Setup:
    """All that an ``RLM`` was told. ``sampling`` goes to the model's API, ``secrets`` are kept out of every trace."""

    client: Client
    backend: str
    environment: str
    environment_kwargs: Mapping[str, Any]
    persistent: bool
    limits: Limits
    prompting: Prompting
    callbacks: Callbacks
    sampling: Mapping[str, Any]
    secrets: tuple[str, ...] = field(repr=False)
