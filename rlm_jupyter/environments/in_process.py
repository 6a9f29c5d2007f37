"""What the environments of this process share: a namespace, its scaffold, contexts and histories, cell by cell."""

from __future__ import annotations

import threading
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any, TypeVar

from rlm_jupyter.core.errors import ConfigurationError
from rlm_jupyter.core.protocols import Message, Queries
from rlm_jupyter.core.results import NamespaceChanges, REPLResult, RLMChatCompletion

from .arguments import check_arguments
from .bindings import Bindings
from .cells.dialect import Dialect
from .cells.executor import Executed, Executor
from .cells.interrupted import CellInterrupted
from .cells.turns import Turns
from .handler import Address, HandlerQueries
from .scaffold import Answer, Overlay, scaffold_names
from .tools import tool_values
from .unbroken import done_at_the_end
from .versions import Versions

__all__ = ["InProcessEnvironment"]

E = TypeVar("E", bound="InProcessEnvironment")

_NOTES = 4
"""How many names that were put back are told one by one: ``%reset`` takes them all."""


class InProcessEnvironment:
    """Runs model code in a namespace of this process.

    In a namespace of its own the scaffold lies from the beginning to ``cleanup()``; in one that is another's
    (``borrowed``) it is laid for a run, or for one cell outside a run. ``handler`` answers the queries outside runs.
    """

    name = "in_process"
    marks_model_code = True
    _gives_functions = False
    _hidden: Container[str] = ()
    """Names that the namespace has of the shell, and not of anybody's code."""

    def __init__(
        self,
        namespace: dict[str, Any],
        dialect: Dialect,
        handler: HandlerQueries,
        *,
        borrowed: bool = False,
        custom_tools: Mapping[str, Any] | None = None,
        cell_timeout: float | None = None,
        persistent: bool = False,
    ) -> None:
        width = handler.max_concurrent
        check_arguments({"custom_tools": custom_tools, "cell_timeout": cell_timeout, "max_concurrent_subcalls": width})
        self.custom_tools = dict(custom_tools or {})
        self.cell_timeout = cell_timeout
        self.persistent = persistent
        self.max_concurrent_subcalls = width
        self._namespace = namespace
        self._borrowed = borrowed
        self._executor = Executor(namespace, dialect)
        self._tools = tool_values(self.custom_tools)
        self._handler = handler
        self._queries: Queries = handler
        self._turns = Turns()
        self._versions = Versions()
        self._offered: dict[str, Any] | None = None
        self._conversation: list[Message] | None = None
        self._overlay = Overlay(namespace)
        self._laying = threading.RLock()
        self._answer = Answer(namespace)
        self._in_run = self._closed = False
        self._scratch: TemporaryDirectory[str] | None = None

    @staticmethod
    def check(arguments: Mapping[str, Any]) -> None:
        """Raise ``ConfigurationError`` for arguments of the constructor that cannot be used, making nothing."""
        check_arguments(arguments)

    @property
    def locals(self) -> Mapping[str, Any]:
        """A live view of the namespace; empty after ``cleanup()``."""
        return MappingProxyType({} if self._closed else self._namespace)

    @property
    def lm_handler_address(self) -> Address | None:
        """Where model calls are answered that are made outside a run: host and port."""
        return self._handler.address

    @property
    def temp_dir(self) -> str:
        """A directory for scratch files, made at first use and removed by ``cleanup()``."""
        self._check_open()
        if self._scratch is None:
            self._scratch = TemporaryDirectory(prefix="rlm-jupyter-", ignore_cleanup_errors=True)
        return self._scratch.name

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

    @property
    def namespace(self) -> dict[str, Any]:
        """The dict that code runs in, to make functions for it that find there what they name."""
        return self._namespace

    def bind(self, names: Mapping[str, Any]) -> None:
        """Bind these names where code sees them, as code of its own would have; the scaffold's stay what they are."""
        self._check_open()
        self._namespace.update({name: value for name, value in names.items() if name not in self._overlay.names})

    @contextmanager
    def set_aside(self, names: Mapping[str, Any], instead: Mapping[str, Any]) -> Iterator[frozenset[str]]:
        """Have these names stand for what they stood for earlier, which is ``instead``, or for nothing.

        A name is set aside where it still stands for the value that is given; they are yielded. What was not bound anew
        meanwhile is put back, also when an interrupt comes in between.
        """
        space = self._namespace
        aside = {name: value for name, value in names.items() if space.get(name, self) is value}

        def put_back() -> None:
            for name, value in aside.items():
                if space.get(name, self) is instead.get(name, self):
                    space[name] = value

        with done_at_the_end(put_back):
            for name in aside:
                if name in instead:
                    space[name] = instead[name]
                else:
                    del space[name]
            yield frozenset(aside)

    def update_handler_address(self, address: Address) -> None:
        """Tell where an LM handler listens (host, port), which answers model calls made outside a run."""
        self._handler.address = address

    def load_context(self, context_payload: Any) -> None:
        """Make the payload the first context (``context`` and ``context_0``), by reference."""
        self.add_context(context_payload, 0)

    def add_context(self, context_payload: Any, context_index: int | None = None) -> int:
        """Add a context by reference and return its number; without an index, the next free one."""
        number = self._versions.add_context(context_payload, context_index)
        self._lay()
        return number

    def get_context_count(self) -> int:
        """Return how many contexts there are."""
        return len(self._versions.contexts)

    def add_history(self, message_history: list[dict[str, Any]], history_index: int | None = None) -> int:
        """Add a deep copy of a message history and return its number."""
        number = self._versions.add_history(message_history, history_index)
        self._lay()
        return number

    def get_history_count(self) -> int:
        """Return how many histories there are."""
        return len(self._versions.histories)

    def keep_history(self, messages: Sequence[Message]) -> None:
        """Make ``history`` these messages, the whole conversation of the run, until the run ends."""
        self._conversation = [message.copy() for message in messages]
        self._lay()

    def offer(self, names: Mapping[str, Any]) -> None:
        """Make these, instead of a session's, the names that the scaffold also has (``session_context_0``, ...)."""
        self._offered = dict(names)
        self._lay()

    def contexts(self) -> dict[str, Any]:
        """Return the contexts and histories that there are, by name."""
        return self._versions.named()

    @contextmanager
    def running(self, queries: Queries) -> Iterator[None]:
        """Let these answer for the length of a run, which begins with a new ``answer``, however it ends.

        Raises ``RuntimeError`` while another run is at work here, and after ``cleanup()``.
        """
        self._check_open()
        if self._in_run:
            msg = "Another run is at work in this REPL: wait for it, or use a REPL of its own for this one."
            raise RuntimeError(msg)
        with self._laid(queries, Answer(self._namespace)):
            self._in_run = True
            try:
                yield
            finally:
                self._in_run = False
                self._conversation = None
                self._answer.settle()

    def execute_code(self, code: str) -> REPLResult:
        """Run one code block. An exception in it is in the result; only an interrupt is raised.

        Others wait their turn; code that asks for another block within its own gets a ``RuntimeError``.
        """
        with self._turns.taken(), self._cell() as calls:
            before = Bindings(self._namespace)
            return self._result(self._executor.run(code, self.cell_timeout), calls, before)

    async def aexecute_code(self, code: str) -> REPLResult:
        """Run one code block, awaiting its top-level ``await`` on the running event loop."""
        async with self._turns.awaited():
            with self._cell() as calls:
                before = Bindings(self._namespace)
                return self._result(await self._executor.arun(code, self.cell_timeout), calls, before)

    def answer_so_far(self) -> str | None:
        """Return what stands in ``answer["content"]``, or None while it is empty."""
        return self._answer.so_far()

    def reopen_answer(self) -> None:
        """Take back that the answer is ready: it was not accepted. Its content stays."""
        self._answer.reopen()

    def changes(self) -> NamespaceChanges:
        """Return what the last run changed in the user's namespace: nothing, where that is not this one."""
        return NamespaceChanges()

    def cleanup(self) -> None:
        """Give everything back, contexts and histories too. May be called twice."""
        if self._closed:
            return
        self._closed = True
        self._overlay.lift()
        self._versions.clear()
        self._offered = self._conversation = None
        if self._scratch is not None:
            self._scratch.cleanup()
        self._executor.close(keep_sources=self._gives_functions)

    def __enter__(self: E) -> E:
        """Return itself, to be cleaned up at the end of the block."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Clean up."""
        self.cleanup()

    def _begin(self, context_payload: Any, setup_code: str | None) -> None:
        """Lay the scaffold and run the setup code, or clean up and raise ``ConfigurationError`` with its traceback."""
        try:
            if context_payload is not None:
                self.load_context(context_payload)
            self._lay()
            check_arguments({"setup_code": setup_code})
            error = self.execute_code(setup_code).error if setup_code is not None else None
        except BaseException:
            self.cleanup()
            raise
        if error is not None:
            self.cleanup()
            msg = f"The setup_code failed:\n{error.traceback}"
            raise ConfigurationError(msg)

    @contextmanager
    def _cell(self) -> Iterator[list[RLMChatCompletion]]:
        """Stand around a cell, and yield the list of the calls that it makes, which in a run is the run's to keep."""
        self._check_open()
        if self._in_run:
            yield []
            return
        self._answer.reopen()  # what this cell answers is in its own result
        with self._laid(self._handler, self._answer), self._handler.crediting() as calls:
            yield calls

    @contextmanager
    def _laid(self, queries: Queries, answer: Answer) -> Iterator[None]:
        """Have the scaffold laid out with these to answer, for a run or for a cell outside one."""
        self._queries, self._answer = queries, answer
        try:
            with self._laying:
                self._overlay.lay(self._scaffold())
            yield
        finally:
            self._queries = self._handler
            if self._borrowed:
                self._overlay.lift()
            else:
                self._lay()

    def _lay(self) -> None:
        """Lay out the scaffold as it is now, where it lies."""
        with self._laying:  # what is laid last is what there is by then, whichever thread added it
            if not self._closed and (self._in_run or not self._borrowed):
                self._overlay.lay(self._scaffold())

    def _scaffold(self) -> dict[str, Any]:
        offered = self._versions.session() if self._offered is None else self._offered
        names = {**self._tools, **offered, **self._versions.scaffold()}
        if self._conversation is not None:
            names["history"] = self._conversation
        return {**names, **scaffold_names(self._queries, self._answer, self.variables)}

    def _check_open(self) -> None:
        if self._closed:
            msg = "This REPL was cleaned up. Make a new one."
            raise RuntimeError(msg)

    def _result(self, executed: Executed, calls: list[RLMChatCompletion], before: Bindings) -> REPLResult:
        notes = self._mend()
        changes = before.changes(self._namespace, self._overlay.names, self._hidden)
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
            rlm_calls=calls,
            final_answer=self._answer.ready(),
            outputs=outputs,
            error=executed.error,
            notes=notes,
            changes=changes,
        )
        if executed.interrupt is not None:
            raise CellInterrupted(result) from executed.interrupt
        return result

    def _mend(self) -> list[str]:
        """Put reserved names back and say so; what was bound to ``answer`` is taken for what it means."""
        bound = self._namespace.get("answer")
        with self._laying:
            broken = self._overlay.mend()
        notes = []
        if "answer" in broken and self._answer.take_over(bound):
            broken.remove("answer")
            if bound is self._answer.entry.get("content") and not self._answer.entry.get("ready"):
                notes.append('`answer` is a dict: what you bound to it is now its content. Set answer["ready"] = True.')
        if len(broken) > _NOTES:
            notes.append(f"The reserved names ({', '.join(broken)}) were put back.")
        else:
            notes += [f"`{name}` is reserved and was put back; use another name." for name in broken]
        if self._answer.entry.get("ready") and self._answer.ready() is None:
            self._answer.reopen()
            notes.append('answer["ready"] was set while answer["content"] is empty: set the content first.')
        return notes
