"""What a recorded run's code found around it: its REPL, its context, its messages, the variables that it read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from rlm_jupyter.core.describe import ValueSummary
from rlm_jupyter.core.errors import ConfigurationError
from rlm_jupyter.core.protocols import Message
from rlm_jupyter.core.scaffold_names import is_session_name, number_in
from rlm_jupyter.environments.choice import get_environment
from rlm_jupyter.environments.in_process import InProcessEnvironment
from rlm_jupyter.runs.earlier import EarlierBlock, EarlierRun
from rlm_jupyter.runs.inputs import lists_names
from rlm_jupyter.runs.question import UNSET, context_digest
from rlm_jupyter.runs.recorded_context import described, recorded_context
from rlm_jupyter.trace.context_record import input_record
from rlm_jupyter.trace.schema import ContextRecord, ModelCallEnd, ModelCallStart
from rlm_jupyter.trace.trace import Trace
from rlm_jupyter.trace.values import recorded_value
from rlm_jupyter.trace.values.sources import names_in

__all__ = ["Inputs", "conversations", "environment_for", "goes_on", "lay_context"]


def environment_for(
    run: EarlierRun, name: str | None = None, arguments: Mapping[str, Any] | None = None
) -> InProcessEnvironment:
    """Return a new REPL of this process for the run, and never the user's own.

    Without a name it is ``local`` where the run's was, and a private ``ipython`` for any other. Raises
    ``ConfigurationError`` for one in which a trace cannot be replayed.
    """
    chosen = name if name is not None else "local" if run.start.environment == "local" else "ipython"
    told = dict(arguments or {})
    elsewhere = told.get("kernel_mode", "in_process") != "in_process"
    environment = get_environment(chosen, told) if not elsewhere else None
    if isinstance(environment, InProcessEnvironment):
        if chosen == "ipython" and any(_is_figure(each) for block in run.blocks for each in _outputs(block)):
            environment.execute_code("%matplotlib inline")  # as kernels begin with
        return environment
    if environment is not None:
        environment.cleanup()
    msg = f"A trace is replayed in this process, and environment {chosen!r} is not: use 'ipython' or 'local'."
    raise ConfigurationError(msg)


def _outputs(block: EarlierBlock) -> list[dict[str, Any]]:
    return block.end.outputs if block.end is not None else []


def _is_figure(output: Mapping[str, Any]) -> bool:
    forms = output.get("data")
    return isinstance(forms, Mapping) and len(forms) > 1 and str(forms.get("text/plain", "")).startswith("<Figure size")


def lay_context(
    run: EarlierRun, environment: InProcessEnvironment, given: Any = UNSET, *, one_of_several: bool = False
) -> dict[str, Any]:
    """Put the run's context into the REPL, under the number that it had; return the names that the scaffold has of it.

    ``given`` takes the place of a context that the trace does not hold in full. Raises ``ConfigurationError`` where
    there is neither, and where what is given is not what the run had; when it is for ``one_of_several`` runs, it may be
    another one's.
    """
    contexts = run.start.contexts
    if not contexts or not run.blocks:
        return {}
    record = contexts[0]
    value = given
    if given is UNSET:
        value = _context(run, record)
    elif record.digest is not None and context_digest(given) != record.digest:
        if not one_of_several:
            raise _another(record, given)
        value = _context(run, record)
    numbered = number_in(record.name)
    environment.add_context(value, numbered[1] if numbered is not None else None)
    if run.start.session_id is not None or run.start.depth > 0:
        return {}
    names = {"completion_context": value}
    environment.offer(names)
    return names


def goes_on(run: EarlierRun) -> bool:
    """Return whether the run worked in a REPL that had been kept from an earlier one."""
    numbers = (number_in(record.name) for record in run.start.contexts)
    return any(number is not None and number[1] > 0 for number in numbers)


def _context(run: EarlierRun, record: ContextRecord) -> Any:
    return recorded_context(run.trace, run.start, record, how="replay(trace, context=...)", run=True)


def _another(record: ContextRecord, given: Any) -> ConfigurationError:
    msg = (
        f"This context is not the one that the run had, {described(record)}: their digests differ "
        f"({context_digest(given)} and {record.digest}). Hand over the same object, or leave context= out."
    )
    return ConfigurationError(msg)


_DESCRIBED = ValueSummary("", None, None, "")


class Inputs:
    """Binds what a run's blocks read and did not make themselves, as the trace or the caller's ``values`` have it.

    Of functions and classes the trace has the source, which is run, of modules the name: they are imported.
    ``offered`` are the names that the scaffold has besides. ``left_out`` says of each name that neither has what it
    was; one that the code does not read, and may see that it is there, stands for its description.
    """

    def __init__(
        self,
        trace: Trace,
        environment: InProcessEnvironment,
        values: Mapping[str, Any],
        offered: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self._trace = trace
        self._environment = environment
        self._values = values
        self._offered = dict(offered)
        self.left_out: dict[str, str] = {}
        environment.bind(values)

    def bind(self, block: EarlierBlock) -> None:
        """Bind what the block reads, but for what is there already, as an earlier run of the same session left it."""
        records = block.start.inputs
        named = names_in(block.start.code) if records else []
        for record in records:
            if record.name in self._values or self._is_there(record):
                continue
            try:
                value = recorded_value(self._trace, record, run=True, namespace=self._environment.namespace)
            except Exception:  # noqa: BLE001 - its own source is run, and may raise anything
                if type(self._environment.locals.get(record.name, _DESCRIBED)) is not ValueSummary:
                    continue
                if record.name in named or not lists_names(named):
                    self.left_out[record.name] = record.type
                else:
                    self._bind(record.name, ValueSummary(record.type, record.size, record.unit, record.preview))
            else:
                self._bind(record.name, value)

    def _is_there(self, record: ContextRecord) -> bool:
        if type(self._environment.locals.get(record.name, _DESCRIBED)) is ValueSummary:
            return False
        there = input_record(record.name, self._environment.locals[record.name])
        return all(getattr(there, each) == getattr(record, each) for each in ("type", "size", "digest", "preview"))

    def _bind(self, name: str, value: Any) -> None:
        """Bind the name; contexts and histories of earlier turns get the numbers and names that they had."""
        environment, numbered = self._environment, number_in(name)
        if is_session_name(name):
            self._offered[name] = value
            environment.offer(self._offered)
        elif numbered is None:
            environment.bind({name: value})
        elif numbered[0] == "context":
            environment.add_context(value, numbered[1])
        elif isinstance(value, list):
            environment.add_history(value, numbered[1])


def conversations(run: EarlierRun) -> Iterator[tuple[int, list[Message]]]:
    """Yield the number of the event with which each conversation was there as a whole, and its messages.

    One each time that it was summed up, which is when code gets to see it as ``history``; in the end, all of it.
    """
    trace, opening = run.trace, 0
    said: list[Message] = []
    before: list[Message] = []
    seq = run.span.start.seq
    calls = [span for span in run.span.own() if span.kind == "model_call"]
    for span in calls:
        start, seq = span.start.payload, span.start.seq
        if not isinstance(start, ModelCallStart):
            continue
        added = [_message(trace, each.role, each.digest) for each in start.added]
        said = [*said[: start.kept], *added]
        opening = opening or len(said)
        whole = [*before, *said[opening:]] if before else said
        end = span.end.payload if span.end is not None else None
        if start.purpose == "compaction":
            yield seq, whole
            before = whole
        elif isinstance(end, ModelCallEnd) and end.reply is not None:
            whole = [*whole, _message(trace, "assistant", end.reply)]
    if calls:
        yield seq, whole


def _message(trace: Trace, role: str, digest: str) -> Message:
    return {"role": role, "content": trace.text(digest)}  # type: ignore[typeddict-item]
