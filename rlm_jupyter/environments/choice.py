"""Makes an environment by name."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import inspect
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, InvalidStateError
from functools import partial
from typing import Any

from rlm_jupyter.core.errors import ConfigurationError
from rlm_jupyter.core.plugins import load_plugin
from rlm_jupyter.core.protocols import Environment, SupportsPersistence

__all__ = ["GROUP", "check_environment", "get_environment", "made_aside"]

GROUP = "rlm_jupyter.environments"
"""The entry-point group in which environments are registered."""

_OF_THE_RUN = ("depth", "lm_handler_address", "persistent", "subcall_fn")
"""Arguments for use by hand: within a run, the ``RLM`` sees to these."""


def check_environment(
    name: str, arguments: Mapping[str, Any], *, persistent: bool = False, in_threads: bool = False
) -> None:
    """Raise ``ConfigurationError`` for a name or arguments that an ``RLM`` cannot use, before anything is made.

    An environment that has a static method ``check(arguments)`` is asked, too; one that does not work in threads says
    so by the class attribute ``in_threads``. What the ``RLM`` itself sees to is not among the arguments.
    """
    kind = load_plugin(GROUP, name)
    _check_arguments(name, kind, arguments, of_the_run=("context_payload", "shell", *_OF_THE_RUN))
    has = {*dir(kind), *getattr(kind, "__annotations__", ())}  # IPythonREPL declares what its modes define
    if persistent and not has.issuperset(_persistence_methods()):
        msg = f"Persistent REPLs are currently not supported for environment: {name}"
        raise ConfigurationError(msg)
    if in_threads and not getattr(kind, "in_threads", True):
        msg = (
            f"Children run in threads, and environment {name!r} works where the kernel runs cells only: leave "
            "child_environment out, or set it to 'ipython'."
        )
        raise ConfigurationError(msg)


def get_environment(name: str, arguments: Mapping[str, Any]) -> Environment:
    """Return a new environment. Raises ``ConfigurationError`` for a name or arguments that cannot be used."""
    kind = load_plugin(GROUP, name)
    _check_arguments(name, kind, arguments)
    environment: Environment = kind(**arguments)
    return environment


async def made_aside(name: str, arguments: Mapping[str, Any]) -> Environment | None:
    """Return a new environment as ``get_environment`` does, made in a thread with the event loop free meanwhile.

    None where its kind is made at once. A kind that takes its time, and can be made in any thread, has a static method
    ``takes_its_time(arguments)``. An environment for which nobody waits any more is cleaned up once it is there.
    """
    takes_its_time = getattr(load_plugin(GROUP, name), "takes_its_time", None)
    if takes_its_time is None or not takes_its_time(arguments):
        return None
    made: Future[Environment] = Future()
    make = partial(contextvars.copy_context().run, get_environment, name, arguments)
    threading.Thread(target=_make, args=(made, make), name="rlm-jupyter-environment", daemon=True).start()
    return await asyncio.wrap_future(made)


def _make(made: Future[Environment], make: Callable[[], Environment]) -> None:
    try:
        environment = make()
    except BaseException as error:  # noqa: BLE001 - it is raised where the environment is awaited
        with contextlib.suppress(InvalidStateError):
            made.set_exception(error)
        return
    try:
        made.set_result(environment)
    except InvalidStateError:  # cancelled meanwhile
        environment.cleanup()


def _check_arguments(name: str, kind: Any, arguments: Mapping[str, Any], of_the_run: Sequence[str] = ()) -> None:
    parameters = [each for each in inspect.signature(kind).parameters if each not in of_the_run]
    unknown = sorted(arguments.keys() - set(parameters))
    if unknown:
        msg = f"Environment {name!r} does not take {', '.join(unknown)}. It takes: {', '.join(parameters)}."
        raise ConfigurationError(msg)
    check: Callable[[Mapping[str, Any]], None] | None = getattr(kind, "check", None)
    if check is not None:
        check(arguments)


def _persistence_methods() -> list[str]:
    return [name for name, value in vars(SupportsPersistence).items() if callable(value) and not name.startswith("_")]
