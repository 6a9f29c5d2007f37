"""A child run in another process: what is carried there, and what comes back."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from rlm_jupyter.clients.io_thread import submit
from rlm_jupyter.core.errors import CancellationError, ConfigurationError, InterruptedRun, RLMError
from rlm_jupyter.core.meter import Dearest
from rlm_jupyter.core.usage import Usage
from rlm_jupyter.environments.choice import get_environment
from rlm_jupyter.trace.recorder import Recorder
from rlm_jupyter.trace.redaction import Redactor
from rlm_jupyter.trace.schema import event_adapter

from .leash import LeashEnd, held
from .question import Question
from .settings import Callbacks, Setup
from .tree import Tree

if TYPE_CHECKING:
    from rlm_jupyter.trace.schema import Event

__all__ = ["Outcome", "RemoteChild"]


@dataclass(slots=True)
class Outcome:
    """What a child run in another process gave: its answer, or the error that ended it, and what it recorded."""

    answer: str = ""
    error: RLMError | None = None
    seconds: float = 0.0
    used: Usage = field(default_factory=Usage)
    """What counts against the share of the limits: requests that were lost are in it, as estimates."""

    records: list[str] = field(default_factory=list)

    @property
    def events(self) -> list[Event]:
        """The events of the run."""
        return [event_adapter.validate_json(record) for record in self.records]


@dataclass(frozen=True, slots=True)
class RemoteChild:
    """A child run as bytes; called in the other process, where this package is to be installed, it performs the run."""

    payload: bytes = field(repr=False)

    @classmethod
    def of(cls, setup: Setup, prompt: Any, leash: LeashEnd, prices: Mapping[str, Dearest]) -> RemoteChild:
        """Pack a child run. Raises ``ConfigurationError`` when something of it cannot be carried."""
        import cloudpickle

        portable = replace(setup, callbacks=Callbacks())
        try:
            return cls(cloudpickle.dumps((portable, prompt, leash, prices)))
        except Exception as error:  # whatever an object's own pickling raises
            msg = (
                f"The child cannot be carried to the executor's process: {error}. Its prompt, custom_sub_tools, "
                "backend_kwargs and child_environment_kwargs must be picklable; or leave out executor=."
            )
            raise ConfigurationError(msg) from error

    def __call__(self) -> Outcome:
        """Perform the run; an error is in the outcome, with all that was recorded until then."""
        import cloudpickle

        setup, prompt, leash, prices = cloudpickle.loads(self.payload)
        recorder = Recorder(Redactor(setup.secrets), record_limit=setup.record_limit)
        tree = Tree(setup.limits, recorder, prices)
        outcome, began = Outcome(), time.perf_counter()
        try:
            with held(leash, lambda: tree.scope.cancel("the run that started it has ended")):
                outcome.answer = _performed(tree, setup, prompt)
        except RLMError as error:
            outcome.error, error.trace = error, None
        except KeyboardInterrupt as interrupt:
            partial = interrupt.partial_answer if isinstance(interrupt, InterruptedRun) else None
            outcome.error = CancellationError("The child run was interrupted.", partial_answer=partial)
        except Exception as error:  # noqa: BLE001 - it goes to the process that asked
            outcome.error = RLMError(f"{type(error).__name__}: {error}")
        finally:
            for client in setup.models.clients:
                submit(client.aclose()).result(timeout=5)
        outcome.seconds = time.perf_counter() - began
        outcome.used = tree.meter.used
        outcome.records = [event.model_dump_json() for event in recorder.trace.events]
        return outcome


def _performed(tree: Tree, setup: Setup, prompt: Any) -> str:
    from .preparation import Preparation

    arguments: Mapping[str, Any] = setup.environment_arguments
    environment = get_environment(setup.environment, arguments)
    try:
        prepared = Preparation(tree, tree.scope, setup, environment, Question(prompt))
        return prepared.run.perform(prepared.loop)
    finally:
        environment.cleanup()
