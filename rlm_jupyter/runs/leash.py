"""Ends what runs in other processes together with the run that started it, also when that one's process dies."""

from __future__ import annotations

import contextlib
import secrets
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path

__all__ = ["Leash", "LeashEnd", "held"]


@cache
def _machine() -> tuple[str, str]:
    """Return what tells this machine from others, and this start of it from the next."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    return socket.gethostname(), boot.read_text() if boot.exists() else f"{uuid.getnode():x}"


@dataclass(frozen=True, slots=True)
class LeashEnd:
    """The end that goes to the other process: where to connect, on which machine, and the key that lets in."""

    address: tuple[str, int]
    key: bytes = field(repr=False)
    machine: tuple[str, str] = field(default_factory=_machine)


class Leash:
    """Listens on the loopback interface; whoever holds an end sees the connection close when this closes.

    Nothing is read from the connections. An end that was carried to another machine holds nothing: what runs there is
    bound by its share of the limits alone.
    """

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._listener = Listener(("127.0.0.1", 0), backlog=64, authkey=self._key)
        self._connections: list[Connection] = []
        self._closed = False
        address = self._listener.address
        self.end = LeashEnd((str(address[0]), int(address[1])), self._key)
        threading.Thread(target=self._accept, name="rlm-jupyter-leash", daemon=True).start()

    def close(self) -> None:
        """Let go: what is held ends. May be called twice."""
        if self._closed:
            return
        self._closed = True
        with contextlib.suppress(OSError, AuthenticationError, EOFError):  # wakes the thread that accepts
            Client(self.end.address, authkey=self._key).close()

    def _accept(self) -> None:
        with self._listener:
            while not self._closed:
                try:
                    self._connections.append(self._listener.accept())
                except (OSError, EOFError, AuthenticationError):
                    continue  # a stranger, or somebody who went away
        for connection in self._connections:
            connection.close()


@contextmanager
def held(end: LeashEnd, let_go: Callable[[], None]) -> Iterator[None]:
    """Call ``let_go``, in a thread of its own, when the other end of the leash closes meanwhile; at once if it has."""
    try:
        connection = Client(end.address, authkey=end.key)
    except (OSError, EOFError, AuthenticationError):
        if end.machine == _machine():  # nobody holds the other end any more
            let_go()
        yield
        return
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            try:
                if connection.poll(0.1):
                    connection.recv_bytes()
            except (OSError, EOFError):
                if not over.is_set():
                    let_go()
                return

    watcher = threading.Thread(target=watch, name="rlm-jupyter-leash", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
        connection.close()
