"""Servers of several folders share the file, and none sees what belongs to another, though the paths are the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from recorded_runs import record

from rlm_jupyter.server.store import Store

PATH = "Untitled.ipynb"


@pytest.fixture
def here(path: Path) -> Iterator[Store]:
    with closing(Store(path, "/projects/it's here")) as kept:
        yield kept


@pytest.fixture
def there(path: Path) -> Iterator[Store]:
    with closing(Store(path, "/projects/there")) as kept:
        yield kept


def ask(store: Store, notebook: int | None, kernel: str = "k") -> str:
    trace = record("a question", session_id="s", turn=0)
    (change,), refused = store.take(kernel, notebook, trace.events)
    assert (change.notebook_id, refused) == (notebook, 0)
    return trace.run_id


def test_one_path_is_another_notebook_below_each_root(here: Store, there: Store) -> None:
    mine, theirs = here.notebook(PATH), there.notebook(PATH)
    assert mine != theirs
    assert (here.notebook_at(PATH), there.notebook_at(PATH)) == (mine, theirs)
    assert (here.path_of(mine), here.path_of(theirs)) == (PATH, None)
    run = ask(there, theirs)
    assert here.sessions() == here.sessions(PATH) == here.session(mine, None) == here.session(theirs, None) == []
    assert [row.session_id for row in there.session(theirs, None)] == ["s"]
    assert here.conversation(theirs, "s").turns == []
    assert here.runs() == here.runs(PATH) == here.runs(kernel="k") == here.search("question") == []
    assert [row.run_id for row in there.search("question", PATH)] == [run]
    with closing(Store(here.path)) as everything:
        assert [row.run_id for row in everything.runs()] == [run]
        assert everything.stats()["notebooks"] == 2


def test_a_run_of_another_root_is_as_if_it_were_not(here: Store, there: Store) -> None:
    run = ask(there, there.notebook(PATH))
    loose = ask(there, None)
    digest = next(event.digest for event in record("a question").events if event.event == "blob")
    for each in (run, loose):
        assert there.text(each, digest) is not None
        assert (here.run(each), here.trace(each), here.excerpt(each), here.text(each, digest)) == (None,) * 4
        assert [*here.spans(each), *here.usage(each), *here.missing(each)] == []
        assert here.runs(before=each) == []
        assert not here.delete_run(each)
    assert here.session(None, None) == []
    assert here.delete_session(None, "s") == here.delete_session(there.notebook(PATH), "s") == 0
    counted = {name: here.stats()[name] for name in ("notebooks", "sessions", "runs", "running", "spans", "texts")}
    assert set(counted.values()) == {0}
    assert len(there.runs()) == there.stats()["runs"] == 2


def test_what_happens_to_a_file_concerns_its_own_root(here: Store, there: Store) -> None:
    theirs = there.notebook(PATH, "file")
    run = ask(there, theirs)
    assert here.moved(PATH, "b.ipynb") == here.deleted(PATH) == []
    here.copied(PATH, "copy.ipynb")
    assert here.notebook_at("copy.ipynb") is None
    mine = here.notebook(PATH, "file")  # a number of a file means something only where it was given
    assert mine != theirs
    assert here.moved(PATH, "b.ipynb") == [mine]
    here.notebook(PATH)
    assert here.deleted("b.ipynb") == [mine]
    assert (there.path_of(theirs), [row.run_id for row in there.runs(PATH)]) == (PATH, [run])
    assert there.notebook("moved.ipynb", "file") == theirs


def test_a_kernel_of_one_root_writes_nothing_into_another(here: Store, there: Store) -> None:
    trace = record(session_id="s")
    there.take("k", None, trace.events[:3])
    assert here.take("k", None, trace.events[3:]) == ([], len(trace.events) - 3)
    theirs = there.notebook(PATH)
    run = ask(here, None, "another")
    here.attach("another", theirs)
    row = here.run(run)
    assert row is not None
    assert row.notebook_id is None
    assert there.runs(PATH) == []


def test_the_runs_that_a_dead_server_left_are_ended_by_the_next_one_of_its_root(path: Path, here: Store) -> None:
    trace = record(status=None)
    with closing(Store(path, "/projects/there")) as dead:
        dead.take("k", None, trace.events)
    assert here.abandon(None) == here.abandon("k") == []
    with closing(Store(path, "/projects/there")) as there:
        assert [change.run_id for change in there.abandon(None)] == [trace.run_id]
