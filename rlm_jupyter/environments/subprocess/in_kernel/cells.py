"""Stands around each cell: says which one runs, mends the scaffold after it, and reports to the host."""

from __future__ import annotations

import io
import json
import os
import pickle
import sys
import time
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from .asking import QUERIES, Asking, carry_cell_into_threads, current_cell, send
from .parent import end_with
from .pictures import Picture
from .scaffold import Answer, Overlay, ScaffoldError, scaffold_names
from .streams import Bounded
from .tracebacks import cell_name, traceback_text

__all__ = ["Cells", "begin"]

_NOTES = 4  # names that were put back are told one by one; more of them in one note
_PREVIEW = 200  # characters
_PREVIEWING = 0.01  # seconds after a cell; the rest of the variables are told without
_PREVIEWED = frozenset("builtins collections datetime decimal numpy pandas pathlib polars pyarrow".split())
"""Libraries whose reprs are short and without effects; others' are not asked for behind the model's back."""


class _Unpickler(pickle.Unpickler):
    """Makes the host's pictures ours: the kernel's Python need not have the package."""

    def find_class(self, module: str, name: str) -> Any:
        """Return the class or function of that name."""
        if (module, name) == ("rlm_jupyter.core.pictures", "Picture"):
            return Picture
        return super().find_class(module, name)


class Cells:
    """What the kernel does for the host around its cells.

    ``describe`` is the host's way to say what a value is, ``bindings`` its way to take note of what names are bound to.
    """

    def __init__(
        self,
        shell: Any,
        asking: Asking,
        describe: Callable[[Any, int], Any],
        bindings: Callable[[Any], Any],
        host_version: str,
    ) -> None:
        self._shell = shell
        self._kernel = shell.kernel
        self._describe = describe
        self._bindings = bindings
        self._host_version = host_version
        self._process = os.getpid()
        self._streams = (sys.stdout, sys.stderr)
        self._bounded: list[Bounded] = []
        self._cell = ""
        self._depth = 0
        self._before: Any = None
        self._answer = Answer(shell.user_ns)
        self._overlay = Overlay(shell.user_ns)
        self._overlay.lay({name: getattr(asking, name) for name in QUERIES})
        self._overlay.lay(scaffold_names(self._answer, self._show_vars))
        shell.events.register("pre_run_cell", self._begin)
        shell.events.register("post_run_cell", self._end)

    def receive(self) -> None:
        """Lay the names that came with the message, set the answer; raise ``ScaffoldError`` if a name does not load."""
        head, *parts = self._kernel.get_parent("shell")["buffers"]
        told = json.loads(bytes(head).decode("ascii"))
        for name in told["drop"]:
            self._overlay.drop(name)
        failures: list[str] = []
        for each in told["lay"]:
            try:
                self._overlay.lay({each["name"]: self._made(each, parts)})
            except Exception as error:  # noqa: BLE001 - whatever a foreign object does when it is made
                failures.append(f"`{each['name']}`: {_reason(error, self._host_version)}")
        if told["answer"] is not None:
            self._set_answer(told["answer"])
        if failures:
            raise ScaffoldError("; ".join(failures))

    def _made(self, each: Mapping[str, Any], parts: list[Any]) -> Any:
        if "same" in each:
            return self._overlay.names[each["same"]]
        if "items" in each:
            return [self._overlay.names[name] for name in each["items"]]
        return _Unpickler(io.BytesIO(parts[each["part"]])).load()

    def _set_answer(self, told: Mapping[str, Any]) -> None:
        if "content" in told:
            self._answer.entry = dict(told)
            self._overlay.lay({"answer": self._answer.entry})
        self._answer.entry.update(told)

    def _begin(self, info: object = None) -> None:
        if not self._bounded:  # a cell may run another within it
            self._bounded = [Bounded(stream) for stream in self._streams]
        request = self._kernel.get_parent("shell")
        current_cell.set(request["header"]["msg_id"])
        if request["metadata"].get("rlm_by_hand"):
            self._answer.reopen()  # what this cell answers is in its own result
        if self._cell != request["header"]["msg_id"]:
            self._cell, self._depth = request["header"]["msg_id"], 0
            self._before = self._bindings(self._shell.user_ns)
        self._depth += 1

    def _end(self, result: Any = None) -> None:
        bounded, self._bounded = self._bounded, []
        for each in bounded:
            each.end()
        if os.getpid() != self._process:  # a fork that came to the end of the cell would be a second kernel
            self._end_fork(result)
        error = None if result is None else result.error_before_exec or result.error_in_exec
        notes = self._mend()
        report = {
            "notes": notes,
            "so_far": self._answer.so_far(),
            "ready": bool(self._answer.entry.get("ready")),
            "variables": self._summaries(),
            "error": None if error is None else self._told(error),
            "changes": self._changes(),
        }
        cell = self._kernel.get_parent("shell")["header"]["msg_id"]
        send(self._kernel, "rlm_report", {"cell": cell}, json.dumps(report).encode("ascii"))

    def _changes(self) -> dict[str, list[str]]:
        """Return what the cell has changed so far; at its own end, let go of what was there before it."""
        before, self._depth = self._before, self._depth - 1
        if self._depth <= 0:
            self._before = None
        if before is None:
            return {}
        changes: dict[str, list[str]] = before.changes(
            self._shell.user_ns, self._overlay.names, self._shell.user_ns_hidden
        )
        return changes

    def _end_fork(self, result: Any) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0 if result is None or result.success else 1)

    def _told(self, error: BaseException) -> dict[str, str]:
        try:
            message = str(error)
        except Exception as raised:  # noqa: BLE001 - the exception is model code's, and so is its __str__
            message = f"(its text form raised {type(raised).__name__})"
        cells = getattr(self._shell.compile, "_filename_map", {})
        if isinstance(error, SyntaxError) and error.filename in cells:
            message = f"{error.msg} ({cell_name(cells[error.filename])}, line {error.lineno})"
        return {"name": type(error).__name__, "message": message, "traceback": traceback_text(error, cells)}

    def _mend(self) -> list[str]:
        """Put reserved names back and say so; what was bound to ``answer`` is taken for what it means."""
        bound = self._shell.user_ns.get("answer")
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
        if self._answer.entry.get("ready") and self._answer.so_far() is None:
            self._answer.reopen()
            notes.append('answer["ready"] was set while answer["content"] is empty: set the content first.')
        return notes

    def _variables(self) -> dict[str, Any]:
        hidden = self._shell.user_ns_hidden
        return {
            name: value
            for name, value in self._shell.user_ns.copy().items()
            if not name.startswith("_")
            and name not in self._overlay.names
            and not isinstance(value, ModuleType)
            and not (name in hidden and hidden[name] is value)
        }

    def _show_vars(self) -> dict[str, str]:
        """Return the names that there are, with types and sizes; ``answer`` by its content, once it has one."""
        content = {"answer": self._answer.entry["content"]} if self._answer.so_far() is not None else {}
        return {name: str(self._describe(value, 0)) for name, value in {**self._variables(), **content}.items()}

    def _summaries(self) -> dict[str, list[Any]]:
        until = time.perf_counter() + _PREVIEWING
        told = {}
        for name, value in self._variables().items():
            shown = type(value).__module__.partition(".")[0] in _PREVIEWED and time.perf_counter() < until
            summary = self._describe(value, _PREVIEW if shown else 0)
            told[name] = [summary.type, summary.size, summary.unit, summary.preview]
        return told


def begin(
    shell: Any, options: Mapping[str, Any], describe: Callable[[Any, int], Any], bindings: Callable[[Any], Any]
) -> Cells:
    """Make an IPython kernel one that works for us."""
    kernel = shell.kernel
    _pack_any_text(kernel.session)
    _lose_no_message(kernel)
    _strand_no_request(kernel)
    sys.path.extend(each for each in options["path"] if each not in sys.path)
    shell.InteractiveTB.set_mode("Minimal")  # the full one takes up to 60 ms, and is told by the report anyway
    carry_cell_into_threads()
    end_with(options["parent"], options["directory"])
    asking = Asking(kernel, options["subcall_timeout"])
    return Cells(shell, asking, describe, bindings, options["version"])


def _pack_any_text(session: Any) -> None:
    """Escape what is not ASCII: lone surrogates would otherwise end the message, and the kernel with it."""
    plain = session.pack

    def pack(content: Any) -> bytes:
        try:
            return json.dumps(content, allow_nan=False).encode("ascii")
        except (TypeError, ValueError):
            packed: bytes = plain(content)
            return packed

    session.pack = pack


def _lose_no_message(kernel: Any) -> None:
    """Lift the bound over which a publisher drops messages without a word."""
    import zmq

    thread = getattr(kernel.iopub_socket, "io_thread", None)
    if thread is not None:
        thread.schedule(lambda: thread.socket.setsockopt(zmq.SNDHWM, 0))


def _strand_no_request(kernel: Any) -> None:
    """Send replies by the stream that takes requests.

    ipykernel 7.0 to 7.3 (the last for Python 3.10) send them past it, and a request that arrives just then is not seen.
    """
    manager: Any = getattr(getattr(kernel, "shell_channel_thread", None), "manager", None)
    if hasattr(manager, "_shell_socket"):
        manager._shell_socket = kernel.shell_stream  # noqa: SLF001 - there is no other door


def _reason(error: Exception, host_version: str) -> str:
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] == "cloudpickle":
        return "the kernel's Python has no cloudpickle, which functions and classes need: install it there"
    if isinstance(error, ModuleNotFoundError):
        return f"the kernel's Python has no module {error.name!r}: install it there, or define the object in your code"
    if version != host_version:
        return (
            f"{type(error).__name__}: {error} (functions and classes travel between Pythons of one version only, and "
            f"the kernel's is {version} where the host's is {host_version})"
        )
    return f"{type(error).__name__}: {error}"
