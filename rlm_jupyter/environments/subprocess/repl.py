"""The environment: an IPython kernel in a process of its own."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from rlm_jupyter.core.describe import ValueSummary
from rlm_jupyter.core.protocols import Message, Queries
from rlm_jupyter.core.results import NamespaceChanges, REPLResult
from rlm_jupyter.environments.cells.interrupted import CellInterrupted
from rlm_jupyter.environments.cells.turns import Turns
from rlm_jupyter.environments.handler import Address, HandlerQueries, SubcallFunction
from rlm_jupyter.environments.ipython import IPythonREPL
from rlm_jupyter.environments.tools import tool_values
from rlm_jupyter.environments.versions import Versions

from .carrying import carried, is_plain
from .cells import Cells
from .kernel import Kernel
from .listening import Listening
from .questions import Questions
from .report import Report
from .request import Request

__all__ = ["SubprocessREPL"]


class SubprocessREPL(IPythonREPL):
    """Runs model code in a kernel that Jupyter starts; see ``IPythonREPL`` for the arguments.

    Contexts, histories and tools are copies there, made when the next cell runs. A kernel that died is started anew
    with the next cell. Raises ``KernelStartError`` when it cannot be started.
    """

    kernel_mode = "subprocess"

    def __init__(  # noqa: PLR0913 - the arguments are those of both modes
        self,
        context_payload: Any = None,
        *,
        kernel_mode: str = "subprocess",
        kernel_name: str | None = None,
        cell_timeout: float | None = None,
        startup_timeout: float = 60.0,
        subcall_timeout: float | None = None,
        max_concurrent_subcalls: int = 4,
        setup_code: str | None = None,
        custom_tools: Mapping[str, Any] | None = None,
        lm_handler_address: Address | None = None,
        subcall_fn: SubcallFunction | None = None,
        depth: int = 1,
        persistent: bool = False,
    ) -> None:
        given = {
            "custom_tools": custom_tools,
            "setup_code": setup_code,
            "max_concurrent_subcalls": max_concurrent_subcalls,
        }
        times = {"cell_timeout": cell_timeout, "startup_timeout": startup_timeout, "subcall_timeout": subcall_timeout}
        self.check({"kernel_mode": kernel_mode, **given, **times})
        self.custom_tools = dict(custom_tools or {})
        self.cell_timeout = cell_timeout
        self.persistent = persistent
        self.max_concurrent_subcalls = max_concurrent_subcalls
        self._tools = tool_values(self.custom_tools)
        self._versions = Versions()
        self._offered: dict[str, Any] | None = None
        self._conversation: list[Message] | None = None
        self._handler = HandlerQueries(
            subcall_fn, lm_handler_address, depth=depth, max_concurrent=max_concurrent_subcalls
        )
        self._queries: Queries | None = None
        self._questions = Questions()
        self._turns = Turns()
        self._closed = False
        listening = Listening(self._questions)
        self._kernel = Kernel(kernel_name, listening, startup_timeout=startup_timeout, subcall_timeout=subcall_timeout)
        self._finalizer = weakref.finalize(self, self._kernel.close)
        self._cells = Cells(
            self._kernel,
            listening,
            self._questions,
            cell_timeout=cell_timeout,
            setup_code=setup_code,
        )
        try:
            if context_payload is not None:
                self.load_context(context_payload)
            with self._turn():
                self._cells.make_ready(self._names(), self._handler)
        except BaseException:
            self.cleanup()
            raise

    @property
    def lm_handler_address(self) -> Address | None:
        """Where model calls made outside a run are answered."""
        return self._handler.address

    @property
    def locals(self) -> Mapping[str, ValueSummary]:
        """What the variables are, by name, as of the end of the last cell; empty after ``cleanup()``."""
        return MappingProxyType({} if self._closed else self._cells.report.variables)

    @property
    def temp_dir(self) -> str:
        """The directory in which the kernel works, removed by ``cleanup()``."""
        return self._kernel.directory

    def guide(self) -> str:
        """Return what the system prompt says of this environment."""
        return (
            "This REPL is an IPython kernel: the value of a block's last expression is shown, and top-level `await`, "
            "`%magics` and `!shell` work. It is a process of its own, in an empty folder of its own. What another "
            "program prints may come late: call `subprocess.run(..., capture_output=True, text=True)` and look at its "
            "`stdout`."
        )

    def variables(self) -> dict[str, ValueSummary]:
        """Return what the public names that code sees are, the scaffold's left out."""
        return dict(self._cells.report.variables)

    def load_context(self, context_payload: Any) -> None:
        """Make the payload the first context (``context`` and ``context_0``)."""
        self.add_context(context_payload, 0)

    def add_context(self, context_payload: Any, context_index: int | None = None) -> int:
        """Add a context and return its number; raises ``ConfigurationError`` when it cannot be pickled."""
        if not is_plain(context_payload):
            carried("context", context_payload)  # to say so now; it is carried with the next cell, as it is then
        self._cells.layout.doubt()
        return self._versions.add_context(context_payload, context_index)

    def get_context_count(self) -> int:
        """Return how many contexts there are."""
        return len(self._versions.contexts)

    def add_history(self, message_history: list[dict[str, Any]], history_index: int | None = None) -> int:
        """Add a deep copy of a message history and return its number."""
        return self._versions.add_history(message_history, history_index)

    def get_history_count(self) -> int:
        """Return how many histories there are."""
        return len(self._versions.histories)

    def update_handler_address(self, address: Address) -> None:
        """Tell where an LM handler listens (host, port), which answers model calls made outside a run."""
        self._handler.address = address

    def offer(self, names: Mapping[str, Any]) -> None:
        """Make these, instead of a session's, the names that the scaffold also has (``session_context_0``, ...)."""
        self._offered = dict(names)

    def contexts(self) -> dict[str, Any]:
        """Return the contexts and histories that there are, by name."""
        return self._versions.named()

    def answer_so_far(self) -> str | None:
        """Return what stood in ``answer["content"]`` after the last cell, or None while it is empty."""
        return self._cells.report.so_far

    def reopen_answer(self) -> None:
        """Take back that the answer is ready: it was not accepted. Its content stays."""
        self._cells.answer = {**(self._cells.answer or {}), "ready": False}

    def keep_history(self, messages: Sequence[Message]) -> None:
        """Make ``history`` these messages, the whole conversation of the run, until the run ends."""
        self._conversation = [message.copy() for message in messages]

    def changes(self) -> NamespaceChanges:
        """Return what the last run changed in the user's namespace: nothing, for that is not this one."""
        return NamespaceChanges()

    @contextmanager
    def running(self, queries: Queries) -> Iterator[None]:
        """Let these answer for the length of a run, which begins with a new ``answer``, however it ends.

        Raises ``RuntimeError`` while another run is at work here, and after ``cleanup()``.
        """
        with self._turn():
            if self._queries is not None:
                msg = "Another run is at work in this REPL: wait for it, or use a REPL of its own for this one."
                raise RuntimeError(msg)
            self._cells.report = Report(variables=self._cells.report.variables)
            self._cells.answer = {"content": "", "ready": False}
            self._cells.layout.doubt()  # the user may have changed a context since the last question
            self._cells.make_ready(self._names(), self._handler)
            self._queries = queries
        try:
            yield
        finally:
            self._queries = None
            self._conversation = None
            self._questions.end()

    def execute_code(self, code: str) -> REPLResult:
        """Run one code block. An exception in it is in the result; only an interrupt is raised.

        Others wait their turn; code that asks for another block within its own gets a ``RuntimeError``.
        """
        return self._execute(code, threading.Event())

    async def aexecute_code(self, code: str) -> REPLResult:
        """Run one code block, leaving the event loop free. A cancellation interrupts it."""
        stop = threading.Event()
        future: Future[REPLResult] = Future()
        context = contextvars.copy_context()

        def work() -> None:
            try:
                future.set_result(context.run(self._execute, code, stop))
            except BaseException as error:  # noqa: BLE001 - it is raised where the result is awaited
                future.set_exception(error)

        threading.Thread(target=work, name="rlm-jupyter-cell", daemon=True).start()
        waiting = asyncio.wrap_future(future)
        cancelled: asyncio.CancelledError | None = None
        while not waiting.done():
            try:
                await asyncio.wait([waiting])
            except asyncio.CancelledError as error:  # once more, for it insists; the cell ends, or is ended
                cancelled = error
                stop.set()
        if cancelled is not None and waiting.exception() is None:
            raise CellInterrupted(waiting.result()) from cancelled
        return waiting.result()

    def cleanup(self) -> None:
        """Kill the kernel, remove its files, forget contexts and histories. May be called twice."""
        self._closed = True
        self._finalizer()
        self._questions.end()
        self._versions.clear()
        self._offered = self._conversation = None
        self._cells.layout.forget()

    def _execute(self, code: str, stop: threading.Event) -> REPLResult:
        with self._turn():
            if self._queries is not None:
                return self._cells.run(Request(code), self._names(), self._queries, [], stop)
            self._cells.layout.doubt()
            with self._handler.crediting() as calls:
                return self._cells.run(Request(code, by_hand=True), self._names(), self._handler, calls, stop)

    def _names(self) -> dict[str, Any]:
        offered = self._versions.session() if self._offered is None else self._offered
        names = {**self._tools, **offered, **self._versions.scaffold()}
        return names if self._conversation is None else {**names, "history": self._conversation}

    @contextmanager
    def _turn(self) -> Iterator[None]:
        with self._turns.taken():
            if self._closed:
                msg = "This REPL was cleaned up. Make a new one."
                raise RuntimeError(msg)
            yield
