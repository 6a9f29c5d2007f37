"""The cell that plays a recording is written and read in one place, and is not made in vain."""

from __future__ import annotations

from typing import Any

import pytest

from rlm_jupyter.trace.artifacts.play_cell import INSIDE, Beside, Inside, PlayCell
from rlm_jupyter.trace.digest import PLAY_TAG
from rlm_jupyter.trace.files.recording import pack, packed_in
from rlm_jupyter.trace.trace import Trace


def cell(source: Any) -> dict[str, Any]:
    return {"cell_type": "code", "source": source, "metadata": {"tags": ["rlm", PLAY_TAG]}}


def test_what_it_says_is_read_again_also_when_a_formatter_laid_it_out(run: Any) -> None:
    trace = run.record()
    recording = pack(trace)
    inside, aside = PlayCell.of(trace).source, PlayCell.of(trace, inside=10).source
    for source in (inside, inside.splitlines(keepends=True), inside.replace('play("', 'play(\n    "')):
        read = PlayCell.read(cell(source))
        assert isinstance(read, Inside)
        assert packed_in(read.text) == recording
    black = aside.replace('file="', '\n    file="').replace(", d", ",\n    d").removesuffix(")") + ",\n)"
    for source in (aside, black, black.replace('"', "'")):
        assert PlayCell.read(cell(source)) == Beside(recording.file_name, recording.digest)


@pytest.mark.parametrize(
    "other",
    [
        {"cell_type": "code", "source": 'rlm_jupyter.play("""eA==""")', "metadata": {"tags": ["rlm"]}},
        cell('rlm_jupyter.play(file="run.jsonl")'),
        cell(
            'rlm_jupyter.play(file="../0123456789abcdef01234567.rlm", digest="sha256:0123456789abcdef0123456789abcdef")'
        ),
        cell({"play": 1}),
        {"metadata": {"tags": 3}},
        {"metadata": None},
        None,
        [],
    ],
)
def test_no_other_cell_is_taken_for_one(other: Any) -> None:
    assert PlayCell.read(other) is None


def test_a_large_run_under_way_is_not_packed(run: Any, make_run: Any) -> None:
    run.context = "x"
    events = run.record().events
    large = make_run("Large?", iterations=[("y" * 100_000, [])] * 2, context="x").record()
    under_way = Trace(large.events[:-1])
    for number in range(60):
        blob = next(event for event in large.events if event.event == "blob")
        more = {"seq": 900 + number, "digest": f"sha256:{number}", "text": "y" * INSIDE}
        under_way.add(blob.model_copy(update={**more, "run_id": under_way.run_id}))
    assert pack(under_way).text_size < INSIDE  # however well it can be packed: it is not tried
    assert "has not ended" in PlayCell.of(under_way).source
    assert "from its recording" in PlayCell.of(Trace(events[:-1])).source
    under_way.add(large.events[-1])
    assert "from its recording" in PlayCell.of(under_way).source
