"""What an ``RLM`` was told, sorted into small frozen parts; the rest of the package sees only these."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from typing import Any

from rlm_jupyter.core.compaction import Compaction
from rlm_jupyter.core.limits import Limits

from .models import Model, Models

__all__ = ["RECORD_LIMIT", "Callbacks", "Origin", "Prompting", "Recursion", "Setup"]

RECORD_LIMIT = 200_000
"""Characters of values that a trace holds in full, unless another limit is given."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Prompting:
    """What is said to the model besides the question.

    ``prologue`` stands in the message that asks the root's question; ``orchestrator``: also how to divide the work.
    """

    system_prompt: str | None = None
    prologue: str | None = None
    tools: Mapping[str, Any] = field(default_factory=dict)
    orchestrator: bool = True


@dataclass(frozen=True, slots=True)
class Callbacks:
    """Called as a run goes on; ``depth`` is 0 for the root, and seconds are how long it took.

    ``on_iteration_start(depth, iteration)``, ``on_iteration_complete(depth, iteration, seconds)``; for child runs
    ``on_subcall_start(depth, model, prompt_preview)``, ``on_subcall_complete(depth, model, seconds, error_or_none)``.
    """

    on_iteration_start: Callable[[int, int], None] | None = None
    on_iteration_complete: Callable[[int, int, float], None] | None = None
    on_subcall_start: Callable[[int, str, str], None] | None = None
    on_subcall_complete: Callable[[int, str, float, str | None], None] | None = None

    def call(self, name: str, *arguments: Any) -> None:
        """Call one of them, if it is there; what it raises is reported as a warning, and the run goes on."""
        callback = getattr(self, name)
        if callback is None:
            return
        try:
            callback(*arguments)
        except Exception as error:  # noqa: BLE001 - the user's code
            _report(name, error)


def _report(name: str, error: Exception) -> None:
    """Warn of what a callback raised, or log it where warnings are made errors: it must not end the run."""
    try:
        said = str(error)
    except Exception:  # noqa: BLE001 - an exception of the user's that cannot say what it is
        said = "an error without a text"
    told = f"{name} raised {type(error).__name__}: {said}. The run goes on."
    try:
        warnings.warn(told, stacklevel=3)
    except Exception:  # noqa: BLE001 - a filter or a showwarning of the user's
        _log.warning("%s", told, exc_info=error)


@dataclass(frozen=True, slots=True)
class Recursion:
    """How the runs below are made: where their code runs, what it finds there, how their models are sampled.

    ``executor`` runs the children of the root, elsewhere than in threads of this process.
    """

    environment: str = "local"
    environment_kwargs: Mapping[str, Any] = field(default_factory=dict)
    tools: Mapping[str, Any] = field(default_factory=dict)
    sampling: Mapping[str, Any] = field(default_factory=dict)
    executor: Executor | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a run was started: the session and its turn, the notebook and its cell, as far as known.

    ``settings`` are the notebook's own, with which its session can be taken up again; they are to be plain JSON.
    ``expression`` is what the notebook calls the context. Of a child run: the code span that asked for it, and its
    place in a batch.
    """

    session_id: str | None = None
    turn: int | None = None
    notebook: str | None = None
    cell_id: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    expression: str | None = None
    span: str | None = None
    batch: str | None = None
    index: int | None = None


@dataclass(frozen=True, slots=True)
class Setup:
    """All that an ``RLM`` was told. ``sampling`` goes to the model's API, ``secrets`` are kept out of every trace.

    ``depth`` is that of the run; of one that another run started (``below``), ``asked`` is the model that was named.
    ``record_limit`` is how many characters of values the trace holds in full, ``window`` how many tokens a model of the
    tree can read, where that was told.
    """

    models: Models
    backend: str
    environment: str
    environment_kwargs: Mapping[str, Any]
    persistent: bool
    limits: Limits
    prompting: Prompting
    callbacks: Callbacks
    recursion: Recursion
    sampling: Mapping[str, Any]
    secrets: tuple[str, ...] = field(repr=False)
    depth: int = 0
    below: bool = False
    asked: str | None = None
    compaction: Compaction | None = None
    window: int | None = None
    record_limit: int = RECORD_LIMIT

    @property
    def model(self) -> Model:
        """The model that the run's own replies come from."""
        return self.models.below(self.asked) if self.below else self.models.root

    @property
    def environment_arguments(self) -> dict[str, Any]:
        """What the environment is made with."""
        tools = {"custom_tools": self.prompting.tools} if self.prompting.tools else {}
        return {**self.environment_kwargs, **tools}

    @property
    def is_plain(self) -> bool:
        """Whether the run is a plain model call: it is as deep as runs may be."""
        return self.depth >= self.limits.max_depth

    @property
    def may_recurse(self) -> bool:
        """Whether the run may have children; at the depth limit they are plain model calls."""
        return self.depth + 1 < self.limits.max_depth

    def child(self, asked: str | None) -> Setup:
        """Return what a child run is told. Its own children run in threads, wherever it runs itself."""
        return replace(
            self,
            environment=self.recursion.environment,
            environment_kwargs=self.recursion.environment_kwargs,
            persistent=False,
            prompting=replace(self.prompting, prologue=None, tools=self.recursion.tools),
            recursion=replace(self.recursion, executor=None),
            sampling=self.recursion.sampling,
            depth=self.depth + 1,
            below=True,
            asked=asked,
            compaction=self._compaction_below(self.models.below(asked).name),
        )

    def _compaction_below(self, model: str) -> Compaction | None:
        if self.compaction is None or model == self.model.name:
            return self.compaction
        return self.compaction.for_model(model)
