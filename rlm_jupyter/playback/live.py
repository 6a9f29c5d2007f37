"""Asks models what a recording does not hold."""

from __future__ import annotations

from typing import Any

from rlm_jupyter.clients.io_thread import submit
from rlm_jupyter.core.limits import Limits
from rlm_jupyter.runs.children import Children
from rlm_jupyter.runs.models import Models
from rlm_jupyter.runs.recorded import live_backend
from rlm_jupyter.runs.settings import Callbacks, Prompting, Recursion, Setup
from rlm_jupyter.runs.subcalls import Subcalls
from rlm_jupyter.runs.tree import Tree
from rlm_jupyter.trace.recorder import Recorder
from rlm_jupyter.trace.redaction import Redactor, secrets_in
from rlm_jupyter.trace.schema import RunStart

__all__ = ["LiveQueries", "live_queries"]

_LIMITS = Limits(max_depth=2)  # what rlm_query asks is a run, whose own calls are plain ones


def live_queries(live: Any) -> LiveQueries | None:
    """Return who answers what is not recorded, to be closed; None for False, when nobody does.

    ``live`` is True for the model that ``RLM`` would ask, or a backend and its arguments. Raises ``ConfigurationError``
    for anything else, and for a backend that cannot be used.
    """
    if live is False or live is None:
        return None
    choice = live_backend(live)
    return LiveQueries(choice.backend, dict(choice.backend_kwargs), choice.notice)


class LiveQueries(Subcalls):
    """Answers as the calls of a run's code are answered, with a run of nobody's around them.

    ``notice`` is to be shown to the user, where there is something to say about the model that was chosen.
    """

    def __init__(self, backend: str, arguments: dict[str, Any], notice: str | None = None) -> None:
        self.notice = notice
        self._owned = models = Models((backend, arguments))
        setup = Setup(
            models=models,
            backend=backend,
            environment="local",
            environment_kwargs={},
            persistent=False,
            limits=_LIMITS,
            prompting=Prompting(),
            callbacks=Callbacks(),
            recursion=Recursion(),
            sampling={},
            secrets=(*models.secrets, *secrets_in(arguments)),
        )
        recorder = Recorder(Redactor(setup.secrets))
        recorder.start(
            RunStart(question="", model=models.root.name, backend=backend, environment="local", max_iterations=1)
        )
        tree = Tree(setup.limits, recorder)
        width = setup.limits.max_concurrent_subcalls
        super().__init__(tree, tree.scope, setup, width, Children(tree, tree.scope, setup, width))

    def close(self) -> None:
        """End what is still under way, and close the connections. May be called twice."""
        self._scope.cancel("what asked is over")
        submit(self._closed()).result(timeout=5)

    async def _closed(self) -> None:
        for client in self._owned.own:
            await client.aclose()
