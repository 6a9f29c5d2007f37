"""Words are found in all that a run holds, and every string may be looked for."""

from __future__ import annotations

import random

import pytest
from made_runs import made_run

from rlm_jupyter.server.store import Passage, Store, passages
from rlm_jupyter.trace.recorder import Recorder
from rlm_jupyter.trace.redaction import Redactor
from rlm_jupyter.trace.schema import (
    CodeEnd,
    CodeStart,
    ErrorRecord,
    IterationEnd,
    IterationStart,
    MessageRecord,
    ModelCallEnd,
    ModelCallStart,
    RunEnd,
    RunStart,
    SubcallEnd,
    SubcallStart,
)

PLACES = {
    "question": ("run", "s1"),
    "answer": ("run", "s1"),
    "message": ("model_call", "s3"),
    "reply": ("model_call", "s3"),
    "code": ("code", "s4"),
    "output": ("code", "s4"),
    "prompt": ("subcall", "s5"),
}
"""A span that has a word in such a place, which is called as the place."""


def full(store: Store) -> str:
    """Store a run in which every sort of place has its own word, and return its id."""
    recorder = Recorder(Redactor(environ={}))
    begin = RunStart(question="Where is the question?", model="m", backend="b", environment="local", max_iterations=3)
    root = recorder.start(begin)
    iteration = recorder.start(IterationStart(number=1), root)
    message = MessageRecord(role="user", digest=recorder.blob("a first message", 100))
    call = recorder.start(ModelCallStart(model="m", added=[message]), iteration)
    recorder.end(call, ModelCallEnd(reply=recorder.blob("the reply: run it", 100)))
    block = recorder.start(CodeStart(code='code = "öde"\n\tpath = "a\\\\b"', index=1), iteration)
    subcall = recorder.start(SubcallStart(model="m", prompt=recorder.blob("a prompt", 100)), block)
    recorder.end(subcall, SubcallEnd(error=ErrorRecord(name="ClientError", message="no luck")), "error")
    image = {"output_type": "display_data", "data": {"image/png": "iVBOR", "text/plain": "<Figure of it>"}}
    outputs = [{"output_type": "stream", "name": "stdout", "text": "output one\n"}, image]
    failed = {
        "output_type": "error",
        "ename": "KeyError",
        "evalue": "'lamp'",
        "traceback": ["line 1", "KeyError: 'lamp'"],
    }
    error = ErrorRecord(name="KeyError", message="'lamp'", traceback="line 1\nKeyError: 'lamp'")
    recorder.end(block, CodeEnd(outputs=[*outputs, failed], error=error, final_answer="half"), "error")
    recorder.end(iteration, IterationEnd(rejected="It is no number."))
    recorder.end(root, RunEnd(answer="the answer"))
    store.take("k", None, recorder.trace.events)
    return recorder.run_id


def found(store: Store, run: str, words: str, kind: str | None = None) -> list[tuple[str, str]]:
    return [(passage.span_id, passage.found_in) for passage in store.search_run(run, words, kind).found]


def marked(passage: Passage) -> list[str]:
    return [passage.excerpt[first:last] for first, last in passage.hits]


@pytest.mark.parametrize("place", PLACES)
def test_every_place_is_looked_into(store: Store, place: str) -> None:
    kind, span_id = PLACES[place]
    run = full(store)
    (passage,) = [each for each in store.search_run(run, place.upper()).found if each.found_in == place]
    assert (passage.span_id, passage.kind) == (span_id, kind)
    assert [text.lower() for text in marked(passage)] == [place]
    assert (span_id, place) in found(store, run, place, kind)
    assert found(store, run, place, "iteration") == []


def test_outputs_errors_and_what_the_user_said_are_looked_into(store: Store) -> None:
    run = full(store)
    assert found(store, run, "figure OF") == [("s4", "output")]
    assert found(store, run, "lamp") == [("s4", "error")]  # once, though the error is among the outputs, too
    assert found(store, run, "half") == [("s4", "answer")]
    assert found(store, run, "no number") == [("s2", "message")]
    assert found(store, run, "no luck") == [("s5", "error")]
    assert found(store, run, "iVBOR") == found(store, run, "display_data") == found(store, run, "sha256:") == []


def test_the_text_as_it_stands_goes_before_its_words(store: Store) -> None:
    run = full(store)
    (passage,) = store.search_run(run, "reply: run").found
    assert marked(passage) == ["reply: run"]
    (passage,) = store.search_run(run, "run reply").found
    assert marked(passage) == ["reply", "run"]
    assert found(store, run, "reply prompt") == []  # not in one place
    assert found(store, run, '"öde"') == found(store, run, "ÖDE") == found(store, run, "a\\\\b") == [("s4", "code")]


def test_hits_come_in_the_order_of_the_spans_and_as_many_as_are_wanted(store: Store) -> None:
    events = made_run(subcalls=30)
    store.take("k", None, events)
    run = events[0].run_id
    told = store.search_run(run, "walrus", limit=2_000)
    assert not told.more
    spans = ["s1", *(f"s{number}" for number in range(4, 34))]
    assert [(each.span_id, each.found_in) for each in told.found] == [
        ("s1", "question"),
        *((span, place) for span in spans[1:] for place in ("prompt", "reply")),
    ]
    first = store.search_run(run, "walrus", limit=7)
    assert (first.found, first.more) == (told.found[:7], True)
    assert not store.search_run(run, "walrus", limit=61).more
    assert store.search_run(run, "walrus", "subcall", limit=1).found == told.found[1:2]
    assert store.search_run(run, "walrus", limit=-1).found == ()
    assert store.search_run("0" * 32, "walrus").found == ()


def test_a_run_that_is_too_large_is_looked_through_in_part(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    run = full(store)
    monkeypatch.setattr(passages, "_SECONDS", -1.0)
    told = store.search_run(run, "question")
    assert ([passage.span_id for passage in told.found], told.more) == (["s1"], True)


def test_the_excerpt_shows_the_place(store: Store) -> None:
    recorder = Recorder(Redactor(environ={}))
    text = f"{'before ' * 9_000}the needle\nlies here{' after' * 9_000} needle"
    root = recorder.start(RunStart(question=text, model="m", backend="b", environment="local", max_iterations=3))
    recorder.end(root, RunEnd(answer="needle " * 9_000))
    store.take("k", None, recorder.trace.events)
    question, answer = store.search_run(recorder.run_id, "NEEDLE").found
    assert marked(question) == ["needle"]
    assert "the needle lies here" in question.excerpt
    assert set(marked(answer)) == {"needle"}
    for passage in (question, answer):
        assert len(passage.excerpt) < 300


def test_no_string_is_an_error(store: Store) -> None:
    run = full(store)
    chance = random.Random(5)
    odd = [
        "",
        " ",
        '"',
        "\\",
        "%",
        "_",
        "*",
        "(",
        "[",
        "'; DROP TABLE runs; --",
        "\0",
        "\ud800",
        "x" * 10_000,
        "x " * 999,
    ]
    odd += ["".join(chance.choices("\"'()[]*-+:^{}%_\\ ANDORabc\0\n\té", k=20)) for _ in range(300)]
    for words in odd:
        store.search_run(run, words)
        store.search_run(words, words, words)
    assert store.search_run(run, "  ").found == ()
