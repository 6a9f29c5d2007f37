"""What code blocks read that their run did not make: the notebook's variables, and the tools that it was given."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any

from rlm_jupyter.core.describe import ValueSummary, describe
from rlm_jupyter.core.protocols import Environment
from rlm_jupyter.core.results import REPLResult
from rlm_jupyter.core.scaffold_names import is_scaffold_name
from rlm_jupyter.environments.tools import tool_values
from rlm_jupyter.trace.context_record import input_record
from rlm_jupyter.trace.schema import ContextRecord
from rlm_jupyter.trace.values.sources import behind, names_in

if TYPE_CHECKING:
    from rlm_jupyter.trace.recorder import Recorder

__all__ = ["Inputs", "lists_names"]

_MOST = 200
"""Names that are told of in one run."""

_LONGEST = 200_000  # characters of a block that is looked through

_LISTS = frozenset({"SHOW_VARS", "dir", "globals", "locals", "vars"})


def lists_names(names: Container[str]) -> bool:
    """Return whether code that reads these names may see which variables there are."""
    return any(name in names for name in _LISTS)


class Inputs:
    """The inputs of one run's blocks, each told of once: as it is before the first block that names it.

    ``own`` is the name of the run's context, which its start tells of. Of an environment whose variables are elsewhere
    there are none.
    """

    def __init__(
        self, environment: Environment, recorder: Recorder, tools: Mapping[str, Any], own: str = "context_0"
    ) -> None:
        self._environment = environment
        self._recorder = recorder
        self._tools = tool_values(tools)
        self._there: frozenset[str] | None = None
        self._told = 0
        self._listed: set[str] = set()
        self._done = {own, "context"} if own == "context_0" else {own}

    def of(self, code: str) -> list[ContextRecord]:
        """Return what the block, which is about to run, reads; what a function needs stands before the function.

        Of a block that may see which variables there are, the others follow, by type and size.
        """
        if self._there is None:  # before the first block: what comes later is the run's own
            self._there = frozenset(self._values())
        names = names_in(code) if len(code) <= _LONGEST else []
        read: list[ContextRecord] = []
        if any(self._is_input(name) for name in names):
            found = self._found(names, self._values())
            read = [record for name, value in found if (record := self._record(name, value))]
        return [*read, *self._others(self._environment.variables())] if lists_names(names) else read

    def ran(self, result: REPLResult | None) -> None:
        """Take note of the names that a block has bound: from now on they are the run's."""
        if result is not None:
            self._done.update(result.changes.get("created", ()), result.changes.get("rebound", ()))

    def _others(self, values: Mapping[str, Any]) -> Iterator[ContextRecord]:
        for name, value in values.items():
            if self._is_input(name) and name not in self._listed and len(self._listed) < _MOST:
                self._listed.add(name)
                told = describe(value, 0)
                yield ContextRecord(name=name, type=told.type, size=told.size, unit=told.unit)

    def _values(self) -> dict[str, Any]:
        """Return all that a block may read: variables, modules, tools, and what was there in earlier runs."""
        space: Mapping[str, Any] = getattr(self._environment, "locals", {})
        others = {
            name: value
            for name, value in list(space.items())
            if type(value) is ModuleType or (type(name) is str and is_scaffold_name(name))
        }
        return {**others, **self._environment.variables(), **self._tools}

    def _is_input(self, name: str) -> bool:
        return name not in self._done and name in (self._there or ())

    def _found(self, names: list[str], values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        for name in names:
            if not self._is_input(name) or name not in values or self._told >= _MOST:
                continue
            self._done.add(name)
            self._told += 1
            source = behind(values[name])
            if source is not None:
                yield from self._found(names_in(source), values)
            yield name, values[name]

    def _record(self, name: str, value: Any) -> ContextRecord | None:
        if type(value) is ValueSummary:  # the value itself is in another process
            return None
        digest = self._recorder.value(value)
        if digest is None and is_scaffold_name(name):  # the run that it comes from tells what it is
            return None
        return input_record(name, value).model_copy(update={"value": digest})
