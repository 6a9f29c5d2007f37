"""Feeds a run from an earlier one that was cut: recorded replies, what its blocks gave, and what those asked."""

from __future__ import annotations

import re
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any

from rlm_jupyter.core.digest import text_digest
from rlm_jupyter.core.errors import ConfigurationError
from rlm_jupyter.core.observation import head_and_tail, observe
from rlm_jupyter.core.results import CellError, REPLResult
from rlm_jupyter.core.scaffold_names import is_scaffold_name, number_in
from rlm_jupyter.trace.context_record import context_record
from rlm_jupyter.trace.recorder import writable
from rlm_jupyter.trace.schema import Event, IterationStart, ModelCallEnd, RunStart, SpanEnd, SpanStart, SubcallEnd
from rlm_jupyter.trace.values import NotRecordedError, read_value, recorded_text, write_value

from .earlier import CutReplyError, EarlierRun, outcome_of

if TYPE_CHECKING:
    from rlm_jupyter.core.protocols import Environment, Message, ModelReply
    from rlm_jupyter.trace.recorder import Recorder
    from rlm_jupyter.trace.schema import CodeEnd, ContextRecord
    from rlm_jupyter.trace.trace import Span

    from .earlier import EarlierBlock

__all__ = ["Resumed", "carry"]

_SHOWN = 2_000  # characters of what a block gave now
_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{4,}\b")

_OTHERWISE = "When the run was taken up again, this block gave something else:"
"""Begins a note that is for the trace alone."""

_TAKEN_UP = (
    "This run was cut here, and it is taken up again: its code was run once more, to rebuild the variables. {found} "
    "What you were told is what they gave then: look again at what you need of it."
)


class Resumed:
    """What an earlier run has for the one that takes it up: for the root, or for a child that was cut."""

    def __init__(self, earlier: EarlierRun) -> None:
        self.earlier = earlier
        self._asked: Counter[tuple[int, str]] = Counter()
        self._follows = True
        self._notes = {
            start.number: list(start.notes)
            for each in earlier.iterations
            if isinstance(start := each.start.payload, IterationStart)
        }
        self._differ: list[str] = []

    @property
    def run_id(self) -> str:
        """The id of the earlier run."""
        return self.earlier.trace.run_id

    def reply(
        self, iteration: int, purpose: str, messages: Sequence[Message], kept: int, recorder: Recorder
    ) -> ModelReply | None:
        """Return the reply that is recorded at this place of the run.

        None where there is none, and from the first one on that is missing: what was said after it followed from it.
        The ``messages`` from ``kept`` on, which were not sent before, become those that the earlier run had sent for
        it. Before the first call that is not recorded, the last one comes to tell what is not as it was.
        """
        calls, at = self.earlier.calls(iteration, purpose), self._asked[iteration, purpose]
        self._asked[iteration, purpose] += 1
        call = calls[at] if self._follows and at < len(calls) else None
        if call is None:
            if calls or purpose == "answer":  # else this run sums up what the earlier one did not
                self._follows = False
            if self._differ and messages:
                told = _TAKEN_UP.format(found=" ".join(self._differ))
                messages[-1]["content"] = f"{messages[-1]['content']}\n\n{told}"
                self._differ = []
            return None
        sent = call.start.added
        mine = messages[kept:]
        if kept == call.start.kept and [each.role for each in sent] == [each["role"] for each in mine]:
            for message, record in zip(mine, sent, strict=True):
                self._as_sent(message, record.digest, recorder)
        return call.reply

    def _as_sent(self, message: Message, digest: str, recorder: Recorder) -> None:
        blob = self.earlier.trace.blobs.get(digest)
        if blob is None or blob.cut or blob.media_type is not None or "parts" in message:
            return
        if text_digest(recorder.redactor.named(writable(message["content"]))) != digest:
            message["content"] = blob.text

    def block(self, iteration: int, index: int, code: str, recorder: Recorder) -> EarlierBlock | None:
        """Return the block with this code that the model had proposed there; None where there was none."""
        block = self.earlier.block(iteration, index)
        if block is None:
            return None
        proposed = block.start.proposed
        return block if _same(code, block.start.code if proposed is None else proposed, recorder) else None

    def decided(self, block: EarlierBlock, *, reviewed: bool) -> bool:
        """Return whether what was decided about the block stands; where nobody reviews code, it does.

        Else only this process, or the server, can vouch for it that the user had approved of code: whoever has written
        a file may have put that in. That code is not to run takes nobody's word.
        """
        review = block.start.review
        if not reviewed:
            return True
        return self._follows and review is not None and (review == "rejected" or self.earlier.trace.vouched)

    @staticmethod
    def ran(block: EarlierBlock, code: str, recorder: Recorder) -> bool:
        """Return whether this is the code that ran as the block."""
        return block.start.review != "rejected" and _same(code, block.start.code, recorder)

    def notes(self, iteration: int) -> list[str]:
        """Return what the user had said before this iteration."""
        return self._notes.get(iteration, [])

    def settled(
        self, block: EarlierBlock, iteration: int, now: REPLResult, recorder: Recorder
    ) -> tuple[REPLResult, list[str]]:
        """Return what the model is told of a block that had ended, and notes for the trace.

        That is what it was told then; what the block gave now is noted where it is something else.
        """
        end = block.end
        if end is None or not self._follows:
            return now, []
        redact = recorder.redactor.redact
        then = _result(end, now)
        seen, was = redact(_shown(now)), _shown(then)
        if _ADDRESS.sub("0x", seen) == _ADDRESS.sub("0x", was):
            return replace(now, notes=_told(end)), []
        where = f"block {block.start.index} of iteration {iteration}"
        self._differ.append(f"{where[0].upper()}{where[1:]} gave something else now.")
        return then, [f"{_OTHERWISE}\n{head_and_tail(seen, _SHOWN)}"]

    def context_number(self) -> int | None:
        """Return under which number a kept REPL had the context."""
        contexts = self.earlier.start.contexts
        numbered = number_in(contexts[0].name) if contexts else None
        return numbered[1] if numbered is not None else None

    def restore(self, environment: Environment, tools: Mapping[str, Any], *, reviewed: bool = False) -> None:
        """Put back the variables that the earlier run had read and not made, where they are not what they were.

        A variable of the user's that gives way is kept under another name, with a warning that says so. The ``tools``,
        and what was asked about and said in earlier runs, are as they are now. Where code is ``reviewed``, none that
        somebody else's trace brings is run for it. Raises ``ConfigurationError`` for variables that are not there and
        are not recorded in full.
        """
        runs = self.earlier.trace.vouched or not reviewed
        present = {**getattr(environment, "locals", {}), **environment.variables()}
        missing = []
        for record in self._inputs():
            if record.name in tools or is_scaffold_name(record.name):
                continue
            text = self._recorded(record, runs=runs)
            here = record.name in present
            if text is not None:
                if not here or write_value(present[record.name], len(text)) != text:
                    if here and getattr(environment, "gives_to_user", False):
                        _set_aside(environment, record.name, present)
                    _set(environment, record.name, text, runs=runs)
            elif not here:
                missing.append(record.name)
            elif record.digest not in (None, context_record(record.name, present[record.name]).digest):
                self._differ.append(f"The variable {record.name} is not what it was.")
        if missing:
            names = ", ".join(missing)
            msg = (
                f"The code of this run reads {names}, which its trace does not hold in full: make "
                f"{'it' if len(missing) == 1 else 'them'} first, then resume the run."
            )
            raise ConfigurationError(msg)

    def _recorded(self, record: ContextRecord, *, runs: bool) -> str | None:
        try:
            text = recorded_text(self.earlier.trace, record)
            if not runs:
                read_value(text)
        except NotRecordedError:
            return None
        return text

    def _inputs(self) -> Iterator[ContextRecord]:
        seen: set[str] = set()
        for block in self.earlier.blocks:
            for record in block.start.inputs:
                if record.name not in seen and record.name.isidentifier():
                    seen.add(record.name)
                    yield record


def carry(block: EarlierBlock, span_id: str, recorder: Recorder) -> None:
    """Make what the block's calls and children came to part of this trace, below this span, as paid for before.

    All at once and before any code runs: a run that is cut again loses none of it.
    """
    for each in sorted(block.span.children, key=lambda span: span.start.seq):
        if _is_final(block, each):
            recorder.graft(_as_cached(block.trace.part(each.span_id).events, time.time()), span_id)


def _is_final(block: EarlierBlock, span: Span) -> bool:
    """Return whether what the call or child came to stands: in a block that was cut, failures are tried again."""
    if isinstance(span.start.payload, RunStart):
        child = EarlierRun(block.trace, span)
        return child.answer is not None or (block.end is not None and child.failure is not None)
    outcome = outcome_of(block.trace, span)
    if outcome is None or isinstance(outcome, CutReplyError):
        return False
    return span.status == "ok" or block.end is not None


def _as_cached(events: Sequence[Event], now: float) -> Iterator[Event]:
    for event in events:
        if isinstance(event, SpanStart):
            yield event.model_copy(update={"started": now})
        elif isinstance(event, SpanEnd):
            payload = event.payload
            if isinstance(payload, ModelCallEnd | SubcallEnd):
                payload = payload.model_copy(update={"cached": True})
            yield event.model_copy(update={"ended": now, "payload": payload})
        else:
            yield event


def _result(end: CodeEnd, now: REPLResult) -> REPLResult:
    error = end.error
    return replace(
        now,
        outputs=end.outputs,
        error=CellError(error.name, error.message, error.traceback or "") if error is not None else None,
        final_answer=end.final_answer,
        notes=_told(end),
    )


def _told(end: CodeEnd) -> list[str]:
    return [note for note in end.notes if not note.startswith(_OTHERWISE)]


def _shown(result: REPLResult) -> str:
    """Return what the block gave, without what a traceback says of lines and files."""
    error = result.error
    raised = f"\n{error.name}: {error.message}" if error is not None else ""
    answered = f"\nAnswer: {result.final_answer}" if result.final_answer is not None else ""
    return observe([replace(result, error=None, notes=[])], 1) + raised + answered


def _same(code: str, recorded: str, recorder: Recorder) -> bool:
    redact = recorder.redactor.redact
    return redact(writable(code)) == redact(recorded)


def _set_aside(environment: Any, name: str, present: Mapping[str, Any]) -> None:
    """Keep what the user's variable holds under another name, which no variable has."""
    names = (f"{name}_before_resume{number or ''}" for number in count())
    aside = next(each for each in names if each not in present)
    environment.bind({aside: present[name]})
    msg = f"{name} is again what it was when the run began, for the run reads it. What it held until now is in {aside}."
    warnings.warn(msg, stacklevel=2)


def _set(environment: Environment, name: str, text: str, *, runs: bool) -> None:
    """Bind the name where code runs, whichever place that is."""
    read = f"read_value({text!r}, run=True, namespace=globals())" if runs else f"read_value({text!r})"
    code = f"{name} = __import__('rlm_jupyter.trace.values', fromlist=['read_value']).{read}"
    result = environment.execute_code(code)
    if result.error is not None:
        msg = f"The variable {name} could not be put back ({result.error.name}: {result.error.message}): make it first."
        raise ConfigurationError(msg)
