"""A context is described in constant time and without a copy."""

from __future__ import annotations

import tracemalloc
from collections import deque
from typing import Any

import pytest

from rlm_jupyter.trace.context_record import PREVIEW_LIMIT, context_record
from rlm_jupyter.trace.recorder import Recorder
from rlm_jupyter.trace.redaction import Redactor
from rlm_jupyter.trace.schema import RunStart


def test_a_small_text_is_digested_whole_and_a_large_one_by_samples() -> None:
    small, large = "a" * 60_000, "a" * 10_000_000
    assert not context_record("context", small).sampled
    assert context_record("context", small).digest != context_record("context", small[:-1] + "b").digest
    record = context_record("context", large)
    assert (record.type, record.size, record.unit, record.sampled) == ("str", 10_000_000, "characters", True)
    for other in (large + "a", "b" + large[1:], large[:-1] + "b"):
        assert context_record("context", other).digest != record.digest


@pytest.mark.parametrize(
    "value", ["\ud800 lone surrogate", "\ud800" * 100_000, b"\xff" * 100_000, bytearray(9), {}, [], ()]
)
def test_any_text_bytes_or_container_has_a_digest(value: Any) -> None:
    assert str(context_record("context", value).digest).startswith("sha256:")
    assert context_record("context", value).digest == context_record("context", value).digest


def test_bytes_have_the_same_digest_in_every_dress() -> None:
    raw = bytes(range(256)) * 1_000
    digests = {context_record("c", dress(raw)).digest for dress in (bytes, bytearray, memoryview)}
    assert len(digests) == 1
    assert context_record("c", memoryview(raw)[::2]).digest is None


def test_containers_are_sampled_and_no_foreign_code_is_run() -> None:
    class Loud:
        def __repr__(self) -> str:
            pytest.fail("the repr of an item was called")

    items = [Loud() for _ in range(1_000)]
    assert context_record("c", items).digest == context_record("c", [Loud() for _ in range(1_000)]).digest
    assert context_record("c", items).sampled
    numbered = {str(number): number for number in range(1_000)}
    assert context_record("c", numbered).digest != context_record("c", {**numbered, "999": 0}).digest
    assert context_record("c", deque([1])).digest is None


def test_a_context_of_100_mb_costs_no_memory() -> None:
    value = "x" * 100_000_000
    context_record("context", "warm")
    tracemalloc.start()
    context_record("context", value)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000


@pytest.mark.parametrize("before", [PREVIEW_LIMIT - 10, 2 * PREVIEW_LIMIT - 10, 90, 0])
@pytest.mark.parametrize("wrap", [str, lambda text: [text], lambda text: {"document": text}])
def test_no_half_of_a_secret_stays_where_a_preview_is_cut(before: int, wrap: Any) -> None:
    secret = "zq7-0123456789-abcdefghij"
    context = wrap("x" * before + secret + "y" * 5_000)
    recorder = Recorder(Redactor([secret], environ={}))
    start = RunStart(
        question="q", model="m", backend="b", environment="e", max_iterations=1, contexts=[context_record("c", context)]
    )
    recorder.start(start)
    preview = recorder.trace.run.contexts[0].preview
    assert len(preview) <= PREVIEW_LIMIT + 1
    assert not any(secret[at : at + 6] in preview for at in range(len(secret) - 6))
