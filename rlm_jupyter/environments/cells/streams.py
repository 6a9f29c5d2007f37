"""Standard streams that tell by context variable whose text they are given."""

from __future__ import annotations

import io
import sys
import threading
from typing import Any, TextIO

from .own_state import OwnState
from .receiver import receiver

__all__ = ["lay_routes", "lift_routes", "own_streams"]


class _StreamRoute(io.TextIOBase):
    """Stands in for a standard stream."""

    def __init__(self, name: str, original: TextIO) -> None:
        self.route_name = name
        self.original = original

    def write(self, text: str) -> int:
        sink = receiver.get()
        if sink is None:
            return self.original.write(text)
        sink.write(self.route_name, text)
        return len(text)

    def flush(self) -> None:
        if receiver.get() is None:
            self.original.flush()

    def close(self) -> None:
        """Do nothing: the stream is not this route's.

        A route that is let go of closes, and would flush: the stream may be closed by then, and a thread that ends just
        then would leave a socket of ipykernel's open, which no thread closes any more.
        """

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return receiver.get() is None and self.original.isatty()

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


def lay_routes() -> None:
    """Route the standard streams, where they are not: somebody may have put another stream in between."""
    for name in ("stdout", "stderr"):
        if not isinstance(getattr(sys, name), _StreamRoute):
            setattr(sys, name, _StreamRoute(name, getattr(sys, name)))


def lift_routes() -> None:
    """Take the routes away. A stream that somebody put on top stays: the route under it passes everything through."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, _StreamRoute):
            setattr(sys, name, stream.original)


def own_streams() -> OwnState[tuple[Any, Any]]:
    """Return the standard streams as a state of the cell's own.

    Code that laid a stream of its own there, and awaits or failed before it took it away, would take the user's output
    with it. On other threads than the main one they stay as they are: they may be another thread's.
    """
    return OwnState(_streams, _set_streams)


def _streams() -> tuple[Any, Any]:
    return getattr(sys, "stdout", None), getattr(sys, "stderr", None)


def _set_streams(streams: tuple[Any, Any]) -> None:
    if threading.current_thread() is threading.main_thread():
        sys.stdout, sys.stderr = streams
