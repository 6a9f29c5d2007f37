"""A server that lives is never taken for dead, also when another one looks just as it comes up."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from recorded_runs import record

from rlm_jupyter.server.store import Store, lease
from rlm_jupyter.server.store.lease import Lease


def interrupt(monkeypatch: pytest.MonkeyPatch, work: Callable[[], object]) -> None:
    """Have another process's work done, once, between the making of a file and its locking."""
    lock = lease._lock
    works = [work]

    def later(descriptor: int) -> None:
        if works:
            works.pop()()
        lock(descriptor)

    monkeypatch.setattr(lease, "_lock", later)


def test_a_file_that_was_swept_up_before_it_was_locked_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "store"
    mine, other = Lease(store), Lease(store)
    first = mine.token
    interrupt(monkeypatch, other.sweep)
    mine.take()
    assert mine.token != first
    assert other.is_held(mine.token)
    assert not other.is_held(first)
    mine.give_up()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_another_one_is_testing_is_left_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine, other = Lease(tmp_path / "store"), Lease(tmp_path / "store")
    first = mine.token
    tested: list[int] = []

    def test() -> None:
        tested.append(os.open(mine._file(first), os.O_RDWR))
        lease._lock(tested[0])

    interrupt(monkeypatch, test)
    mine.take()
    os.close(tested[0])
    assert mine.token != first
    assert other.is_held(mine.token)
    other.sweep()
    assert other.is_held(mine.token)
    mine.give_up()
    assert list(tmp_path.iterdir()) == []


def test_its_runs_bear_the_name_under_which_it_lives(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(Store(path)) as other, closing(Store(path)) as mine:
        interrupt(monkeypatch, Lease(path).sweep)
        mine.take("k", None, record(status=None).events)
        assert other.abandon(None) == []
