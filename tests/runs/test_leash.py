"""The leash between a run and its children in other processes, over real sockets."""

from __future__ import annotations

import socket
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from rlm_jupyter.runs.leash import Leash, held

LONG = 30  # seconds; only a hang takes so long


def test_what_is_held_ends_when_the_leash_closes() -> None:
    leash, ended = Leash(), threading.Event()
    with held(leash.end, ended.set):
        assert not ended.is_set()
        leash.close()
        leash.close()
        assert ended.wait(LONG)


def test_what_is_over_before_is_not_told() -> None:
    leash, ended = Leash(), threading.Event()
    with held(leash.end, ended.set):
        pass
    leash.close()
    assert not ended.is_set()


def test_an_end_that_nobody_holds_ends_at_once() -> None:
    leash, ended = Leash(), threading.Event()
    with held(leash.end, threading.Event().set):
        leash.close()
    with held(leash.end, ended.set):
        assert ended.wait(LONG)


def test_silent_strangers_keep_nobody_waiting() -> None:
    leash, ended = Leash(), threading.Event()
    strangers = [socket.create_connection(leash.end.address) for _ in range(70)]
    with held(leash.end, ended.set):
        assert not ended.is_set()
        leash.close()
        assert ended.wait(LONG)
    for stranger in strangers:
        stranger.settimeout(LONG)
        while stranger.recv(64):
            pass  # the nonce, and then the end: nobody stays connected
        stranger.close()


def test_whoever_has_another_key_is_turned_away() -> None:
    leash, ended = Leash(), threading.Event()
    with held(replace(leash.end, key=b"?" * 32), ended.set):
        assert ended.is_set()
    leash.close()


@pytest.mark.parametrize("greeting", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n" * 10])
def test_a_server_that_is_no_leash_is_not_held(greeting: bytes) -> None:
    leash, ended = Leash(), threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(LONG)
        peers: list[socket.socket] = []

        def greet() -> None:
            peers.append(server.accept()[0])
            peers[0].sendall(greeting)

        stranger = threading.Thread(target=greet)
        stranger.start()
        with held(replace(leash.end, address=server.getsockname()), ended.set, patience=0.2):
            assert ended.is_set()
        stranger.join()
        peers[0].close()
    leash.close()


def test_on_another_machine_nothing_is_asked_of_that_port() -> None:
    leash, ended = Leash(), threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        elsewhere = replace(leash.end, address=server.getsockname(), machine=("elsewhere", "then"))
        with held(elsewhere, ended.set), pytest.raises(BlockingIOError):
            server.accept()
    assert not ended.is_set()
    leash.close()


def test_a_child_that_is_over_leaves_no_descriptor_behind() -> None:
    leash = Leash()
    before = len(list(Path("/dev/fd").iterdir()))
    for _ in range(50):
        with held(leash.end, threading.Event().set):
            pass
    with held(leash.end, threading.Event().set):
        assert len(list(Path("/dev/fd").iterdir())) < before + 20
    leash.close()
