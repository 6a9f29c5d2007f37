"""Ends what runs in other processes together with the run that started it, also when that one's process dies."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import secrets
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from rlm_jupyter.clients.io_thread import submit

__all__ = ["Leash", "LeashEnd", "held"]

_NONCE = 32  # bytes
_PROOF = 32  # bytes
_PATIENCE = 10.0  # seconds; the other process may be busy, and a stranger may never say a word


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

    Both sides first prove that they have the key; then nothing is sent. An end that was carried to another machine
    holds nothing: what runs there is bound by its share of the limits alone. It is made and closed outside the I/O
    thread, on which it listens.
    """

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._writers: set[asyncio.StreamWriter] = set()
        self._closed = False
        self._server = submit(self._listening()).result()
        host, port = self._server.sockets[0].getsockname()
        self.end = LeashEnd((host, port), self._key)

    def close(self) -> None:
        """Let go: what is held ends. May be called twice."""
        submit(self._let_go())

    async def _listening(self) -> asyncio.Server:
        return await asyncio.start_server(self._hold, "127.0.0.1", 0)

    async def _hold(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Stay with one peer until it goes away, or is found to be a stranger."""
        if self._closed:
            writer.close()
            return
        self._writers.add(writer)
        try:
            if await asyncio.wait_for(self._knows(reader, writer), _PATIENCE):
                await reader.read(1)
        except (OSError, EOFError, asyncio.TimeoutError):
            pass  # a stranger, or somebody who went away: there is nobody to tell
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _knows(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        ours = secrets.token_bytes(_NONCE)
        writer.write(ours)
        theirs = await reader.readexactly(_NONCE)
        if not hmac.compare_digest(await reader.readexactly(_PROOF), _proof(self._key, b"end", ours + theirs)):
            return False
        writer.write(_proof(self._key, b"leash", ours + theirs))
        return True

    async def _let_go(self) -> None:
        self._closed = True
        self._server.close()
        for writer in self._writers:
            with contextlib.suppress(OSError):
                writer.write_eof()  # closing alone does not reach the peer while a fork of this process has the socket
            writer.close()


@contextmanager
def held(end: LeashEnd, let_go: Callable[[], None], patience: float = _PATIENCE) -> Iterator[None]:
    """Call ``let_go``, in a thread of its own, when the other end of the leash closes meanwhile; at once if it has.

    ``patience`` is how many seconds the other end has for its part of the greeting.
    """
    if end.machine != _machine():  # that port is somebody else's here
        yield
        return
    connection = _connected(end, patience)
    if connection is None:  # nobody holds the other end any more
        let_go()
        yield
        return
    over = threading.Event()

    def watch() -> None:
        with contextlib.suppress(OSError):
            connection.recv(1)
        if not over.is_set():
            let_go()

    watcher = threading.Thread(target=watch, name="rlm-jupyter-leash", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)  # wakes the watcher
        watcher.join()
        connection.close()


def _connected(end: LeashEnd, patience: float) -> socket.socket | None:
    """Return a connection to the leash, or None when no leash is there."""
    until = time.monotonic() + patience
    try:
        connection = socket.create_connection(end.address, timeout=patience)
    except OSError:
        return None
    try:
        theirs, ours = _received(connection, _NONCE, until), secrets.token_bytes(_NONCE)
        connection.sendall(ours + _proof(end.key, b"end", theirs + ours))
        if hmac.compare_digest(_received(connection, _PROOF, until), _proof(end.key, b"leash", theirs + ours)):
            connection.settimeout(None)
            return connection
    except (OSError, EOFError):
        pass  # a stranger's server, or a leash that closed meanwhile
    connection.close()
    return None


def _received(connection: socket.socket, size: int, until: float) -> bytes:
    """Return so many bytes. Raises ``OSError`` when the time is over, ``EOFError`` when the peer has gone."""
    received = b""
    while len(received) < size:
        connection.settimeout(max(0.001, until - time.monotonic()))
        piece = connection.recv(size - len(received))
        if not piece:
            raise EOFError
        received += piece
    return received


def _proof(key: bytes, side: bytes, nonces: bytes) -> bytes:
    return hmac.digest(key, side + nonces, "sha256")
