"""The environments of an ``RLM``: one that is kept, or one for each question."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rlm_jupyter.core.protocols import Environment
from rlm_jupyter.environments.choice import get_environment, made_aside

from .settings import Setup

__all__ = ["Kept"]


@dataclass(slots=True)
class Kept:
    """The environment that outlives a completion, shared by an ``RLM`` and those derived from it."""

    environment: Environment | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    async def made(self, setup: Setup) -> Environment | None:
        """Make, beside the event loop, what the next question needs; None where it is there."""
        if self.environment is not None:
            return None
        return await made_aside(setup.environment, setup.environment_arguments)

    @contextmanager
    def held(self, setup: Setup, made: Environment | None = None) -> Iterator[Environment]:
        """Hold the environment for a question: the kept one, which takes one at a time, or one of its own.

        ``made`` is a new one, where it was made already.
        """
        try:
            if setup.persistent:
                with self._taken():
                    if self.environment is None:
                        self.environment, made = made if made is not None else _new(setup), None
                    yield self.environment
                return
            made = made if made is not None else _new(setup)
            yield made
        finally:
            if made is not None:
                made.cleanup()

    @contextmanager
    def _taken(self) -> Iterator[None]:
        """Keep other questions out, so that one that comes too early changes nothing; raises ``RuntimeError`` then."""
        if not self._lock.acquire(blocking=False):
            msg = "Another run is at work in this REPL: wait for it, or use a REPL of its own for this one."
            raise RuntimeError(msg)
        try:
            yield
        finally:
            self._lock.release()

    def cleanup(self) -> None:
        """Give the kept environment up."""
        environment, self.environment = self.environment, None
        if environment is not None:
            environment.cleanup()


def _new(setup: Setup) -> Environment:
    return get_environment(setup.environment, setup.environment_arguments)
