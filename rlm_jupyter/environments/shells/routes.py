"""Routes what a live shell shows and asks by other ways than the streams, and where its magics find their names."""

from __future__ import annotations

import re
import sys
from typing import Any

from rlm_jupyter.core.errors import ScaffoldError
from rlm_jupyter.environments.cells.receiver import receiver

from .namespace import global_ns_route, user_ns_route

__all__ = ["ShellRoutes"]

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class _DisplayRoute:
    """Stands in for IPython's display publisher."""

    def __init__(self, original: Any) -> None:
        self.original = original

    def publish(self, data: dict[str, Any], metadata: dict[str, Any] | None = None, **kwargs: Any) -> None:
        sink = receiver.get()
        if sink is None:
            self.original.publish(data, metadata, **kwargs)
            return
        display_id = (kwargs.get("transient") or {}).get("display_id")
        sink.display(dict(data), dict(metadata or {}), display_id, update=bool(kwargs.get("update")))

    def clear_output(self, wait: bool = False) -> None:
        sink = receiver.get()
        if sink is None:
            self.original.clear_output(wait)
        else:
            sink.clear(wait=wait)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.original, name)


class _ResultRoute:
    """Stands in for IPython's display hook, which makes a value the result of the user's cell."""

    def __init__(self, original: Any, shell: Any) -> None:
        self.original = original
        self._shell = shell
        self._of_the_user = getattr(original, "exec_result", None)

    def __call__(self, value: Any = None) -> None:
        sink = receiver.get()
        if sink is None:
            self.original(value)
            return
        if value is None:
            return
        told = getattr(self.original, "exec_result", None)
        if told is not None and told is not self._of_the_user:  # model code called ``run_cell``, which returns it
            told.result = value
        sink.result(*self._shell.display_formatter.format(value))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.original, name)


class ShellRoutes:
    """Routes what a live shell shows by other ways than the streams: displays, results, its own tracebacks, its pager.

    What it would ask of the user, to type something or to end the kernel, is refused to captured code; the namespace
    that it works in is that of whoever asks.
    """

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._display = _DisplayRoute(shell.display_pub)
        shell.display_pub = self._display
        self._result = _ResultRoute(shell.display_trap.hook, shell)
        shell.display_trap.hook = self._result
        if sys.displayhook is self._result.original:
            sys.displayhook = self._result
        self._overridden = [
            _override(type(shell), "user_ns", user_ns_route),
            _override(type(shell), "user_global_ns", global_ns_route),
            _override(shell, "_showtraceback", _traceback_route),
            _override(shell, "ask_exit", _exit_route),
            _override(shell.payload_manager, "write_payload", _payload_route),
        ]
        if hasattr(kernel := getattr(shell, "kernel", None), "_input_request"):
            self._overridden.append(_override(kernel, "_input_request", _input_route))

    def lift(self) -> None:
        """Take the routes away. What somebody else put on top stays; the route under it passes everything through."""
        if self._shell.display_pub is self._display:
            self._shell.display_pub = self._display.original
        if self._shell.display_trap.hook is self._result:
            self._shell.display_trap.hook = self._result.original
        if sys.displayhook is self._result:
            sys.displayhook = self._result.original
        for owner, name, before in self._overridden:
            if before is None:
                delattr(owner, name)
            else:
                setattr(owner, name, before)


def _override(owner: Any, name: str, route: Any) -> tuple[Any, str, Any]:
    """Lay the route over what one object has under the name, and return what takes it away again."""
    before = vars(owner).get(name)
    setattr(owner, name, route(getattr(owner, name, None)))
    return owner, name, before


def _traceback_route(original: Any) -> Any:
    """Return the route of what magics and display formatters tell of an exception that they caught."""

    def show(kind: Any, error: Any, lines: list[str]) -> None:
        sink = receiver.get()
        if sink is None:
            original(kind, error, lines)
        else:
            sink.write("stderr", _COLOUR.sub("", "\n".join(lines)) + "\n")

    return show


def _payload_route(original: Any) -> Any:
    """Return the route of what a cell asks of the user's front end: of ``name?`` to page a text, mostly."""

    def write(payload: dict[str, Any], single: bool = True) -> None:
        sink = receiver.get()
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
        sink = receiver.get()
        if sink is None:
            original()
        else:
            sink.write("stderr", "The kernel is the user's: it goes on.\n")

    return ask_exit


def _input_route(original: Any) -> Any:
    """Return the route of ``input()`` where it was called by other names: ``getpass``, a debugger, a library."""

    def request(*args: Any, **kwargs: Any) -> str:
        if receiver.get() is not None:
            msg = "Nobody is at the keyboard to answer. Work with the variables that you have."
            raise ScaffoldError(msg)
        text: str = original(*args, **kwargs)
        return text

    return request
