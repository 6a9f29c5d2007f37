"""A reply is told while it comes: only what is new, not too often, and never half a secret."""

from __future__ import annotations

import random

import pytest

from rlm_jupyter.trace.recorder import Recorder
from rlm_jupyter.trace.redaction import Redactor
from rlm_jupyter.trace.schema import (
    Event,
    ModelCallEnd,
    ModelCallStart,
    RunEnd,
    RunStart,
    SpanText,
    SubcallStart,
    event_adapter,
)
from rlm_jupyter.trace.trace import Trace

SECRET = "a walrus in the bath 4711"
KEY = "sk-" + "Ab1cD2eF3gH4iJ5kL6mN"
PEM = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0B\nAQEFAASC\n-----END PRIVATE KEY-----"


class Call:
    """A model call that is being recorded, by a clock of its own."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0
        self.seen: list[Event] = []
        redactor = Redactor([SECRET], environ={})
        self.recorder = Recorder(redactor, [self.seen.append], clock=lambda: self.now)
        begin = RunStart(question="What?", model="m", backend="b", environment="local", max_iterations=3)
        self.root = self.recorder.start(begin)
        self.span = self.recorder.start(ModelCallStart(model="m"), self.root)

    def hear(self, *pieces: str | None, every: float = 1.0) -> None:
        for piece in pieces:
            self.recorder.text(self.span, piece)
            self.now += every

    @property
    def told(self) -> list[SpanText]:
        return [event for event in self.seen if isinstance(event, SpanText)]

    @property
    def text(self) -> str:
        return self.recorder.trace.spans[self.span].text


def test_what_is_new_is_told_once_and_the_word_that_is_being_written_waits() -> None:
    call = Call()
    call.hear("The wal", "rus lives in the ba", "th. And")
    assert [event.text for event in call.told] == ["The walrus lives in the ", "bath. "]
    assert [event.seq for event in call.seen] == list(range(len(call.seen)))
    assert call.text == "The walrus lives in the bath. "


def test_a_quick_reply_and_pieces_of_a_moment_are_not_told() -> None:
    call = Call()
    call.hear(*(["word "] * 1_000), every=0.0002)
    assert call.told == []
    call.hear(*(["word "] * 1_000), every=0.01)
    assert 35 <= len(call.told) <= 42  # of ten seconds, four times in each
    sizes = [len(event.text) for event in call.told]
    assert sum(sizes) <= 2_000 * len("word ")


def test_a_reply_that_is_asked_for_anew_voids_what_was_told() -> None:
    call = Call()
    call.hear("The walrus ", "lives ", None, "A seal ", "lives ")
    told = [(event.text, event.anew) for event in call.told]
    assert told == [("The walrus lives ", False), ("", True), ("A seal ", False), ("lives ", False)]
    assert call.text == "A seal lives "
    untold = Call()
    untold.hear("The walrus ", None)
    assert untold.told == []


@pytest.mark.parametrize(
    ("written", "hidden"),
    [
        (SECRET, SECRET),
        (KEY, KEY),
        (f"Authorization: Bearer {KEY[3:]}", KEY[3:]),
        (PEM, "MIIEvQIBADANBgkqhkiG9w0B\nAQEFAASC"),
        (f"https://me:{KEY[3:]}@host/x", KEY[3:]),
    ],
)
def test_half_a_secret_is_never_told_wherever_it_is_cut(written: str, hidden: str) -> None:
    chance = random.Random(written)
    reply = f"Look at this: {written} and then go on. " * 3
    for _ in range(200):
        cuts = sorted(chance.sample(range(len(reply)), 12))
        call = Call()
        call.hear(*(reply[start:end] for start, end in zip([0, *cuts], [*cuts, len(reply)], strict=True)))
        texts = "".join(event.text for event in call.told)
        assert texts.count("[redacted]") == 3
        assert texts.endswith("and then go on. ")
        parts = {part for size in range(6, len(hidden) + 1) for part in (hidden[:size], hidden[-size:])}
        assert not [part for part in parts if part in texts]


def test_a_text_without_blanks_is_told_too() -> None:
    call = Call()
    call.hear("海象住在", "浴缸里。")
    assert call.text == "海象住在浴缸里。"


def test_of_a_call_that_is_broken_off_it_is_recorded_what_came() -> None:
    call = Call()
    call.hear("The walrus ", f"has {KEY[:12]}")
    digest = call.recorder.came(call.span, 1_000)
    call.recorder.end(call.span, ModelCallEnd(reply=digest), "interrupted")
    assert call.recorder.trace.text(digest) == "The walrus has "
    assert call.text == ""  # the end has it
    call.hear("and more ", "and more ")
    assert call.recorder.came(call.span, 1_000) is None
    assert len(call.told) == 1
    whole = Call()
    whole.hear("The walrus", " sings")
    assert whole.recorder.trace.text(whole.recorder.came(whole.span, 1_000)) == "The walrus sings"


def test_a_trace_is_the_same_when_it_is_read_again_and_each_part_has_its_own() -> None:
    call = Call()
    call.hear("The walrus ", "lives ")
    child = call.recorder.start(
        RunStart(question="Who?", model="m", backend="b", environment="local", max_iterations=1, depth=1), call.root
    )
    span = call.recorder.start(ModelCallStart(model="m"), child)
    for piece in ("A seal ", "lives "):
        call.recorder.text(span, piece)
        call.now += 1
    read = Trace(event_adapter.validate_json(event.model_dump_json()) for event in call.seen)
    assert read.events == call.seen
    assert read.spans[call.span].text == "The walrus lives "
    part = read.part(child)
    assert part.spans[span].text == "A seal lives "
    assert [event.text for event in part.events if isinstance(event, SpanText)] == ["A seal lives "]


def test_nothing_is_told_of_what_is_over_or_not_there() -> None:
    call = Call()
    subcall = call.recorder.start(SubcallStart(model="m", prompt="d"), call.root)
    call.recorder.end(call.root, RunEnd(answer="42"))
    for span in (call.span, subcall, "s99", ""):
        for piece in ("too ", "late ", None):
            call.recorder.text(span, piece)
            call.now += 1
    assert call.told == []


def test_a_child_of_another_process_is_told_by_its_ends() -> None:
    call = Call()
    call.hear("The walrus ", "lives ")
    digest = call.recorder.blob("The walrus lives in the bath.", 1_000)
    call.recorder.end(call.span, ModelCallEnd(reply=digest))
    call.recorder.end(call.root, RunEnd(answer="42"))
    here = Call()
    root = here.recorder.graft(call.recorder.trace.events, here.root)
    grafted = here.recorder.trace.part(root)
    assert [span.status for span in grafted.walk()] == ["ok", "ok"]
    assert here.told == []
    assert grafted.text(digest) == "The walrus lives in the bath."
