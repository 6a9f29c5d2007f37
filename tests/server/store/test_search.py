"""Words are found in questions and answers, and every string may be looked for."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from recorded_runs import record

from rlm_jupyter.server.store import FoundRun, Store


@pytest.fixture(params=[True, False], ids=["indexed", "read"])
def store(request: pytest.FixtureRequest, path: Path) -> Iterator[Store]:
    """A store with SQLite's index of words, and one on an SQLite that has none."""
    kept = Store(path, full_text=request.param)
    yield kept
    kept.close()


def ask(store: Store, question: str, answer: str | None = "42", notebook: int | None = None) -> str:
    trace = record(question, answer)
    store.take("k", notebook, trace.events)
    return trace.run_id


def found(store: Store, words: str) -> list[str]:
    return [row.run_id for row in store.search(words)]


def marked(row: FoundRun) -> list[str]:
    return [row.excerpt[first:last] for first, last in row.hits]


def test_questions_and_answers_hold_what_is_looked_for(store: Store) -> None:
    contracts = ask(store, "Which contract ends first?", "The one with Beta.")
    weather = ask(store, "How is the weather?", "It rains, says the contract.")
    assert found(store, "beta") == [contracts]
    assert found(store, "WEATHER") == [weather]
    assert set(found(store, "contract")) == {contracts, weather}
    assert found(store, "contr first") == found(store, "beta ends") == [contracts]
    assert found(store, "contract snow") == found(store, "") == found(store, " \n") == []
    assert found(store, "eathe") == [weather]  # within a word, where none begins so


def test_the_excerpt_shows_the_place(store: Store) -> None:
    ask(store, "Where?", f"{'before ' * 200}the needle lies here{' after' * 200}")
    (row,) = store.search("NEEDLE here")
    assert row.found_in == "answer"
    assert marked(row) == ["needle", "here"]
    assert row.excerpt.startswith("…before")
    assert row.excerpt.endswith("…")
    assert len(row.excerpt) < 300
    ask(store, "line one\nline\ttwo", "")
    (row,) = store.search("two")
    assert (row.found_in, row.excerpt, marked(row)) == ("question", "line one line two", ["two"])


def test_other_scripts_are_found(store: Store) -> None:
    german, chinese = ask(store, "Wann endet der VERTRÄG?"), ask(store, "合同什么时候结束")
    assert found(store, "verträg") == [german]
    assert found(store, "什么时候") == found(store, "合同") == [chinese]


def test_no_string_is_an_error(store: Store) -> None:
    run = ask(store, "He said \"NEAR\" AND (it) * was - OR: NOT {column} ^x + C++ 100% a_b \\ 'quoted' NUL\0!")
    odd = ['"', '""', '"NEAR"', "AND", "OR NOT", "NEAR(", "(", ")", "*", "-x", "^x", "{column}", "question:it", "C++"]
    odd += ["100%", "a_b", "\\", "'", "'; DROP TABLE runs; --", "\0", "said\0it", "\ud800", "x" * 10_000, "x " * 10_000]
    odd += [
        "(" * 10_000,
        '"' * 9_999,
        "é" * 10_000,
        "AND " * 5_000,
        "\U0001d518" * 100,
        "\U000e0001",
        "!!! ???",
        "a.b." * 2_000,
    ]
    chance = random.Random(3)
    odd += ["".join(chance.choices("\"'()*-+:^{}%_\\ ANDORabc\0\n\t", k=30)) for _ in range(300)]
    for words in odd:
        store.search(words)
        store.search(words, "unknown.ipynb")
    assert found(store, '"NEAR"') == found(store, "AND it") == found(store, "C++") == found(store, "quoted") == [run]
    assert found(store, "(it)") == found(store, "100%") == [run]


def test_a_search_may_be_of_one_notebook_and_comes_in_pages(store: Store) -> None:
    key = store.notebook("a.ipynb")
    inside = [ask(store, f"needle {number}", notebook=key) for number in range(5)]
    ask(store, "needle elsewhere")
    assert len(store.search("needle")) == 6
    pages = [store.search("needle", "a.ipynb", limit=2, offset=offset) for offset in (0, 2, 4, 6)]
    assert sorted(row.run_id for page in pages for row in page) == sorted(inside)
    assert store.search("needle", limit=-1) == store.search("needle", offset=2**80) == []


def test_what_is_gone_or_changed_is_found_no_more(store: Store) -> None:
    run = ask(store, "needle one", "thread")
    other = ask(store, "needle two")
    store.delete_run(run)
    assert found(store, "needle") == [other]
    assert found(store, "thread") == []
    trace = record("a question", "an answer", status=None)
    store.take("k", None, trace.events)
    assert found(store, "question") == [trace.run_id]


def test_what_was_stored_without_an_index_is_found_with_one(path: Path) -> None:
    without = Store(path, full_text=False)
    runs = [ask(without, f"needle {number}") for number in range(3)]
    without.close()
    store = Store(path)
    assert store.stats()["search"] == "index"
    assert set(found(store, "needle")) == set(runs)
    late = record("needle late", status=None)
    store.take("k", None, late.events)
    store.close()
    without = Store(path, full_text=False)
    without.abandon("k")
    without.delete_run(runs[0])
    assert len(found(without, "needle")) == 3
    without.close()
    store = Store(path)
    assert set(found(store, "needle")) == {runs[1], runs[2], late.run_id}
    store.close()
