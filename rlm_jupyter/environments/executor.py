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
from collections.abc import Coroutine, Generator
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from types import CodeType
from typing import Any, TypeAlias

from rlm_jupyter.core.results import CellError
from rlm_jupyter.core.scope import CELL_FILE_PREFIX

from .capture import Sink, capture
from .dialect import Dialect, PlainPython
from .private_loop import PrivateLoop
from .traceback_text import traceback_text

__all__ = ["Executed", "Executor"]

_FUTURE_FLAGS = 0
for _name in __future__.all_feature_names:
    _FUTURE_FLAGS |= getattr(__future__, _name).compiler_flag

_executors = itertools.count(1)

_Coroutine: TypeAlias = Coroutine[Any, Any, Any]


class _EndOfIteration(Exception):
    """Carries a cell's ``StopIteration``, which cannot leave a generator as it is."""

    def __init__(self, raised: StopIteration) -> None:
        super().__init__()
        self.raised = raised


@dataclass(slots=True)
class Executed:
    """What came of a cell. ``interrupt`` is the ``KeyboardInterrupt`` or cancellation that ended it, if one did."""

    outputs: list[dict[str, Any]]
    error: CellError | None
    interrupt: BaseException | None
    seconds: float


class Executor:
    """Runs cells in one namespace, one after another. Nothing that a cell raises leaves it."""

    def __init__(self, namespace: dict[str, Any], dialect: Dialect | None = None) -> None:
        self.namespace = namespace
        self._dialect: Dialect = dialect if dialect is not None else PlainPython()
        self._number = next(_executors)
        self._cells = itertools.count(1)
        self._future_flags = 0
        self._sink = Sink()  # one for all cells: a thread that outlives its cell prints into the next one's output
        self._loop = PrivateLoop(partial(self._sink.write, "stderr"))

    def run(self, code: str) -> Executed:
        """Run a cell, its top-level ``await`` on an event loop of this executor's own."""
        steps = self._steps(code, own_loop=True)
        try:
            coroutine = next(steps)
            while True:
                try:
                    value = self._loop.run(coroutine)
                except BaseException as error:  # noqa: BLE001 - it belongs to the cell, which gets it where it awaited
                    coroutine = steps.throw(error)
                else:
                    coroutine = steps.send(value)
        except StopIteration as stop:
            executed: Executed = stop.value
            return executed

    async def arun(self, code: str) -> Executed:
        """Run a cell, its top-level ``await`` on the running event loop."""
        steps = self._steps(code, own_loop=False)
        try:
            coroutine = next(steps)
            while True:
                try:
                    value = await coroutine
                except BaseException as error:  # noqa: BLE001 - it belongs to the cell, which gets it where it awaited
                    coroutine = steps.throw(error)
                else:
                    coroutine = steps.send(value)
        except StopIteration as stop:
            executed: Executed = stop.value
            return executed

    def close(self) -> None:
        """Cancel what cells left running on the private event loop, and close it."""
        self._loop.close()

    def _steps(self, code: str, *, own_loop: bool) -> Generator[_Coroutine, Any, Executed]:
        """Run the cell, yielding what it awaits; ``own_loop`` tells that it is awaited on the private loop."""
        filename = f"{CELL_FILE_PREFIX}{self._number} cell {next(self._cells)}>"
        began = time.perf_counter()
        error: CellError | None = None
        interrupt: BaseException | None = None
        with capture(self._sink):
            try:
                yield from self._run_nodes(code, filename, own_loop=own_loop)
            except BaseException as caught:  # noqa: BLE001 - whatever model code raises is an observation
                raised = caught.raised if isinstance(caught, _EndOfIteration) else caught
                error = CellError(type(raised).__name__, _message(raised), traceback_text(raised))
                interrupt = raised if _interrupts(raised, own_loop=own_loop) else None
        return Executed(self._sink.take(), error, interrupt, time.perf_counter() - began)

    def _run_nodes(self, code: str, filename: str, *, own_loop: bool) -> Generator[_Coroutine, Any, None]:
        source = self._dialect.transform(code)
        # With no modification time, linecache keeps the entry for as long as the process lives.
        linecache.cache[filename] = len(source), None, source.splitlines(keepends=True), filename
        with self._dialect.cell(self.namespace, transformed=source.rstrip() != code.rstrip()):
            tree = self._dialect.transform_tree(ast.parse(source, filename))
            last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
            body = self._compile(tree, filename, "exec")
            shown = self._compile(ast.Expression(last.value), filename, "eval") if isinstance(last, ast.Expr) else None
            awaits = any(each.co_flags & inspect.CO_COROUTINE for each in (body, shown) if each is not None)
            with self._loop.entered(awaits=awaits) if own_loop else nullcontext():
                yield from self._evaluate(body)
                value = None if shown is None else (yield from self._evaluate(shown))
                if value is not None and not _ends_in_semicolon(source):
                    self._sink.result(*self._dialect.format(value))

    def _compile(self, node: ast.Module | ast.Expression, filename: str, mode: str) -> CodeType:
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | self._future_flags
        compiled: CodeType = compile(node, filename, mode, flags=flags, dont_inherit=True)
        self._future_flags |= compiled.co_flags & _FUTURE_FLAGS
        return compiled

    def _evaluate(self, compiled: CodeType) -> Generator[_Coroutine, Any, Any]:
        try:
            value = eval(compiled, self.namespace)  # noqa: S307 - running model code is what this is for
        except StopIteration as raised:
            raise _EndOfIteration(raised) from None
        if compiled.co_flags & inspect.CO_COROUTINE:
            value = yield value
        return value


def _message(raised: BaseException) -> str:
    try:
        return str(raised)
    except Exception as error:  # noqa: BLE001 - the exception is model code's, and so is its __str__
        return f"(its text form raised {type(error).__name__})"


def _interrupts(raised: BaseException, *, own_loop: bool) -> bool:
    if isinstance(raised, KeyboardInterrupt):
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
