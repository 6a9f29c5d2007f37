"""The table of behaviours that hold in every environment: each row is tried where the environment lives.

A row is a function of a ``Place``. For ``jupyter`` it runs in a live kernel, in a cell of the user's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

import pytest
from live_kernel import LiveKernel
from scripted_server import ScriptedServer

from rlm_jupyter import RLM
from rlm_jupyter.core.results import REPLResult
from rlm_jupyter.environments import get_environment

__all__ = ["ENVIRONMENTS", "EXCEPTIONS", "Place", "data", "in_every_environment", "perform", "shown"]

ENVIRONMENTS = ("local", "jupyter", "in_process", "subprocess")

_SCRIPT = "called outside an event loop, a cell that does not await has none to start a task on"

EXCEPTIONS: dict[str, dict[str, str]] = {
    "children": {"jupyter": "it cannot be a `child_environment`: children run in threads, cells in the main one"},
    "displays": {
        "local": "a value is shown by its text, a display too where the process has no IPython, and a figure not at all"
    },
    "interrupts": {"subprocess": "a `KeyboardInterrupt` that code raises itself is an error like others"},
    "late answers": {"subprocess": "a call that ends after its cell is in no `rlm_calls`"},
    "magics": {"local": "`%magics` and `!shell` are a `SyntaxError`"},
    "order": {"subprocess": "what was printed to `stdout` and to `stderr` may change places"},
    "pickles": {"subprocess": "contexts and tools have to be picklable (by cloudpickle)"},
    "references": {"subprocess": "contexts are copies, made when the next cell runs"},
    "tasks": {"local": _SCRIPT, "in_process": _SCRIPT},
    "the event loop": {"subprocess": "`acompletion` leaves the event loop free while code runs, too"},
    "tools": {"subprocess": "a tool works on copies of what it refers to"},
    "values": {"subprocess": "`locals` and `variables()` hold summaries of values"},
}
"""Where a behaviour is another one, and which: the sentences of docs/guides/environments.md."""

Row: TypeAlias = "Callable[[Place], None] | Callable[[Place], Coroutine[Any, Any, None]]"

_shared: dict[str, Any] = {}


class Place:
    """One of the environments, by the table's name for it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.environment = name if name in ("local", "jupyter") else "ipython"
        self.kind = {"kernel_mode": name} if self.environment == "ipython" else {}

    def differs(self, behaviour: str) -> bool:
        """Whether the behaviour is another one here: one of the exceptions."""
        return self.name in EXCEPTIONS[behaviour]

    def make(self, **arguments: Any) -> Any:
        """Return a new environment of this kind."""
        return get_environment(self.environment, {**self.kind, **arguments})

    @property
    def shared(self) -> Any:
        """An environment for rows that leave nothing behind but variables; in it, queries fail."""
        if self.name not in _shared:
            _shared[self.name] = self.make()
        return _shared[self.name]

    def run(self, code: str) -> REPLResult:
        """Run a cell in the shared environment."""
        result: REPLResult = self.shared.execute_code(code)
        return result

    def asked(self, server: ScriptedServer, **arguments: Any) -> RLM:
        """Return an ``RLM`` whose code runs here and whose model is the scripted server."""
        settings = {"model_name": "m", "api_key": "k", "base_url": server.base_url}
        given = {"environment": self.environment, "environment_kwargs": self.kind, **arguments}
        return RLM("openai", settings, **given)


def in_every_environment(row: Row) -> Callable[[str, pytest.FixtureRequest], None]:
    """Make a row a test, once for each environment."""

    @pytest.mark.parametrize("environment", ENVIRONMENTS)
    def test(environment: str, request: pytest.FixtureRequest) -> None:
        if environment != "jupyter":
            module = request.node.getparent(pytest.Module)
            assert module is not None
            module.addfinalizer(_give_back)
            begun = row(Place(environment))
            if begun is not None:
                asyncio.run(begun)
            return
        kernel: LiveKernel = request.getfixturevalue("bare_kernel")
        kernel.ok(
            f"from every_environment import perform\nfrom {row.__module__} import {row.__name__} as test\n"
            f"await perform(test.row, {environment!r})"
        )

    test.__name__, test.__doc__, test.row = row.__name__, row.__doc__, row  # type: ignore[attr-defined]
    return test


async def perform(row: Row, environment: str) -> None:
    """Try a row in the environment of that name, on the running event loop."""
    begun = row(Place(environment))
    if begun is not None:
        await begun


def data(result: REPLResult) -> list[dict[str, Any]]:
    """Return what a cell displayed, by MIME type; it must have succeeded."""
    assert result.error is None, result.error
    return [each["data"] for each in result.outputs if "data" in each]


def shown(result: REPLResult) -> str | None:
    """Return the text form of the cell's value, or None where it has none."""
    texts: list[str] = [each["text/plain"] for each in data(result)]
    return texts[-1] if texts else None


def _give_back() -> None:
    while _shared:
        _shared.popitem()[1].cleanup()
