"""Values in full on their way to the server: large ones pass, and what only looks like one does not."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from rlm_jupyter.magics.publisher import EVENT_LIMIT, lightened
from rlm_jupyter.server.refusal import Reason
from rlm_jupyter.server.validation import read_events
from rlm_jupyter.trace.recorder import Recorder
from rlm_jupyter.trace.redaction import Redactor
from rlm_jupyter.trace.schema import Blob, CodeStart, ContextRecord, RunStart
from rlm_jupyter.trace.values import read_value, whole_text


@pytest.fixture(scope="module")
def blob() -> Blob:
    """A value of which 3 MB are left when it is compressed."""
    recorder = Recorder(Redactor(environ={}), record_limit=20_000_000)
    recorder.start(RunStart(question="q", model="m", backend="b", environment="e", max_iterations=1))
    text = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz .", k=3_600_000))
    assert recorder.value([text, text[:9]]) is not None
    (blob,) = recorder.trace.blobs.values()
    assert (blob.encoding, len(blob.text) > 2_500_000) == ("zlib", True)
    return blob


def test_a_large_value_passes_as_it_is(blob: Blob) -> None:
    refused: Counter[Reason] = Counter()
    (event,) = read_events([blob.model_dump(mode="json")], refused)
    assert isinstance(event, Blob)
    text, beginning = read_value(whole_text(event))
    assert (len(text), text[:9]) == (3_600_000, beginning)
    assert not refused


@pytest.mark.parametrize(
    "change",
    [
        *({"text": "<script>"}, {"cut": True}, {"media_type": "image/png"}, {"size": 50_000_001}),
        *({"encoding": "gzip"}, {"encoding": None}),
    ],
)
def test_what_is_no_value_is_refused(blob: Blob, change: dict[str, object]) -> None:
    refused: Counter[Reason] = Counter()
    assert not read_events([{**blob.model_dump(mode="json"), **change}], refused)
    assert sum(refused.values()) == 1


@pytest.mark.parametrize("value", [None, f"sha256:{'a' * 32}", "sha256:ABC", "x" * 100_000, ""])
def test_a_value_is_named_by_a_digest(value: str | None) -> None:
    recorder = Recorder(Redactor(environ={}))
    record = ContextRecord(name="rows", type="list", value=value)
    recorder.start(RunStart(question="q", model="m", backend="b", environment="e", max_iterations=1, contexts=[record]))
    recorder.start(CodeStart(code="x", index=1, inputs=[record]))
    events = [{**event.model_dump(mode="json"), "run_id": "0" * 32} for event in recorder.trace.events]
    refused: Counter[Reason] = Counter()
    kept = len(read_events(events, refused))
    assert (kept, refused[Reason.VALUE]) == ((2, 0) if value is None or len(value) == 39 else (0, 2))


def test_what_cannot_be_compressed_passes_too() -> None:
    recorder = Recorder(Redactor(environ={}), record_limit=2_000_000)
    recorder.start(RunStart(question="q", model="m", backend="b", environment="e", max_iterations=1))
    assert recorder.value(random.Random(1).randbytes(600_000)) is not None
    (blob,) = recorder.trace.blobs.values()
    assert read_events([blob.model_dump(mode="json")], Counter()) == [blob]


def test_a_value_that_no_message_can_hold_is_named_only(blob: Blob) -> None:
    light = lightened(blob, EVENT_LIMIT)
    assert isinstance(light, Blob)
    assert (light.digest, light.size, light.text, light.cut) == (blob.digest, blob.size, "", True)
    (event,) = read_events([light.model_dump(mode="json")], Counter())
    assert event == light
