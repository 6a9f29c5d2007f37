"""Which notebook a run belongs to, wherever that goes."""

from __future__ import annotations

from recorded_runs import record

from rlm_jupyter.server.store import Store


def ask(store: Store, notebook: int | None, session: str = "s", turn: int = 0, kernel: str = "k") -> str:
    trace = record(session_id=session, turn=turn)
    store.take(kernel, notebook, trace.events)
    return trace.run_id


def runs(store: Store, notebook: str) -> list[str]:
    return [row.run_id for row in store.runs(notebook)]


def test_a_notebook_is_found_again_by_its_path(store: Store) -> None:
    key = store.notebook("folder/a.ipynb")
    assert store.notebook("folder/a.ipynb") == store.notebook_at("folder/a.ipynb") == key
    assert store.notebook("/folder/a.ipynb/") == key
    assert store.path_of(key) == "folder/a.ipynb"
    assert store.notebook("folder/b.ipynb") != key
    assert store.notebook_at("folder") is None
    assert store.path_of(999) is None


def test_a_notebook_is_found_again_by_its_file(store: Store) -> None:
    key = store.notebook("a.ipynb", "file-1")
    assert store.notebook("moved.ipynb", "file-1") == key
    assert store.path_of(key) == "moved.ipynb"
    assert store.notebook_at("a.ipynb") is None
    assert store.notebook("moved.ipynb", "file-2") == key  # written anew, as by git
    assert store.notebook("elsewhere.ipynb", "file-1") != key


def test_a_run_has_the_path_that_its_notebook_has_now(store: Store) -> None:
    key = store.notebook("a.ipynb")
    run = ask(store, key)
    assert store.moved("a.ipynb", "b.ipynb") == [key]
    row = store.run(run)
    assert row is not None
    assert (row.notebook_id, row.notebook) == (key, "b.ipynb")
    assert (runs(store, "a.ipynb"), runs(store, "b.ipynb")) == ([], [run])
    assert store.moved("a.ipynb", "c.ipynb") == store.moved("b.ipynb", "b.ipynb") == []


def test_a_folder_takes_along_all_that_lies_in_it_and_nothing_else(store: Store) -> None:
    inside = [store.notebook(f"data/{name}.ipynb") for name in ("a", "b", "deep/c_%")]
    beside = [store.notebook(path) for path in ("data.ipynb", "data2/a.ipynb", "data-1/a.ipynb", "Data/a.ipynb")]
    assert store.moved("data", "other/place") == inside
    assert [store.path_of(key) for key in inside] == [f"other/place/{name}.ipynb" for name in ("a", "b", "deep/c_%")]
    assert [store.path_of(key) for key in beside] == ["data.ipynb", "data2/a.ipynb", "data-1/a.ipynb", "Data/a.ipynb"]
    assert store.deleted("other") == inside
    assert [store.path_of(key) for key in inside] == [None] * 3
    assert store.moved("data2", "data2/below") == [beside[1]]
    assert store.path_of(beside[1]) == "data2/below/a.ipynb"


def test_a_notebook_that_gets_its_name_is_the_one_of_that_name(store: Store) -> None:
    known, temporary = store.notebook("a.ipynb"), store.notebook("a.ipynb-jvsc-1234")
    earlier, later = ask(store, known, "s1"), ask(store, temporary, "s2", kernel="new")
    assert store.moved("a.ipynb-jvsc-1234", "a.ipynb") == [known, temporary]
    assert runs(store, "a.ipynb") == [later, earlier]
    assert {row.session_id for row in store.sessions("a.ipynb")} == {"s1", "s2"}
    assert store.path_of(temporary) == "a.ipynb"
    last = ask(store, temporary, "s2", 1, kernel="new")  # whoever has the old number still means the notebook
    assert runs(store, "a.ipynb") == [last, later, earlier]
    assert len(store.conversation(temporary, "s2").turns) == 2


def test_a_kernel_whose_notebook_becomes_known(store: Store) -> None:
    early = ask(store, None, kernel="k")
    other = ask(store, None, kernel="another")
    key = store.notebook("a.ipynb")
    store.attach("k", key)
    late = ask(store, key, turn=1, kernel="k")
    assert runs(store, "a.ipynb") == [late, early]
    row = store.run(other)
    assert row is not None
    assert row.notebook_id is None
    elsewhere = store.notebook("b.ipynb")
    store.attach("k", elsewhere)
    assert runs(store, "b.ipynb") == []


def test_a_run_that_begins_before_its_notebook_is_known_gets_it_with_the_next_batch(store: Store) -> None:
    trace, key = record(), store.notebook("a.ipynb")
    (before,), _ = store.take("k", None, trace.events[:3])
    (after,), _ = store.take("k", key, trace.events[3:])
    assert (before.notebook_id, after.notebook_id) == (None, key)
    assert runs(store, "a.ipynb") == [trace.run_id]
    row = store.run(ask(store, 999))
    assert row is not None
    assert row.notebook_id is None


def test_a_deleted_notebook_and_a_new_one_of_its_name_are_two(store: Store) -> None:
    old = store.notebook("a.ipynb")
    run = ask(store, old)
    assert store.deleted("a.ipynb") == [old]
    assert store.deleted("a.ipynb") == []
    new = store.notebook("a.ipynb")
    assert new != old
    assert (store.path_of(old), store.path_of(new)) == (None, "a.ipynb")
    assert runs(store, "a.ipynb") == []
    row = store.run(run)
    assert row is not None
    assert (row.notebook_id, row.notebook) == (old, None)
    assert [each.run_id for each in store.runs()] == [run]


def test_a_copy_offers_what_was_said_before_it_was_made(store: Store) -> None:
    original = store.notebook("a.ipynb")
    first = ask(store, original, "s", 0)
    store.copied("a.ipynb", "copy.ipynb")
    ask(store, original, "s", 1)
    copy = store.notebook("copy.ipynb")
    assert copy != original
    (row,) = store.session(copy, None)
    assert (row.notebook_id, row.notebook, row.session_id, row.turns, row.runs) == (copy, "copy.ipynb", "s", 1, 1)
    assert [turn.run_id for turn in store.conversation(copy, "s").turns] == [first]
    assert len(store.conversation(original, "s").turns) == 2
    assert (runs(store, "copy.ipynb"), [each.run_id for each in store.runs("copy.ipynb", "s")]) == ([], [first])
    assert store.delete_session(copy, "s") == 0

    own = ask(store, copy, "s", 1)
    assert [turn.run_id for turn in store.conversation(copy, "s").turns] == [first, own]
    assert [(each.session_id, each.turns) for each in store.sessions("copy.ipynb")] == [("s", 2)]
    assert len(store.conversation(original, "s").turns) == 2
    store.copied("copy.ipynb", "again.ipynb")
    again = store.notebook("again.ipynb")
    assert [turn.run_id for turn in store.conversation(again, "s").turns] == [first, own]


def test_a_copy_with_sessions_of_its_own_offers_only_those(store: Store) -> None:
    ask(store, store.notebook("a.ipynb"), "old")
    store.copied("a.ipynb", "copy.ipynb")
    store.copied("unknown.ipynb", "other.ipynb")
    assert store.notebook_at("other.ipynb") is None
    copy = store.notebook("copy.ipynb")
    assert [row.session_id for row in store.sessions("copy.ipynb")] == ["old"]
    ask(store, copy, "new")
    assert [row.session_id for row in store.sessions("copy.ipynb")] == ["new"]
    store.deleted("a.ipynb")
    store.moved("copy.ipynb", "named.ipynb")
    assert len(store.conversation(copy, "old").turns) == 1


def test_copies_that_go_round_end(store: Store) -> None:
    a, b = store.notebook("a.ipynb"), store.notebook("b.ipynb")
    ask(store, a)
    store.copied("a.ipynb", "b.ipynb")
    store.copied("b.ipynb", "a.ipynb")
    assert len(store.sessions("b.ipynb")) == len(store.sessions("a.ipynb")) == 1
    assert store.moved("b.ipynb", "a.ipynb") == [a, b]
    assert len(store.sessions("a.ipynb")) == 1


def test_odd_paths_are_kept_apart(store: Store) -> None:
    odd = ["a'b.ipynb", "100%.ipynb", "ünï 🎉.ipynb", "bad\udcff.ipynb", "RTC:a.ipynb", "nul\0.ipynb", "-.ipynb", ""]
    keys = [store.notebook(path) for path in odd]
    assert len(set(keys)) == len(odd)
    assert [store.notebook_at(path) for path in odd] == keys
