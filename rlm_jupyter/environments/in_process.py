"""What the environments of this process share: a namespace, its scaffold, contexts and histories, cell by cell."""

from __future__ import annotations

import copy
import itertools
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from keyword import iskeyword
from typing import Any

from rlm_jupyter.core.errors import ConfigurationError
from rlm_jupyter.core.protocols import Queries
from rlm_jupyter.core.results import NamespaceChanges, REPLResult

from .dialect import Dialect
from .executor import Executed, Executor
from .interrupted import CellInterrupted
from .scaffold import RESERVED_NAMES, Answer, Overlay, scaffold_names

__all__ = ["InProcessEnvironment"]

_NUMBERED = re.compile(r"(session_)?(context|history)_\d+")


class InProcessEnvironment:
    """Runs model code in a namespace of this process."""

    name = "in_process"

    def __init__(
        self,
        namespace: dict[str, Any],
        dialect: Dialect,
        *,
        custom_tools: Mapping[str, Any] | None = None,
    ) -> None:
        self._namespace = namespace
        self._executor = Executor(namespace, dialect)
        self._tools = _checked(custom_tools or {})
        self._gives_functions = False
        self._numbers = threading.Lock()
        self._contexts: dict[int, Any] = {}
        self._histories: dict[int, list[dict[str, Any]]] = {}
        self._extra: dict[str, Any] = {}
        self._overlay = Overlay(namespace)
        self._answer = Answer(namespace)

    @staticmethod
    def check(arguments: Mapping[str, Any]) -> None:
        """Raise ``ConfigurationError`` for arguments of the constructor that cannot be used, making nothing."""
        _checked(arguments.get("custom_tools") or {})

    def guide(self) -> str:
        """Return what the system prompt says of this environment."""
        return (
            "This REPL is plain Python: the value of a block's last expression is shown, top-level `await` works, "
            "`%magics` and `!shell` do not. What another program prints is not seen: call "
            "`subprocess.run(..., capture_output=True, text=True)` and look at its `stdout`."
        )

    def variables(self) -> dict[str, Any]:
        """Return the public names that code sees, the scaffold's left out."""
        return {
            name: value
            for name, value in self._namespace.copy().items()
            if not name.startswith("_") and name not in self._overlay.names
        }

    def load_context(self, context_payload: Any) -> None:
        """Make the payload the first context (``context`` and ``context_0``), by reference."""
        self.add_context(context_payload, 0)

    def add_context(self, context_payload: Any, context_index: int | None = None) -> int:
        """Add a context by reference and return its number; without an index, the next free one."""
        with self._numbers:
            index = _next(self._contexts) if context_index is None else context_index
            self._contexts[index] = context_payload
        return index

    def get_context_count(self) -> int:
        """Return how many contexts there are."""
        return len(self._contexts)

    def add_history(self, message_history: list[dict[str, Any]], history_index: int | None = None) -> int:
        """Add a deep copy of a message history and return its number."""
        copied = copy.deepcopy(message_history)
        with self._numbers:
            index = _next(self._histories) if history_index is None else history_index
            self._histories[index] = copied
        return index

    def get_history_count(self) -> int:
        """Return how many histories there are."""
        return len(self._histories)

    def offer(self, names: Mapping[str, Any]) -> None:
        """Make these the names that the scaffold of the runs to come has besides (``session_context_0``, ...)."""
        self._extra = dict(names)

    def contexts(self) -> dict[str, Any]:
        """Return the contexts and histories that there are, by name."""
        contexts = {f"context_{index}": value for index, value in self._contexts.items()}
        return contexts | {f"history_{index}": value for index, value in self._histories.items()}

    @contextmanager
    def running(self, queries: Queries) -> Iterator[None]:
        """Lay out the scaffold for the length of a run, and put everything back after it, however it ends."""
        self._answer = Answer(self._namespace)
        try:
            for name, value in self._scaffold(queries).items():
                self._overlay.lay(name, value)
            yield
        finally:
            self._overlay.lift()
            self._answer.settle()

    def execute_code(self, code: str) -> REPLResult:
        """Run one code block. An exception in it is in the result; only an interrupt is raised."""
        return self._result(self._executor.run(code))

    async def aexecute_code(self, code: str) -> REPLResult:
        """Run one code block, awaiting its top-level ``await`` on the running event loop."""
        return self._result(await self._executor.arun(code))

    def answer_so_far(self) -> str | None:
        """Return what stands in ``answer["content"]``, or None while it is empty."""
        return self._answer.so_far()

    def changes(self) -> NamespaceChanges:
        """Return what the last run changed in the user's namespace: nothing, where that is not this one."""
        return NamespaceChanges()

    def cleanup(self) -> None:
        """Give everything back, contexts and histories too. May be called twice."""
        self._overlay.lift()
        self._executor.close(keep_sources=self._gives_functions)
        self._contexts.clear()
        self._histories.clear()
        self._extra = {}

    def _scaffold(self, queries: Queries) -> dict[str, Any]:
        names = {**self._tools, **self._extra, **self.contexts()}
        for kind in ("context", "history"):
            if f"{kind}_0" in names:
                names[kind] = names[f"{kind}_0"]
        return {**names, **scaffold_names(queries, self._answer, self.variables)}

    def _result(self, executed: Executed) -> REPLResult:
        notes = self._mend()
        text = {
            name: "".join(each["text"] for each in executed.outputs if each.get("name") == name)
            for name in ("stdout", "stderr")
        }
        outputs = executed.outputs
        if executed.error is not None:
            error = executed.error
            lines = error.traceback.rstrip("\n").split("\n")
            outputs = [
                *outputs,
                {"output_type": "error", "ename": error.name, "evalue": error.message, "traceback": lines},
            ]
            text["stderr"] += error.traceback
        result = REPLResult(
            stdout=text["stdout"],
            stderr=text["stderr"],
            locals=self._namespace,
            execution_time=executed.seconds,
            final_answer=self._answer.ready(),
            outputs=outputs,
            error=executed.error,
            notes=notes,
        )
        if executed.interrupt is not None:
            raise CellInterrupted(result) from executed.interrupt
        return result

    def _mend(self) -> list[str]:
        """Put reserved names back and say so; a dict bound to ``answer`` is taken for what it means."""
        notes = []
        bound = self._namespace.get("answer")
        for name in self._overlay.mend():
            if name == "answer" and self._answer.take_over(bound):
                continue
            notes.append(f"`{name}` is reserved and was put back; use another name.")
        if self._answer.entry.get("ready") and self._answer.ready() is None:
            self._answer.entry["ready"] = False
            notes.append('answer["ready"] was set while answer["content"] is empty: set the content first.')
        return notes


def _next(versions: Mapping[int, Any]) -> int:
    return next(number for number in itertools.count(len(versions)) if number not in versions)


def _checked(tools: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tools' values by name."""
    reserved = sorted(name for name in tools if name in RESERVED_NAMES or _NUMBERED.fullmatch(name))
    if reserved:
        msg = f"Custom tools cannot be named {', '.join(reserved)}: these names are reserved. Choose other names."
        raise ConfigurationError(msg)
    unusable = sorted(name for name in tools if not name.isidentifier() or iskeyword(name))
    if unusable:
        msg = f"Custom tools must be named by identifiers; these are not: {', '.join(unusable)}."
        raise ConfigurationError(msg)
    return {name: tool["tool"] if isinstance(tool, dict) and "tool" in tool else tool for name, tool in tools.items()}
