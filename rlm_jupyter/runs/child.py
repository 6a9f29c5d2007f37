"""One child run, ready to be performed in this process or, pickled, in another."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rlm_jupyter.core.errors import ConfigurationError, LimitExceededError
from rlm_jupyter.core.results import RLMChatCompletion
from rlm_jupyter.environments.choice import get_environment

from .question import Question
from .remote import Outcome, RemoteChild
from .resumed import Resumed

if TYPE_CHECKING:
    from rlm_jupyter.core.scope import Scope

    from .earlier import EarlierRun
    from .settings import Origin, Setup
    from .shares import Shares
    from .tree import Tree

__all__ = ["Child"]

_NOT_AWAITED = "its answer is no longer awaited"


class Child:
    """A question to a child run. Any executor can call it; one that pickles it gets what another process needs.

    ``width`` is how many children may be under way at the same time.
    """

    def __init__(
        self, tree: Tree, scope: Scope, setup: Setup, prompt: Any, origin: Origin, shares: Shares, width: int
    ) -> None:
        self._tree = tree
        self._scope = scope
        self.setup = setup
        self.prompt = prompt
        self._origin = origin
        self._shares = shares
        self._width = width
        self._remote: RemoteChild | None = None
        self._own: Scope | None = None
        self._cancelled = False
        self.earlier: EarlierRun | None = None
        """What is recorded of it in a run that is taken up again."""
        self.elsewhere: Future[Any] | None = None
        """What an executor gives back of it."""

    def __call__(self) -> RLMChatCompletion:
        """Perform the run in this thread, outside the cell that asked for it."""
        return self._tree.context.copy().run(self.perform)

    def __reduce__(self) -> tuple[Any, ...]:
        """Turn into what runs in another process, with a share of what the tree may still spend."""
        if self._tree.steering.reviewer is not None:
            msg = "Nobody can review code that runs in another process: leave out executor=, or the reviewer."
            raise ConfigurationError(msg)
        if self._remote is None:
            share = self._shares.take(self, self._width)
            values = self._tree.recorder.values_left // self._width
            setup = replace(self.setup, limits=replace(self.setup.limits, **share), record_limit=values)
            self._remote = RemoteChild.of(setup, self.prompt, self._shares.leash, self._shares.prices)
        return RemoteChild, (self._remote.payload,)

    def completed(self, outcome: Outcome) -> RLMChatCompletion:
        """Return the result of the run that another process performed, its trace now part of this one's."""
        self._shares.give_back(self, self.setup.model.name, outcome.used)
        trace = self._tree.recorder.trace.part(self.record(outcome))
        if isinstance(outcome.error, LimitExceededError):
            outcome.error.args = (f"{outcome.error} (These are the child's share of the limits.)",)
        if outcome.error is not None:
            outcome.error.trace = trace if trace.root is not None else None
            raise outcome.error
        return RLMChatCompletion(
            root_model=self.setup.model.name,
            prompt=self.prompt,
            response=outcome.answer,
            usage_summary=trace.usage,
            execution_time=outcome.seconds,
            trace=trace,
        )

    def record(self, outcome: Outcome) -> str:
        """Make what another process recorded part of this trace, unless the run is over; return the run's span."""
        place = self._origin
        return self._tree.recorder.graft(outcome.events, place.span, batch=place.batch, index=place.index)

    def leave(self, *, begun: bool = True) -> None:
        """Settle the child's share, however it ended. May be called twice.

        Of one that was carried away and has not come back, all counts as spent; unless it never was ``begun``.
        """
        if begun and self._remote is not None:
            self._shares.give_up(self, self.setup.model.name)
        else:
            self._shares.give_back(self, self.setup.model.name)

    def cancel(self) -> None:
        """End this child alone: nobody waits for its answer any more. In another process it ends with the whole run."""
        self._cancelled = True
        own, elsewhere = self._own, self.elsewhere
        if own is not None:
            own.cancel(_NOT_AWAITED)
        if elsewhere is not None:
            elsewhere.cancel()

    def perform(self) -> RLMChatCompletion:
        """Return the child's result. Raises what ended it."""
        from .preparation import Preparation

        setup = self.setup
        scope = self._own = self._scope.child()
        if self._cancelled:
            scope.cancel(_NOT_AWAITED)
        scope.check()
        environment = get_environment(setup.environment, setup.environment_arguments)
        try:
            question = Question(self.prompt, origin=self._origin)
            resumed = Resumed(self.earlier) if self.earlier is not None else None
            prepared = Preparation(self._tree, scope, setup, environment, question, resumed=resumed)
            return prepared.completion(prepared.run.perform(prepared.loop))
        finally:
            scope.leave()
            environment.cleanup()
