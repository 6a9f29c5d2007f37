"""A notebook's conversations: what was asked, what was answered, and nobody else's."""

from __future__ import annotations

from recorded_runs import record

from rlm_jupyter.server.store import Store
from rlm_jupyter.trace.schema import event_adapter


def test_a_conversation_is_its_answered_turns(store: Store) -> None:
    key = store.notebook("a.ipynb")
    runs = [
        record("first?", "1", session_id="s", turn=0, settings={"model": "old"}),
        record("broken?", None, session_id="s", turn=1, status="error"),
        record("again?", "2", session_id="s", turn=1, settings={"model": "new"}),
        record("a part?", "half", session_id="s", turn=2, status="limit"),
        record("no turn?", "3", session_id="s"),
        record("elsewhere?", "4", session_id="t", turn=0),
        record("none?", "5", turn=0),
        record("going on?", session_id="s", turn=2, status=None, settings={"model": "last"}),
    ]
    for run in runs:
        store.take("k", key, run.events)
    record_ = store.conversation(key, "s")
    assert [(turn.run_id, turn.turn, turn.question, turn.answer) for turn in record_.turns] == [
        (runs[0].run_id, 0, "first?", "1"),
        (runs[2].run_id, 1, "again?", "2"),
    ]
    assert record_.settings == {"model": "last"}
    row = next(row for row in store.sessions("a.ipynb") if row.session_id == "s")
    assert (row.first_question, row.turns, row.runs, row.notebook_id, row.notebook) == (
        *("first?", 2, 6, key, "a.ipynb"),
    )
    assert row.began <= row.updated
    assert len(store.sessions("a.ipynb")) == 2
    assert store.conversation(key, "unknown").turns == []


def test_the_last_run_of_a_turn_wins(store: Store) -> None:
    key = store.notebook("a.ipynb")
    for answer in ("first", "second"):
        store.take("k", key, record("?", answer, session_id="s", turn=3).events)
    store.take("k", key, record("?", "zero", session_id="s", turn=0).events)
    assert [turn.answer for turn in store.conversation(key, "s").turns] == ["zero", "second"]


def test_sessions_belong_to_their_notebook(store: Store) -> None:
    mine, theirs = store.notebook("mine.ipynb"), store.notebook("theirs.ipynb")
    store.take("k1", mine, record("mine?", "1", session_id="same", turn=0).events)
    store.take("k2", theirs, record("theirs?", "2", session_id="same", turn=1).events)
    store.take("k3", None, record("nowhere?", "3", session_id="same", turn=2).events)
    assert [turn.answer for turn in store.conversation(mine, "same").turns] == ["1"]
    assert [turn.answer for turn in store.conversation(theirs, "same").turns] == ["2"]
    assert [turn.answer for turn in store.conversation(None, "same").turns] == ["3"]
    assert store.conversation(999, "same").turns == []
    assert [(row.notebook, row.runs) for row in store.sessions()] == [(None, 1), ("theirs.ipynb", 1), ("mine.ipynb", 1)]
    assert [row.first_question for row in store.session(None, "same")] == ["nowhere?"]
    assert store.session(999, None) == store.sessions("unknown.ipynb") == []
    assert store.delete_session(mine, "same") == 1
    assert store.delete_session(999, "same") == 0
    assert [row.notebook for row in store.sessions()] == [None, "theirs.ipynb"]


def test_a_session_is_found_by_the_beginning_of_its_id(store: Store) -> None:
    key = store.notebook("a.ipynb")
    for session in ("abc1", "abc2", "abc", "x%_"):
        store.take("k", key, record(session_id=session, turn=0).events)
    assert {row.session_id for row in store.session(key, "ab")} == {"abc", "abc1", "abc2"}
    assert [row.session_id for row in store.session(key, "abc")] == ["abc"]
    assert [row.session_id for row in store.session(key, "abc2")] == ["abc2"]
    assert [row.session_id for row in store.session(key, None)] == ["x%_"]
    assert [row.session_id for row in store.session(key, "x")] == ["x%_"]
    for prefix in ("%", "_", "'", "\0", "\ud800", "a" * 10_000):
        assert store.session(key, prefix) == []
    assert len(store.session(key, "")) == 4


def test_the_last_session_is_one_in_which_something_was_answered_or_can_go_on(store: Store) -> None:
    key = store.notebook("a.ipynb")
    assert store.session(key, None) == []
    store.take("k", key, record(session_id="failed", turn=0, status="error").events)
    assert [row.session_id for row in store.session(key, None)] == ["failed"]
    store.take("k", key, record(session_id="good", turn=0).events)
    assert [row.session_id for row in store.session(key, None)] == ["good"]
    store.take("k", key, record(session_id="under way", turn=0, status=None).events)
    assert [row.session_id for row in store.session(key, None)] == ["good"]
    cut = record(session_id="cut", turn=0, status="interrupted")
    store.take("k", key, cut.events)
    assert [row.session_id for row in store.session(key, None)] == ["cut"]
    assert store.cut_runs(key, None, None) == store.cut_runs(key, cut.run_id[:20], "cut") == [cut.run_id]
    assert store.cut_runs(key, None, "good") == store.cut_runs(key + 1, cut.run_id, None) == []


def test_a_trace_comes_in_pieces(store: Store) -> None:
    key = store.notebook("a.ipynb")
    trace = record()
    store.take("k", key, trace.events)
    pieces: list[list[str]] = []
    since: int | None = 0
    while since is not None:
        events, since = store.events(trace.run_id, since, 1_000)
        pieces.append(events)
    assert len(pieces) > 3
    assert [event_adapter.validate_json(line) for events in pieces for line in events] == trace.events


def test_sessions_come_in_pages(store: Store) -> None:
    key = store.notebook("a.ipynb")
    for number in range(5):
        store.take("k", key, record(session_id=f"s{number}", turn=0).events)
    for notebook in (None, "a.ipynb"):
        pages = [store.sessions(notebook, limit=2, offset=offset) for offset in (0, 2, 4, 6)]
        assert [[row.session_id for row in page] for page in pages] == [["s4", "s3"], ["s2", "s1"], ["s0"], []]
        assert store.sessions(notebook, limit=-1) == store.sessions(notebook, offset=2**80) == []


def test_runs_are_listed_and_filtered(store: Store) -> None:
    key = store.notebook("a.ipynb")
    ok = record("?" * 5_000, session_id="s", turn=0)
    failed, running = record(session_id="s", status="error"), record(status=None)
    store.take("k1", key, ok.events)
    store.take("k1", None, failed.events)
    store.take("k2", key, running.events)
    ids = [running.run_id, failed.run_id, ok.run_id]
    assert [row.run_id for row in store.runs()] == ids
    assert [row.run_id for row in store.runs("a.ipynb")] == [ids[0], ids[2]]
    assert [row.run_id for row in store.runs(session="s")] == ids[1:]
    assert [row.run_id for row in store.runs(kernel="k1")] == ids[1:]
    assert [row.run_id for row in store.runs(status="running")] == ids[:1]
    assert [row.run_id for row in store.runs(status="error")] == ids[1:2]
    assert [row.run_id for row in store.runs(limit=2)] == ids[:2]
    assert [row.run_id for row in store.runs(limit=2, before=ids[1])] == ids[2:]
    assert store.runs("unknown.ipynb") == store.runs(before="unknown") == store.runs(limit=-5) == []
    assert store.runs(status="\ud800", session="'", kernel="\0") == []
    assert len(store.runs()[-1].question) == 2_000
    whole = store.run(ok.run_id)
    assert whole is not None
    assert len(whole.question) == 5_000
    assert store.run("unknown") is store.run("\ud800") is None
