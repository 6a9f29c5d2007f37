"""What is wrong with a trace is found, and nothing is where nothing is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from damaged import HOSTILE_VALUES
from recorded_runs import conversation, record

from rlm_jupyter.trace.files.lines import event_of
from rlm_jupyter.trace.files.opened import read_traces
from rlm_jupyter.trace.trace import Trace
from rlm_jupyter.trace.values import compressed, value_digest
from rlm_jupyter.trace.verify import verify
from rlm_jupyter.trace.verify.file import verify_file

OLD = Path(__file__).parent / "samples" / "trace-1.jsonl"

Events: TypeAlias = list[dict[str, Any]]


@pytest.fixture(scope="module")
def whole() -> str:
    (trace,) = read_traces(OLD)
    return trace.to_jsonl()


def of(events: Events, kind: str, payload: str = "") -> list[dict[str, Any]]:
    return [
        each for each in events if each["event"] == kind and payload in (each.get("payload") or {"kind": ""})["kind"]
    ]


def usage(events: Events) -> dict[str, Any]:
    return of(events, "end", "subcall")[0]["payload"]["usage"]  # type: ignore[no-any-return]


def trace_of(events: Events) -> Trace:
    told = [event_of(json.dumps(event).encode(), "here") for event in events]
    return Trace(event for event in told if event is not None)


def test_nothing_is_wrong_with_good_traces() -> None:
    for trace in (*read_traces(OLD), record(), *map(Trace, conversation("Where does the walrus live?").values())):
        assert verify(trace) == []
        assert all(verify(trace.part(child.span_id)) == [] for child in trace.children)


def test_a_run_without_an_end_is_a_warning() -> None:
    (finding,) = verify(record(status=None))
    assert finding.severity == "warning"
    assert "no end" in str(finding)


Damage: TypeAlias = Callable[[Events], Any]

CASES: list[tuple[Damage, str | None, str]] = [
    (lambda events: events.pop(3), "error", "events are missing before it"),
    (lambda events: events.pop(0), "error", "no run"),
    (lambda events: events.insert(3, events[9]), "error", "numbers ascend"),
    (lambda events: events.append({**events[0], "seq": 99}), "error", "begins a second time"),
    (lambda events: of(events, "start", "code")[0].update(parent_id="s999"), "error", "did not begin before it"),
    (lambda events: of(events, "start", "code")[0].update(parent_id=None), "error", "It has no parent"),
    (lambda events: of(events, "start", "iteration")[1].update(parent_id="s2"), "error", "does not stand there"),
    (lambda events: of(events, "end", "code")[0].update(span_id="s1"), "error", "ends as code"),
    (lambda events: of(events, "end", "code")[0].update(span_id="s77"), "error", "ends and never began"),
    (lambda events: of(events, "end", "code")[0].update(ended=1_600_000_000.0), "error", "s before it begins"),
    (lambda events: of(events, "start", "code")[0].update(started=1_600_000_000.0), "warning", "begins before"),
    (lambda events: of(events, "end", "code")[0].update(ended=1_800_000_000.0), None, ""),
    (lambda events: of(events, "end", "iteration")[0].update(ended=1_800_000_000.0), "warning", "ends after"),
    (lambda events: of(events, "blob")[0].update(text="Something else."), "error", "should have"),
    (lambda events: of(events, "blob")[0].update(text="X" + of(events, "blob")[0]["text"][1:]), "error", "was changed"),
    (lambda events: of(events, "blob")[0].update(encoding="zlib"), "error", "damaged"),
    (lambda events: of(events, "blob")[0].update(digest="sha256:" + "0" * 32), "error", "not in the trace"),
    (lambda events: of(events, "start", "subcall")[1]["payload"].update(index=0), "error", "have one number"),
    (lambda events: of(events, "start", "iteration")[1]["payload"].update(number=7), "error", "numbered 1, 7, 3"),
    (lambda events: of(events, "start", "code")[0]["payload"].update(index=0), "error", "blocks are numbered 0"),
    (lambda events: of(events, "start", "model_call")[1]["payload"].update(kept=50), "error", "keeps 50 messages of"),
    (lambda events: usage(events).update(cost=-1.0), "error", "less than nothing"),
    (lambda events: usage(events).update(cached_input_tokens=500), "warning", "from the cache"),
]  # fmt: skip


@pytest.mark.parametrize(("damage", "severity", "said"), CASES)
def test_what_is_wrong_is_found(whole: str, damage: Damage, severity: str | None, said: str) -> None:
    events = [json.loads(line) for line in whole.splitlines()]
    damage(events)
    found = verify(trace_of(events))
    assert (
        (not found) if severity is None else any(each.severity == severity and said in each.message for each in found)
    ), [str(each) for each in found]


def test_a_value_that_cannot_be_read_is_found(whole: str) -> None:
    events = [json.loads(line) for line in whole.splitlines()]
    cases = [('["a"]', []), ("[", ["error"]), *((make(), None) for make in HOSTILE_VALUES)]
    for text, severities in cases:
        digest = value_digest(text)
        record_ = {"name": "rows", "type": "list", "value": digest}
        changed = json.loads(json.dumps(events))
        changed[0]["payload"]["contexts"] = [record_]
        blob = {**of(events, "blob")[0], "digest": digest, "size": len(text), "seq": len(events), **compressed(text)}
        found = [each.severity for each in verify(trace_of([*changed, blob]))]
        assert found == severities if severities is not None else found in ([], ["error"])
    lie = {**blob, "digest": "sha256:" + "0" * 32}
    changed[0]["payload"]["contexts"] = [{**record_, "value": lie["digest"]}]
    assert "was changed" in str(verify(trace_of([*changed, lie]))[0])


def test_a_notebook_that_was_edited_is_told_from_a_damaged_one(tmp_path: Path) -> None:
    path = tmp_path / "a.trace.ipynb"
    trace = record()
    notebook = trace.to_notebook()
    path.write_text(json.dumps(notebook))
    assert verify_file(path) == []
    notebook["cells"][-1]["source"] += " Really."
    path.write_text(json.dumps(notebook))
    assert [(each.severity, "edited" in each.message) for each in verify_file(path)] == [("warning", True)]
    notebook["cells"][0]["outputs"] = 3
    notebook["metadata"]["rlm_jupyter"]["run_ids"] = ["another"]
    path.write_text(json.dumps(notebook))
    told = " ".join(map(str, verify_file(path)))
    assert "nbformat" in told
    assert "recordings of other runs" in told


def test_a_file_that_cannot_be_read_is_a_finding(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(f"{record().to_jsonl()}nothing\n")
    assert [each.severity for each in verify_file(path)] == ["error"]
    path.write_text("nothing")
    (finding,) = verify_file(path)
    assert "holds no run" in finding.message
