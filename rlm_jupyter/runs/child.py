"""One child run, ready to be performed in this process or, pickled, in another."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rlm_jupyter.core.errors import LimitExceededError
from rlm_jupyter.core.results import RLMChatCompletion
from rlm_jupyter.environments.choice import get_environment

from .remote import Outcome, RemoteChild

if TYPE_CHECKING:
    from rlm_jupyter.core.scope import Scope

    from .settings import Origin, Setup
    from .shares import Shares
    from .tree import Tree

__all__ = ["Child"]


class Child:
    """A question to a child run. Any executor can call it; one that pickles it gets what another process needs.

    ``parts`` is how many children, this one among them, may be under way at the same time.
    """

    def __init__(
        self, tree: Tree, scope: Scope, setup: Setup, prompt: Any, origin: Origin, shares: Shares, parts: int
    ) -> None:
        self._tree = tree
        self._scope = scope
        self.setup = setup
        self.prompt = prompt
        self._origin = origin
        self._shares = shares
        self._parts = parts
        self._remote: RemoteChild | None = None

    def __call__(self) -> RLMChatCompletion:
        """Perform the run in this thread, outside the cell that asked for it."""
        return self._tree.context.copy().run(self.perform)

    def __reduce__(self) -> tuple[Any, ...]:
        """Turn into what runs in another process, with a share of what the tree may still spend."""
        if self._remote is None:
            share = self._shares.take(self, self._parts)
            setup = replace(self.setup, limits=replace(self.setup.limits, **share))
            self._remote = RemoteChild.of(setup, self.prompt, self._shares.leash, self._shares.prices)
        return RemoteChild, (self._remote.payload,)

    def completed(self, outcome: Outcome) -> RLMChatCompletion:
        """Return the result of the run that another process performed, its trace now part of this one's."""
        self._shares.give_back(self, outcome.usage)
        recorder = self._tree.recorder
        place = self._origin
        span = recorder.graft(outcome.events, place.span, batch=place.batch, index=place.index)
        trace = recorder.trace.part(span)
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

    def leave(self) -> None:
        """Give back what is left of the child's share, however it ended. May be called twice."""
        self._shares.give_back(self)

    def perform(self) -> RLMChatCompletion:
        """Return the child's result. Raises what ended it."""
        from .preparation import Preparation, Question

        setup = self.setup
        scope = self._scope.child()
        scope.check()
        environment = get_environment(setup.environment, setup.environment_arguments)
        try:
            question = Question(self.prompt, origin=self._origin)
            prepared = Preparation(self._tree, scope, setup, environment, question)
            return prepared.completion(prepared.run.perform(prepared.loop))
        finally:
            scope.leave()
            environment.cleanup()
