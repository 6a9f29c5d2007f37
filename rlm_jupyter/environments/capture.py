"""Captures what code prints and displays, told apart by context variable: many runs may print at the same time.

While anything is captured, ``sys.stdout``, ``sys.stderr``, IPython's display publisher and ``Thread.start`` are routed:
code that runs in a captured context reaches its own sink, everything else passes through untouched. A thread inherits
the context that started it, so that its output goes where its starter's goes.
"""

from __future__ import annotations

import base64
import contextvars
import io
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast

from rlm_jupyter.core.errors import ScaffoldError

__all__ = ["Sink", "capture", "is_captured"]

_TEXT_LIMIT = 2_000_000
"""Characters kept of one run of stream output: endless printing must not fill the memory."""

_OUTPUTS_LIMIT = 500
"""Outputs kept of one cell; beyond it, streams are no longer told apart by when they were written to."""

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_OVERWRITTEN = re.compile(r"^[^\n]*\r(?=[^\n\r])", re.MULTILINE)


class _StreamText:
    """Text of one stream, of which head and tail are kept once it is too long."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._head: list[str] = []
        self._tail: list[str] = []
        self._head_size = self._tail_size = self._lost = 0

    def write(self, text: str) -> None:
        room = _TEXT_LIMIT // 2 - self._head_size
        if room > 0:
            self._head.append(text[:room])
            self._head_size += min(room, len(text))
            text = text[room:]
        if text:
            self._tail.append(text)
            self._tail_size += len(text)
        if self._tail_size > _TEXT_LIMIT:  # twice what is kept, so that each character is copied about once
            self._cut_tail()

    def text(self) -> str:
        self._cut_tail()
        gap = f"\n[... {self._lost:,} characters left out ...]\n" if self._lost else ""
        whole = "".join([*self._head, gap, *self._tail])
        # What a progress bar overwrote is not on a person's screen either.
        return _OVERWRITTEN.sub("", whole) if "\r" in whole else whole

    def _cut_tail(self) -> None:
        excess = self._tail_size - _TEXT_LIMIT // 2
        if excess > 0:
            self._tail = ["".join(self._tail)[excess:]]
            self._tail_size -= excess
            self._lost += excess

    def output(self) -> dict[str, Any]:
        return {"output_type": "stream", "name": self.name, "text": self.text()}


class Sink:
    """Collects the outputs of one cell in nbformat's shape and order. Safe to write to from any thread."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._outputs: list[_StreamText | dict[str, Any]] = []
        self._display_ids: dict[str, dict[str, Any]] = {}
        self._clear_next = False
        self._dropped = 0

    def write(self, name: str, text: str) -> None:
        """Add text to the stream ``name`` (``stdout`` or ``stderr``)."""
        if not text:
            return
        with self._lock:
            self._clear_if_due()
            self._stream(name).write(text)

    def display(self, data: dict[str, Any], metadata: dict[str, Any], display_id: str | None, *, update: bool) -> None:
        """Add a rich output, or replace those that carry the same display id."""
        with self._lock:
            shown = self._display_ids.get(display_id) if display_id else None
            if update and shown is not None:
                shown["data"], shown["metadata"] = _encoded(data), metadata
                return
            output = {"output_type": "display_data", "data": _encoded(data), "metadata": metadata}
            self._add(output)
            if display_id:
                self._display_ids[display_id] = output

    def result(self, data: dict[str, Any], metadata: dict[str, Any]) -> None:
        """Add the value of the cell's last expression."""
        output = {"output_type": "execute_result", "data": _encoded(data), "metadata": metadata}
        with self._lock:
            self._add({**output, "execution_count": None})

    def clear(self, *, wait: bool) -> None:
        """Drop what was put out so far; with ``wait``, once something new comes."""
        with self._lock:
            self._clear_next = True
            if not wait:
                self._clear_if_due()

    def take(self) -> list[dict[str, Any]]:
        """Return the outputs so far and begin anew."""
        with self._lock:
            if self._dropped:
                self._stream("stderr").write(f"[... {self._dropped:,} displays left out ...]\n")
            taken = [each.output() if isinstance(each, _StreamText) else each for each in self._outputs]
            self._clear_next = True
            self._clear_if_due()
            return taken

    def _stream(self, name: str) -> _StreamText:
        streams = [each for each in self._outputs[-1:] if isinstance(each, _StreamText) and each.name == name]
        if not streams and len(self._outputs) >= _OUTPUTS_LIMIT:
            streams = [each for each in self._outputs if isinstance(each, _StreamText) and each.name == name]
        if not streams:
            streams = [_StreamText(name)]
            self._outputs += streams
        return streams[-1]

    def _add(self, output: dict[str, Any]) -> None:
        self._clear_if_due()
        if len(self._outputs) < _OUTPUTS_LIMIT:
            self._outputs.append(output)
        else:
            self._dropped += 1

    def _clear_if_due(self) -> None:
        if self._clear_next:
            self._clear_next = False
            self._outputs = []
            self._display_ids = {}
            self._dropped = 0


def _encoded(data: dict[str, Any]) -> dict[str, Any]:
    """Return the data as nbformat holds it: what is binary, in base64."""
    return {mime: base64.b64encode(each).decode() if isinstance(each, bytes) else each for mime, each in data.items()}


_sink: contextvars.ContextVar[Sink | None] = contextvars.ContextVar("rlm_jupyter_sink", default=None)


def is_captured() -> bool:
    """Whether the calling code is model code: whether what it prints goes to a sink."""
    return _sink.get() is not None


@contextmanager
def capture(sink: Sink) -> Iterator[None]:
    """Send what this context prints and displays to the sink."""
    _routes.lay()
    token = _sink.set(sink)
    streams = sys.stdout, sys.stderr
    try:
        yield
    finally:
        _sink.reset(token)
        # Code that laid a stream of its own there, and failed before it took it away, would leave the notebook mute.
        # Elsewhere than on the main thread it may be another thread's, which will take it away itself.
        if threading.current_thread() is threading.main_thread():
            sys.stdout, sys.stderr = streams
        _routes.lift()


class _StreamRoute(io.TextIOBase):
    """Stands in for a standard stream."""

    def __init__(self, name: str, original: TextIO) -> None:
        self.route_name = name
        self.original = original

    def write(self, text: str) -> int:
        sink = _sink.get()
        if sink is None:
            return self.original.write(text)
        sink.write(self.route_name, text)
        return len(text)

    def flush(self) -> None:
        if _sink.get() is None:
            self.original.flush()

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return _sink.get() is None and self.original.isatty()

    def fileno(self) -> int:
        return self.original.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return getattr(self.original, "encoding", None) or "utf-8"

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        return getattr(self.original, "errors", None)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.original, name)


class _DisplayRoute:
    """Stands in for IPython's display publisher."""

    def __init__(self, original: Any) -> None:
        self.original = original

    def publish(self, data: dict[str, Any], metadata: dict[str, Any] | None = None, **kwargs: Any) -> None:
        sink = _sink.get()
        if sink is None:
            self.original.publish(data, metadata, **kwargs)
            return
        display_id = (kwargs.get("transient") or {}).get("display_id")
        sink.display(dict(data), dict(metadata or {}), display_id, update=bool(kwargs.get("update")))

    def clear_output(self, wait: bool = False) -> None:
        sink = _sink.get()
        if sink is None:
            self.original.clear_output(wait)
        else:
            sink.clear(wait=wait)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.original, name)


class _ShellRoutes:
    """Routes what a live shell shows by other ways than the streams: displays, its own tracebacks, its pager.

    What it would ask of the user, to type something or to end the kernel, is refused to captured code.
    """

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._display = _DisplayRoute(shell.display_pub)
        shell.display_pub = self._display
        self._overridden = [
            _override(shell, "_showtraceback", _traceback_route),
            _override(shell, "ask_exit", _exit_route),
            _override(shell.payload_manager, "write_payload", _payload_route),
        ]
        if hasattr(kernel := getattr(shell, "kernel", None), "_input_request"):
            self._overridden.append(_override(kernel, "_input_request", _input_route))

    def lift(self) -> None:
        if self._shell.display_pub is self._display:
            self._shell.display_pub = self._display.original
        for owner, name, before in self._overridden:
            if before is None:
                del vars(owner)[name]
            else:
                setattr(owner, name, before)


def _override(owner: Any, name: str, route: Any) -> tuple[Any, str, Any]:
    """Lay the route over a method of one object, and return what takes it away again."""
    before = vars(owner).get(name)
    setattr(owner, name, route(getattr(owner, name)))
    return owner, name, before


def _traceback_route(original: Any) -> Any:
    """Return the route of what magics and display formatters tell of an exception that they caught."""

    def show(kind: Any, error: Any, lines: list[str]) -> None:
        sink = _sink.get()
        if sink is None:
            original(kind, error, lines)
        else:
            sink.write("stderr", _COLOUR.sub("", "\n".join(lines)) + "\n")

    return show


def _payload_route(original: Any) -> Any:
    """Return the route of what a cell asks of the user's front end: of ``name?`` to page a text, mostly."""

    def write(payload: dict[str, Any], single: bool = True) -> None:
        sink = _sink.get()
        if sink is None:
            original(payload, single)
        elif payload.get("source") == "page":
            sink.write("stdout", _COLOUR.sub("", str(payload.get("data", {}).get("text/plain", ""))) + "\n")
        else:
            sink.write("stderr", f"The front end is the user's: {payload.get('source')} does nothing here.\n")

    return write


def _exit_route(original: Any) -> Any:
    """Return the route of the request to end the kernel."""

    def ask_exit() -> None:
        sink = _sink.get()
        if sink is None:
            original()
        else:
            sink.write("stderr", "The kernel is the user's: it goes on.\n")

    return ask_exit


def _input_route(original: Any) -> Any:
    """Return the route of ``input()`` where it was called by other names: ``getpass``, a debugger, a library."""

    def request(*args: Any, **kwargs: Any) -> str:
        if _sink.get() is not None:
            msg = "Nobody is at the keyboard to answer. Work with the variables that you have."
            raise ScaffoldError(msg)
        text: str = original(*args, **kwargs)
        return text

    return request


class _Routes:
    """Lays the routes at the first capture and lifts them after the last one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._shell: _ShellRoutes | None = None
        self._start: Any = None

    def lay(self) -> None:
        with self._lock:
            self._users += 1
            for name in ("stdout", "stderr"):
                # Looked at anew each time: model code or a test may have put another stream in between.
                if not isinstance(getattr(sys, name), _StreamRoute):
                    setattr(sys, name, _StreamRoute(name, getattr(sys, name)))
            shells = sys.modules.get("IPython.core.interactiveshell")
            if self._shell is None and shells is not None and shells.InteractiveShell.initialized():
                self._shell = _ShellRoutes(shells.InteractiveShell.instance())
            if self._start is None:
                self._start = threading.Thread.start
                threading.Thread.start = _start_in_context(self._start)  # type: ignore[method-assign]

    def lift(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users:
                return
            for name in ("stdout", "stderr"):
                stream = getattr(sys, name)
                # A stream that somebody else put on top stays; the route under it passes everything through.
                if isinstance(stream, _StreamRoute):
                    setattr(sys, name, stream.original)
            if self._shell is not None:
                self._shell.lift()
                self._shell = None
            threading.Thread.start = self._start  # type: ignore[method-assign]
            self._start = None


def _start_in_context(start: Any) -> Any:
    """Return a ``Thread.start`` that carries a capturing context into the new thread."""

    def start_in_context(thread: threading.Thread) -> None:
        if _sink.get() is not None:
            context, run = contextvars.copy_context(), thread.run
            cast(Any, thread).run = lambda: context.run(run)
        start(thread)

    return start_in_context


_routes = _Routes()
