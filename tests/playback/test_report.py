"""How differences are told, and which of them could not have been avoided."""

from __future__ import annotations

import base64
import struct
import time
import zlib
from datetime import datetime, timedelta, timezone
from html.parser import HTMLParser

import pytest

from rlm_jupyter.playback.differences import differences_of
from rlm_jupyter.playback.report import ReplayReport
from rlm_jupyter.playback.unrepeatable import Settled
from rlm_jupyter.runs.earlier import EarlierBlock
from rlm_jupyter.trace.schema import CodeEnd, CodeStart, ErrorRecord, SpanStart
from rlm_jupyter.trace.trace import Span, Trace

THEN = datetime(2024, 3, 9, 10, 30, tzinfo=timezone.utc)
NOW = datetime.now(timezone.utc)
ADDRESSES = "<object at 0x7f238a7a7800>", "<object at 0x7f238a7a7bc0>"


def stream(text: str) -> dict[str, str]:
    return {"output_type": "stream", "name": "stdout", "text": text}


def report_of(recorded: CodeEnd, replayed: CodeEnd, code: str = "") -> ReplayReport:
    start = SpanStart(run_id="a", seq=9, span_id="s7", started=0.0, payload=CodeStart(code=code, index=1))
    block = EarlierBlock(Trace(), Span(start))
    found = differences_of("block 1 of iteration 2", block, recorded, replayed, Settled(THEN.timestamp()))
    return ReplayReport(runs=["a"], differences=list(found), blocks=1)


def png(word: bytes, pixel: int = 0) -> str:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    chunks = chunk(b"IHDR", head) + chunk(b"tEXt", word) + chunk(b"IDAT", zlib.compress(bytes([0, pixel])))
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + chunks + chunk(b"IEND", b"")).decode("ascii")


@pytest.mark.parametrize(
    ("then", "now"),
    [
        ADDRESSES,
        (f"at {THEN.timestamp()}", f"at {time.time()}"),
        (f"{THEN:%Y-%m-%d %H:%M:%S.%f+00:00}", f"{NOW:%Y-%m-%d %H:%M:%S.%f+00:00}"),
        (f"{THEN:%a %b %d %H:%M:%S %Y}", f"{NOW:%a %b %d %H:%M:%S %Y}"),
        (f"{THEN:%d %b %Y}", f"{NOW:%d %b %Y}"),
        (repr(THEN.replace(tzinfo=None)), repr(NOW.replace(tzinfo=None))),
        (repr(THEN), repr(NOW)),
        ("took 0.31 s, 12 ms a step", "took 0.4 s, 9 ms a step"),
        ("CPU times: user 3 μs, sys: 1 μs, total: 4 μs", "CPU times: user 2.1 ms, total: 2.1 ms"),
        ("/tmp/tmpn78rvs1r/out.csv is written", "/var/folders/x9/T/tmpab12cd34/out.csv is written"),
        ("id 139790537774896", "id 140790580331120"),
        ("6fa459ea-ee8a-4ca4-894e-db77e160355e", "16fd2706-8baf-433b-82eb-8c7fada847da"),
        ("{'b', 'a', 'c'}", "{'a', 'c', 'b'}"),
        (png(b"Software\0one"), png(b"Software\0another")),
    ],
    ids=range(14),  # not by the clock: every process that takes part finds the same tests
)
def test_what_cannot_repeat_differs_and_does_not_count(then: str, now: str) -> None:
    report = report_of(CodeEnd(outputs=[stream(then)]), CodeEnd(outputs=[stream(now)]))
    assert [difference.repeatable for difference in report.differences] == [False]
    assert report.same


@pytest.mark.parametrize(
    ("then", "now"),
    [
        ("3 apples", "4 apples"),
        ("signed on 2019-05-01", "signed on 2019-05-02"),
        (f"due {THEN + timedelta(days=30):%Y-%m-%d}", f"due {NOW + timedelta(days=29):%Y-%m-%d}"),
        ("founded 1 May 1999", "founded 2 May 1999"),
        ("1500000000 people", "1600000000 people"),
        ("it takes 5 minutes", "it takes 6 minutes"),
        ("{'a', 'b'}", "{'a', 'c'}"),
        ("['a', 'b']", "['b', 'a']"),
        (png(b"x", pixel=0), png(b"x", pixel=1)),
        (ADDRESSES[0], ADDRESSES[1] + "!"),
    ],
    ids=range(10),
)
def test_what_could_have_been_the_same_counts(then: str, now: str) -> None:
    report = report_of(CodeEnd(outputs=[stream(then)]), CodeEnd(outputs=[stream(now)]))
    assert [difference.repeatable for difference in report.differences] == [True]
    assert not report.same


@pytest.mark.parametrize(
    "unit",
    [
        "1,",
        "1 ",
        "1.",
        "C:\\a",
        "C:\\a\\Temp\\",
        "/tmp/",
        "'a', ",
        "{'a', ",
        "jan 1 1:",
        "1 days, ",
        "iVBORw0KGgo=",
        "date(1",
    ],
)
def test_the_time_that_it_takes_grows_with_the_text(unit: str) -> None:
    def seconds(size: int) -> float:
        text = (unit * size)[:size]
        took = []
        for _ in range(3):
            began = time.process_time()
            Settled(0.0).same(text, text + "x")
            took.append(time.process_time() - began)
        return min(took)

    assert seconds(32_000) < 24 * max(seconds(4_000), 0.001)  # 8 times; 64 times, were it to grow with the square


def test_pieces_of_a_stream_counters_and_tracebacks_are_no_difference() -> None:
    traceback = {"output_type": "error", "ename": "E", "evalue": "no", "traceback": ["in cell 7"]}
    shown = {"output_type": "execute_result", "data": {"text/plain": "1"}, "metadata": {}, "execution_count": 3}
    one = CodeEnd(outputs=[stream("a"), stream("b"), shown, traceback], changes={"created": ["x"]})
    other = CodeEnd(
        outputs=[stream("ab"), {**shown, "execution_count": 8}, {**traceback, "traceback": ["in cell 9"]}],
        changes={"rebound": ["x"]},
    )
    assert report_of(one, other).differences == []


def test_a_name_that_the_code_binds_may_have_stood_for_that_very_value_before() -> None:
    nothing, bound = CodeEnd(), CodeEnd(changes={"created": ["x"]})
    assert report_of(nothing, bound, "x = 1").differences == []
    assert [each.kind for each in report_of(nothing, bound, "globals()['x'] = 1").differences] == ["names"]
    assert [each.kind for each in report_of(bound, nothing, "x = 1").differences] == ["names"]


def test_the_report_reads_as_text_and_as_values() -> None:
    recorded = CodeEnd(outputs=[stream("one\ntwo\n")], final_answer="2")
    replayed = CodeEnd(outputs=[stream("one\n2\n")], error=ErrorRecord(name="ValueError", message="no"))
    report = report_of(recorded, replayed)
    text = str(report)
    assert text.startswith("3 differences. 1 code block of 1 run; 0 calls answered from the recording.")
    assert "block 1 of iteration 2 (s7): the output differs\n" in text
    assert "\n  -two\n  +2\n" in text
    assert "\n  +ValueError: no" in text
    told = report.to_dict()
    assert told["same"] is False
    assert told["differences"][2] == {
        "place": "block 1 of iteration 2",
        "span_id": "s7",
        "kind": "answer",
        "recorded": "2",
        "replayed": "",
        "repeatable": True,
    }
    assert repr(report) == "<ReplayReport: 3 differences. 1 code block of 1 run; 0 calls answered from the recording.>"
    assert str(ReplayReport(runs=["a"], blocks=2)).startswith("The same as recorded. 2 code blocks of 1 run;")


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)


def test_hostile_output_is_shown_and_can_do_nothing() -> None:
    hostile = "\x1b]0;owned\x07<script>alert(1)</script>\u202e" + "x" * 1_000_000
    report = report_of(CodeEnd(outputs=[stream("fine")]), CodeEnd(outputs=[stream(hostile)]))
    report.notes.append("<img src=x onerror=alert(1)>")
    bundle = report._repr_mimebundle_()
    assert "\x1b" not in bundle["text/plain"] + bundle["text/html"]
    assert "\u202e" not in bundle["text/plain"] + bundle["text/html"]
    assert len(bundle["text/plain"]) + len(bundle["text/html"]) < 10_000
    tags = Tags()
    tags.feed(bundle["text/html"])
    assert tags.seen <= {"p", "b", "details", "summary", "pre"}


def test_a_long_report_tells_the_beginning() -> None:
    outputs = [[stream("a\n" * 5_000), {"output_type": "display_data", "data": {"text/plain": str(n)}}] for n in (1, 2)]
    recorded, replayed = (CodeEnd(outputs=each * 40) for each in outputs)
    report = report_of(recorded, replayed)
    assert len(report.differences) == 40
    assert str(report).endswith("20 more differences: see report.differences.")
