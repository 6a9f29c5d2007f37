"""A packed trace is the trace again, says what it holds by its digest, and is opened with care."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import pytest

from rlm_jupyter.trace.files import recording
from rlm_jupyter.trace.files.jsonl import TraceVersionError
from rlm_jupyter.trace.files.recording import PartialTraceError, pack, packed_in, unpack
from rlm_jupyter.trace.omitted import Omitted
from rlm_jupyter.trace.schema import SCHEMA_VERSION, SpanText
from rlm_jupyter.trace.trace import Trace


def test_a_trace_comes_back_as_it_was_and_packs_the_same_each_time(run: Any) -> None:
    trace = run.record()
    packed = pack(trace)
    assert unpack(packed.data).events == trace.events
    assert pack(Trace(trace.events)) == packed == pack(unpack(packed.data))
    assert packed_in(f"\n{packed.text}\n  ") == packed
    assert max(map(len, packed.text.split("\n"))) == 100
    assert packed.text_size == len(packed.text.replace("\n", ""))
    assert packed.file_name == f"{packed.digest[7:31]}.rlm"
    assert len(packed.data) < len(trace.to_jsonl()) / 4


def test_what_was_told_of_replies_while_they_came_is_left_out(run: Any) -> None:
    trace = run.record()
    told = {"version": SCHEMA_VERSION, "run_id": trace.run_id, "seq": len(trace.events), "span_id": "s3", "at": 1.0}
    assert pack(Trace([*trace.events, SpanText(**told, text="piece by piece")])) == pack(trace)


def test_a_run_that_has_not_ended_can_be_packed_and_a_part_of_one_cannot(run: Any) -> None:
    trace = run.record()
    cut = Trace(trace.events[:-3])
    assert unpack(pack(cut).data).status is None
    cut.omitted["s1"] = Omitted(events=3)
    with pytest.raises(PartialTraceError, match="excerpt"):
        pack(cut)
    trace.damage = "The log is damaged at line 7."
    with pytest.raises(PartialTraceError, match="line 7"):
        pack(trace)
    with pytest.raises(PartialTraceError, match="no run"):
        pack(Trace())


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda data: data[: len(data) // 2], "damaged"),
        (lambda data: data + b"more", "behind"),
        (lambda data: b"no zlib at all", "damaged"),
        (lambda data: zlib.compress(b"\xff\n"), "line 1"),
        (lambda data: zlib.compress(b'{"event": "start"}\n'), "line 1"),
        (lambda data: zlib.compress(b""), "no run"),
        (lambda data: zlib.compress(zlib.decompress(data).split(b"\n", 1)[1]), "no run"),
        (lambda data: zlib.compress(zlib.decompress(data) * 2 + b"[" * 100_000), "line"),
    ],
)
def test_damage_is_a_clear_error(run: Any, damage: Callable[[bytes], bytes], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        unpack(damage(pack(run.record()).data))


def test_another_runs_events_and_those_of_a_newer_version_are_refused(run: Any) -> None:
    one, two = (zlib.decompress(pack(run.record()).data) for _ in range(2))
    with pytest.raises(ValueError, match="no event of this run"):
        unpack(zlib.compress(one + two))
    newer = one.replace(f'"version":{SCHEMA_VERSION}'.encode(), b'"version":99')
    with pytest.raises(TraceVersionError, match="pip install -U rlm-jupyter"):
        unpack(zlib.compress(newer))
    with pytest.raises(ValueError, match="damaged"):
        packed_in("no base64!")


def test_a_bomb_is_not_unpacked(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    trace = run.record()
    data = pack(trace).data
    monkeypatch.setattr(recording, "UNPACKED_LIMIT", 1_000)
    with pytest.raises(ValueError, match="not opened"):
        unpack(data)
    with pytest.raises(PartialTraceError, match="larger"):
        pack(trace)
