"""The recorder numbers, redacts and hands on what happens, and nothing that listens can end a run."""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest

from rlm_jupyter.trace.recorder import Recorder
from rlm_jupyter.trace.redaction import Redactor
from rlm_jupyter.trace.schema import Blob, CodeEnd, CodeStart, Event, RunEnd, RunStart, SubcallEnd, SubcallStart


def start_run(recorder: Recorder, question: str = "What?") -> str:
    payload = RunStart(question=question, model="m", backend="b", environment="local", max_iterations=3)
    return recorder.start(payload)


def test_events_are_numbered_without_a_gap_from_many_threads() -> None:
    seen: list[Event] = []
    recorder = Recorder(Redactor(environ={}), [seen.append])
    root = start_run(recorder)

    def call_models() -> None:
        for index in range(50):
            span = recorder.start(SubcallStart(model="m", prompt=recorder.blob(f"prompt {index}", 100)), root)
            recorder.end(span, SubcallEnd(reply=recorder.blob(f"reply {index}", 100)))

    threads = [threading.Thread(target=call_models) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    recorder.end(root, RunEnd(answer="done"))

    assert [event.seq for event in seen] == list(range(len(seen)))
    assert recorder.trace.events == seen
    assert len(recorder.trace.subcalls) == 400
    assert all(span.status == "ok" for span in recorder.trace.walk())
    assert len(recorder.trace.blobs) == 100  # the same text is written once


def test_run_ids_sort_by_time_and_span_ids_are_short() -> None:
    earlier = Recorder(Redactor(environ={}), clock=lambda: 1_700_000_000.0)
    later = Recorder(Redactor(environ={}), clock=lambda: 1_700_000_001.0)
    assert earlier.run_id < later.run_id
    assert start_run(earlier) == "s1"
    assert {event.run_id for event in earlier.trace.events} == {earlier.run_id}


def test_a_long_text_is_named_by_the_whole_and_kept_by_head_and_tail() -> None:
    recorder = Recorder(Redactor(["the secret"], environ={}))
    text = "a" * 500 + "the secret" + "z" * 500
    digest = recorder.blob(text, 100)
    redacted = text.replace("the secret", "[redacted]")
    assert digest == "sha256:" + hashlib.sha256(redacted.encode()).hexdigest()[:32]
    (blob,) = recorder.trace.events
    assert isinstance(blob, Blob)
    assert blob.cut
    assert blob.size == len(redacted)
    assert blob.text.startswith("aaa")
    assert blob.text.endswith("zzz")
    assert len(blob.text) < 200
    assert recorder.blob(text, 100) == digest
    assert len(recorder.trace.events) == 1


def test_payloads_are_redacted_in_every_corner() -> None:
    recorder = Recorder(Redactor(["hunter22"], environ={}))
    root = start_run(recorder, "Is hunter22 a password?")
    code = recorder.start(CodeStart(code="x = 'hunter22'", index=1), root)
    data = {"application/json": {"hunter22": [{"deep": ("hunter22", 1, None, 2.5)}]}, "text/plain": "hunter22"}
    recorder.end(
        code, CodeEnd(outputs=[{"output_type": "display_data", "data": data, "metadata": {}}], notes=["hunter22"])
    )
    lines = recorder.trace.to_jsonl()
    assert "hunter22" not in lines
    assert lines.count("[redacted]") == 6


def test_a_payload_without_secrets_is_kept_as_it_is() -> None:
    recorder = Recorder(Redactor(environ={}))
    payload = CodeEnd(outputs=[{"output_type": "stream", "name": "stdout", "text": "hello"}])
    recorder.end(recorder.start(CodeStart(code="1", index=1)), payload)
    assert recorder.trace.events[-1].payload is payload  # type: ignore[union-attr]


def test_whatever_is_displayed_can_be_written_as_json() -> None:
    recorder = Recorder(Redactor(environ={}))
    data: dict[str, Any] = {"image/png": b"\x89PNG", "application/json": {1: {2}, "nan": float("nan")}, "t": "\ud800"}
    recorder.end(recorder.start(CodeStart(code="'\ud800'", index=1)), CodeEnd(outputs=[{"data": data}]))
    recorder.blob("lone \udfff surrogate", 100)
    for line in recorder.trace.to_jsonl().splitlines():
        json.loads(line, parse_constant=pytest.fail)


def test_a_listener_that_fails_is_dropped_once_and_the_run_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[Event] = []

    def fail(event: Event) -> None:
        msg = f"disk full, and the key is hunter22 ({event.seq})"
        raise OSError(msg)

    with caplog.at_level(logging.WARNING):
        recorder = Recorder(Redactor(["hunter22"], environ={}), [fail, seen.append])
        recorder.end(start_run(recorder), RunEnd(answer="done"))
    assert len(seen) == 2
    (record,) = caplog.records
    assert "disk full" in record.getMessage()
    assert "hunter22" not in record.getMessage()


def test_the_trace_is_whole_at_every_moment(run: Any) -> None:
    counts: list[int] = []
    sinks: list[Callable[[Event], None]] = [lambda event: counts.append(event.seq)]
    trace = run.record(sinks=sinks)
    assert counts == list(range(len(trace.events)))
    assert trace.answer == "42"
    assert [span.start.payload.number for span in trace.iterations] == [1, 2, 3]


@pytest.mark.parametrize("at", [0, 50, 49_990, 1_000_000, 2_999_990, -60])
def test_of_a_very_long_text_no_secret_is_kept_and_the_rest_is_counted(at: int) -> None:
    secret = "hunter2-is-the-password"
    filler = "The quick brown fox jumps over the lazy dog. " * 70_000
    at %= len(filler)
    text = filler[:at] + secret + filler[at:]
    recorder = Recorder(Redactor([secret], environ={}))
    start_run(recorder)
    digest = recorder.blob(text, 100_000)
    blob = recorder.trace.blobs[digest]
    assert (blob.size, blob.cut) == (len(text), True)
    assert f"[... {len(text) - 100_000:,} characters left out ...]" in blob.text
    assert not any(secret[start : start + 6] in blob.text for start in range(len(secret) - 6))
    assert recorder.blob(text, 100_000) == digest
    assert recorder.blob(f"{text}.", 100_000) != digest
