"""Runs one cell: parsed nodes in a namespace, with top-level ``await``, last-expression display and source lines."""

from __future__ import annotations
import __future__

import ast
import asyncio
import inspect
import io
import itertools
import linecache
import time
import tokenize
import warnings
from collections.abc import Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from types import CodeType, coroutine
from typing import Any

from rlm_jupyter.core.interrupts import model_code
from rlm_jupyter.core.results import CellError
from rlm_jupyter.core.scope import CELL_FILE_PREFIX

from .capture import capture
from .dialect import Dialect, PlainPython, Step
from .private_loop import PrivateLoop
from .sink import Sink
from .streams import own_streams
from .time_limit import TimeIsUp, TimeLimit
from .traceback_text import traceback_text

__all__ = ["Executed", "Executor"]

_FUTURE_FLAGS = 0
for _name in __future__.all_feature_names:
    _FUTURE_FLAGS |= getattr(__future__, _name).compiler_flag

_executors = itertools.count(1)


class _EndOfIteration(Exception):
    """Carries a cell's ``StopIteration``, which cannot leave a generator as it is."""

    def __init__(self, raised: StopIteration) -> None:
        super().__init__()
        self.raised = raised


@dataclass(slots=True)
class Executed:
    """What came of a cell. ``interrupt`` is what ended it from outside, if something did, other than its own time."""

    outputs: list[dict[str, Any]]
    error: CellError | None
    interrupt: BaseException | None
    seconds: float


@dataclass(frozen=True, slots=True)
class _Awaited:
    """What a cell awaits, and what stands around each step of it."""

    coroutine: Coroutine[Any, Any, Any]
    step: Step
    limit: TimeLimit


class Executor:
    """Runs cells in one namespace, one after another. Nothing that a cell raises leaves it."""

    def __init__(self, namespace: dict[str, Any], dialect: Dialect | None = None) -> None:
        self.namespace = namespace
        self._dialect: Dialect = dialect if dialect is not None else PlainPython()
        self._number = next(_executors)
        self._cells = itertools.count(1)
        self._future_flags = 0
        self._sources: list[str] = []
        self._sink = Sink()  # one for all cells: a thread that outlives its cell prints into the next one's output
        self._loop = PrivateLoop(partial(self._sink.write, "stderr"))

    def run(self, code: str, seconds: float | None = None) -> Executed:
        """Run a cell for so many seconds at most, its top-level ``await`` on an event loop of this executor's own."""
        steps = self._steps(code, TimeLimit(seconds, self._loop.wake), own_loop=True)
        try:
            awaited = next(steps)
            while True:
                try:
                    with awaited.step():  # nobody else's code runs on this thread meanwhile
                        value = self._loop.run(awaited.coroutine, awaited.limit)
                except BaseException as error:  # noqa: BLE001 - it belongs to the cell, which gets it where it awaited
                    awaited = steps.throw(error)
                else:
                    awaited = steps.send(value)
        except StopIteration as stop:
            executed: Executed = stop.value
            return executed

    async def arun(self, code: str, seconds: float | None = None) -> Executed:
        """Run a cell for so many seconds at most, its top-level ``await`` on the running event loop."""
        limit = TimeLimit(seconds, self._loop.wake)
        limit.attend()
        steps = self._steps(code, limit, own_loop=False)
        try:
            awaited = next(steps)
            while True:
                try:
                    value = await _in_steps(awaited)
                except BaseException as error:  # noqa: BLE001 - it belongs to the cell, which gets it where it awaited
                    awaited = steps.throw(error)
                else:
                    awaited = steps.send(value)
        except StopIteration as stop:
            executed: Executed = stop.value
            return executed

    def close(self, *, keep_sources: bool = False) -> None:
        """Cancel what cells left running on the private event loop, and close it.

        Warns of code that could not be cancelled. The cells' source lines are given up, unless functions of theirs live
        on elsewhere and may be asked for them.
        """
        with capture(self._sink):  # what it still has to say is nothing for the user's cell
            left = self._loop.close()
        self._sink.take()
        if left:
            msg = f"Model code left running what cannot be cancelled: {', '.join(left)}. It was dropped where it stood."
            warnings.warn(msg, RuntimeWarning, stacklevel=3)
        sources, self._sources = self._sources, []
        if not keep_sources:
            for filename in sources:
                linecache.cache.pop(filename, None)

    def _steps(self, code: str, limit: TimeLimit, *, own_loop: bool) -> Generator[_Awaited, Any, Executed]:
        """Run the cell, yielding what it awaits; ``own_loop`` tells that it is awaited on the private loop."""
        filename = f"{CELL_FILE_PREFIX}{self._number} cell {next(self._cells)}>"
        began = time.perf_counter()
        error: CellError | None = None
        raised: BaseException | None = None
        with capture(self._sink):
            try:
                yield from self._run_nodes(code, filename, limit, own_loop=own_loop)
            except BaseException as caught:  # noqa: BLE001 - whatever model code raises is an observation
                raised = caught.raised if isinstance(caught, _EndOfIteration) else caught
            limit.close()
            raised = limit.ended(raised) or raised
            if raised is not None:
                error = CellError(type(raised).__name__, _message(raised), traceback_text(raised))
        interrupt = raised if _interrupts(raised, own_loop=own_loop) else None
        return Executed(self._sink.take(), error, interrupt, time.perf_counter() - began)

    def _run_nodes(
        self, code: str, filename: str, limit: TimeLimit, *, own_loop: bool
    ) -> Generator[_Awaited, Any, None]:
        source = self._dialect.transform(code)
        # With no modification time, linecache keeps the entry for as long as the process lives.
        linecache.cache[filename] = len(source), None, source.splitlines(keepends=True), filename
        self._sources.append(filename)
        streams = own_streams()
        with self._dialect.cell(self.namespace) as dialect_step:

            @contextmanager
            def step() -> Iterator[None]:
                with streams.in_place(), dialect_step():
                    yield

            tree = self._dialect.transform_tree(ast.parse(source, filename))
            last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
            body = self._compile(tree, filename, "exec")
            shown = self._compile(ast.Expression(last.value), filename, "eval") if isinstance(last, ast.Expr) else None
            awaits = any(each.co_flags & inspect.CO_COROUTINE for each in (body, shown) if each is not None)
            with self._loop.entered(awaits=awaits) if own_loop else nullcontext():
                yield from self._evaluate(body, step, limit)
                value = None if shown is None else (yield from self._evaluate(shown, step, limit))
                if value is not None and not _ends_in_semicolon(source):
                    with step(), limit, model_code():
                        self._sink.result(*self._dialect.format(value))

    def _compile(self, node: ast.Module | ast.Expression, filename: str, mode: str) -> CodeType:
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | self._future_flags
        compiled: CodeType = compile(node, filename, mode, flags=flags, dont_inherit=True)
        self._future_flags |= compiled.co_flags & _FUTURE_FLAGS
        return compiled

    def _evaluate(self, compiled: CodeType, step: Step, limit: TimeLimit) -> Generator[_Awaited, Any, Any]:
        with step(), limit, model_code():
            try:
                value = eval(compiled, self.namespace)  # noqa: S307 - running model code is what this is for
            except StopIteration as raised:
                raise _EndOfIteration(raised) from None
        if compiled.co_flags & inspect.CO_COROUTINE:
            value = yield _Awaited(value, step, limit)
        return value


@coroutine
def _in_steps(awaited: _Awaited) -> Generator[Any, Any, Any]:
    """Await the coroutine, with what is the cell's own in place only while it runs.

    While it waits, others run on the same event loop: other cells, the user's next one.
    """
    advance: Callable[[], Any] = partial(awaited.coroutine.send, None)
    while True:
        with awaited.step(), awaited.limit, model_code():
            try:
                waits_for = advance()
            except StopIteration as stop:
                return stop.value
        try:
            advance = partial(awaited.coroutine.send, (yield waits_for))
        except BaseException as error:  # noqa: BLE001 - it belongs to what is awaited
            advance = partial(awaited.coroutine.throw, awaited.limit.told(error))


def _message(raised: BaseException) -> str:
    try:
        return str(raised)
    except Exception as error:  # noqa: BLE001 - the exception is model code's, and so is its __str__
        return f"(its text form raised {type(error).__name__})"


def _interrupts(raised: BaseException | None, *, own_loop: bool) -> bool:
    if isinstance(raised, KeyboardInterrupt | TimeIsUp):  # the time that is up is that of the cell around this one
        return True
    if own_loop or not isinstance(raised, asyncio.CancelledError):
        return False
    # Model code may cancel a task of its own and await it: only a cancellation of ours ends the run.
    try:
        task = asyncio.current_task()
    except RuntimeError:
        return False
    cancelling = getattr(task, "cancelling", None)
    return task is not None and (cancelling is None or cancelling() > 0)


def _ends_in_semicolon(source: str) -> bool:
    last = ""
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type in (tokenize.OP, tokenize.NAME, tokenize.NUMBER, tokenize.STRING):
                last = token.string
    except (tokenize.TokenError, SyntaxError):
        return False
    return last == ";"
