"""Runs the code of a trace again, over the answers that it holds, and compares what comes of it."""

from __future__ import annotations

import contextvars
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rlm_jupyter.core.errors import ConfigurationError
from rlm_jupyter.core.protocols import Queries
from rlm_jupyter.core.results import RLMChatCompletion
from rlm_jupyter.environments.in_process import InProcessEnvironment
from rlm_jupyter.runs.earlier import EarlierBlock, EarlierRun
from rlm_jupyter.runs.question import UNSET
from rlm_jupyter.trace.files.opened import open_traces, traces_of
from rlm_jupyter.trace.redaction import Redactor
from rlm_jupyter.trace.schema import CodeEnd, IterationEnd, RunStart, SubcallStart
from rlm_jupyter.trace.trace import Span, Trace
from rlm_jupyter.trace.verify.notebook import is_edited

from .answers import MissingCall, RecordedQueries
from .differences import Difference
from .live import live_queries
from .patience import limited, seconds_for
from .report import ReplayReport
from .retold import Retold, place_of
from .surroundings import Inputs, conversations, environment_for, goes_on, lay_context

__all__ = ["edit_notes", "replay"]


def replay(
    trace: Any,
    *,
    context: Any = UNSET,
    values: Mapping[str, Any] | None = None,
    environment: str | None = None,
    environment_kwargs: Mapping[str, Any] | None = None,
    children: bool = True,
    live: Any = False,
    cell_timeout: float | None = None,
) -> ReplayReport:
    """Run the code of a trace again, over its recorded answers, and return how what came of it differs.

    ``trace`` is a ``Trace``, a result, the path of a log in JSON lines or of a trace notebook, or several of these. No
    model is asked, and the loop is not run: each code block is, in its order, in a REPL of its own, never in the
    user's namespace. What child runs did is replayed, too, where they are asked for, unless ``children`` is False.

    The context and the variables that the code read come from the trace. ``context`` is for one that the trace does not
    hold in full, and has to be the same; ``values`` are variables by name, which are taken before the recorded ones.
    The REPL is of the kind that the run had, in this process, or is chosen with ``environment`` (``"ipython"`` or
    ``"local"``) and its arguments (``custom_tools``, ...).

    A call that is not recorded fails, and is reported. With ``live`` it is asked: True asks whom ``RLM`` would, a
    backend and its arguments, such as ``("openai", {"model_name": ...})``, that one. A block may take ``cell_timeout``
    seconds; without it ten times as long as then, and a minute.

    Raises ``ConfigurationError`` when there is no context (of one of several runs the report says so), and
    ``ValueError`` for what is no trace. The code is executed: replay what you would run.
    """
    if isinstance(trace, RLMChatCompletion):
        trace = [*trace.earlier_traces, trace.trace]
    notes = list(edit_notes(trace))
    traces = traces_of(trace)
    with ExitStack() as kept:
        asked = live_queries(live)
        if asked is not None:
            kept.callback(asked.close)
        options = _Options(environment, environment_kwargs, values or {}, children, cell_timeout)
        replayer = _Replayer(asked, options, kept)
        if asked is not None and asked.notice is not None:
            notes.append(asked.notice)
        replayer.report.notes += notes
        for number, each in enumerate(traces, 1):
            replayer.replay_root(each, f"run {number}" if len(traces) > 1 else "", context)
        return replayer.report


def edit_notes(source: Any) -> Iterator[str]:
    """Yield a note for each notebook that was edited since it was written: its recording was not."""
    for each in source if isinstance(source, list | tuple) else [source]:
        if isinstance(each, str | os.PathLike) and Path(each).suffix == ".ipynb":
            notebook = open_traces(each).notebook
            if notebook is not None and is_edited(notebook):
                yield f"{Path(each).name} was edited after it had been written: what was recorded is replayed."


@dataclass(frozen=True, slots=True)
class _Options:
    """What ``replay`` was told besides the traces."""

    environment: str | None
    arguments: Mapping[str, Any] | None
    values: Mapping[str, Any]
    children: bool
    cell_timeout: float | None


@dataclass(slots=True)
class _Ended:
    """What one block came to: its differences, and the calls of it that were not recorded."""

    block: EarlierBlock
    place: str
    differences: list[Difference] = field(default_factory=list)


class _Replayer:
    """Replays runs, those of one session in one REPL, and keeps the report."""

    def __init__(self, live: Queries | None, options: _Options, kept: ExitStack) -> None:
        self._live = live
        self._options = options
        self._kept = kept
        self._lock = threading.Lock()  # children that are asked for at once are replayed at once
        self._sessions: dict[str, InProcessEnvironment] = {}
        self._context = contextvars.copy_context()  # outside any cell
        self._redactor = Redactor()
        self._failure: BaseException | None = None
        self.report = ReplayReport()

    def replay_root(self, trace: Trace, place: str, context: Any) -> None:
        """Replay a run, in the REPL of its session's earlier ones if that had been kept.

        ``place`` is empty where there is no other run: then one without its context is an error.
        """
        if trace.root is None:
            return
        run = EarlierRun(trace, trace.root)
        session = run.start.session_id or trace.run_id
        environment = self._sessions.get(session)
        if environment is None or not goes_on(run):
            environment = self._sessions[session] = self._environment_for(run)
            self._kept.callback(environment.cleanup)
        try:
            offered = lay_context(run, environment, context, one_of_several=bool(place))
        except ConfigurationError as error:
            if not place:
                raise
            told = Difference(place, run.span.span_id, "run not replayed", run.start.question, str(error))
            self.report.differences.append(told)
            return
        self.report.runs.append(trace.run_id)
        if trace.damage is not None:
            self.report.notes.append(trace.damage)
        inputs = Inputs(trace, environment, self._options.values, offered)
        said = self._replay_run(run, environment, inputs, place)
        if said:
            environment.add_history([dict(message) for message in said])

    def _environment_for(self, run: EarlierRun) -> InProcessEnvironment:
        return environment_for(run, self._options.environment, self._options.arguments)

    def _replay_run(self, run: EarlierRun, environment: InProcessEnvironment, inputs: Inputs, place: str) -> list[Any]:
        """Replay the blocks of one run, and return its conversation."""
        queries = RecordedQueries(
            run, self._redactor, self._live, on_child=lambda child, prompt: self._child(child, prompt, place)
        )
        scene = _Scene(run, environment, inputs, queries, Retold(run, self._redactor), self._options.cell_timeout)
        at = len(self.report.differences)
        ended = []
        with environment.running(queries):
            for block in run.blocks:
                if block.start.review == "rejected":
                    continue
                ended.append(self._replay_block(scene, block, place))
        found = [difference for each in ended for difference in self._told(each, queries)]
        with self._lock:
            self.report.differences[at:at] = found
            self.report.calls += queries.answered
            self.report.asked_live += sum(call.live for call in queries.missing)
            self.report.left_out(inputs.left_out, place)
        return scene.whole

    def _replay_block(self, scene: _Scene, block: EarlierBlock, place: str) -> _Ended:
        where = place_of(block, scene.run, place)
        before = len(scene.queries.missing)
        replayed = scene.perform(block)
        if self._failure is not None:
            raise self._failure
        with self._lock:
            self.report.blocks += 1
        ended = _Ended(block, where)
        if block.end is None:
            self.report.cut.append(where)
        else:
            ended.differences += Retold.differences(where, block, replayed)
            ended.differences += [_not_recorded(each, ended) for each in scene.queries.missing[before:]]
        return ended

    def _told(self, ended: _Ended, queries: RecordedQueries) -> Iterator[Difference]:
        """Yield the differences of a block, its calls that nobody asked for again last."""
        yield from ended.differences
        for span in queries.not_asked(ended.block) if ended.block.end is not None else ():
            asked = _asked_in(ended.block.trace, span)
            yield Difference(ended.place, span.span_id, "call not asked again", asked, "")

    def _child(self, child: EarlierRun, prompt: Any, parent: str) -> None:
        """Replay a child in a thread of its own, outside the cell that asks for it, before that is answered."""
        if not self._options.children:
            return
        place = f"{parent}, child {child.span.span_id}".removeprefix(", ")

        def work() -> None:
            try:
                self._replay_child(child, prompt, place)
            except BaseException as error:  # noqa: BLE001 - model code is not to take it for one of its own
                self._failure = self._failure or error

        thread = threading.Thread(target=self._context.copy().run, args=(work,), name="rlm-jupyter-replay", daemon=True)
        thread.start()
        thread.join()

    def _replay_child(self, child: EarlierRun, prompt: Any, place: str) -> None:
        environment = self._environment_for(child)
        try:
            lay_context(child, environment, prompt)
            with self._lock:
                self.report.children += 1
            self._replay_run(child, environment, Inputs(child.trace, environment, self._options.values), place)
        finally:
            environment.cleanup()


class _Scene:
    """One run, as far as it is replayed: its REPL, what stands in it before each block, and what came of it."""

    def __init__(
        self,
        run: EarlierRun,
        environment: InProcessEnvironment,
        inputs: Inputs,
        queries: RecordedQueries,
        retold: Retold,
        cell_timeout: float | None,
    ) -> None:
        self.run = run
        self.queries = queries
        self._environment = environment
        self._inputs = inputs
        self._retold = retold
        self._cell_timeout = cell_timeout
        *self._summed_up, last = [*conversations(run)] or [(0, [])]
        self.whole = last[1]
        """The run's whole conversation."""
        self._reopened = {
            span.span_id
            for span in run.iterations
            if span.end is not None and isinstance(span.end.payload, IterationEnd) and span.end.payload.rejected
        }

    def perform(self, block: EarlierBlock) -> CodeEnd:
        """Run a block, where everything is as it was before it; return its end, as a trace tells it."""
        self._lay(block)
        self.queries.begin(block)
        with limited(self._environment, seconds_for(block, self._cell_timeout)):
            result = self._environment.execute_code(block.start.code)
        if block.span.start.parent_id in self._reopened:
            self._environment.reopen_answer()
        return self._retold.end(block, result)

    def _lay(self, block: EarlierBlock) -> None:
        while self._summed_up and self._summed_up[0][0] < block.span.start.seq:
            self._environment.keep_history(self._summed_up.pop(0)[1])
        self._inputs.bind(block)


def _not_recorded(call: MissingCall, ended: _Ended) -> Difference:
    return Difference(ended.place, ended.block.span.span_id, "call not recorded", "", f"{call.name}({call.prompt!r})")


def _asked_in(trace: Trace, span: Span) -> str:
    start = span.start.payload
    if isinstance(start, SubcallStart):
        return f"llm_query({_short(trace.text(start.prompt))!r})"
    return f"rlm_query({_short(start.question)!r})" if isinstance(start, RunStart) else ""


def _short(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:199]}…"
