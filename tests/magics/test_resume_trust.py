"""``%rlm resume`` of what others have written: files, what the server tells, and the user's own variables."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from live_kernel import Executed
from replayed_runs import recorded
from scripted_server import ChatRequest, Reply
from scripts import code, is_root, says, step
from server_part import ServerPart
from stage import Stage

from rlm_jupyter.trace.trace import Trace

LOOK = code("print(llm_query('a'))")


@pytest.fixture
def part(stage: Stage) -> Iterator[ServerPart]:
    """The server's part, from a new loading of the extension on."""
    with ServerPart(stage.kernel) as part:
        stage.kernel.ok("%unload_ext rlm_jupyter\n%load_ext rlm_jupyter")
        part.hello()
        part.welcome(notebook="analysis.ipynb")
        part.listen(lambda: "keeps this notebook" in stage.kernel.ok("%rlm status").text)
        yield part
        stage.kernel.ok("%unload_ext rlm_jupyter\n%load_ext rlm_jupyter")


@pytest.fixture(scope="module")
def cut() -> Trace:
    def script(request: ChatRequest) -> Reply | str:
        if not is_root(request):
            return "one"
        return LOOK if step(request) == 0 else Reply("broken", status=400)

    return recorded(script, "parent", max_iterations=9)


def told(trace: Trace) -> list[str]:
    return [event.model_dump_json() for event in trace.events]


def resumed(stage: Stage, part: ServerPart, run_id: str, pieces: list[dict[str, Any]]) -> Executed:
    """Resume a run that the server tells in these pieces."""
    before = len(part.of("ask_trace"))
    message_id = stage.kernel.send(f"%rlm resume {run_id}")
    part.answer("ask_session", {"type": "tell_session", "found": 0}, len(part.of("ask_session")) + 1)
    for number, piece in enumerate(pieces, before + 1):
        part.answer("ask_trace", {"type": "tell_trace", "found": 1, **piece}, number)
    return stage.kernel.finish(message_id)


def test_what_the_server_tells_in_pieces_is_one_run_and_what_it_should_not_is_passed_over(
    stage: Stage, part: ServerPart, cut: Trace
) -> None:
    stage.script = says(LOOK, "FINAL(done)")
    run_id, lines = cut.run_id, told(cut)
    running = {"run_id": run_id, "running": True, "events": lines[:3], "next": None}
    assert "is under way" in resumed(stage, part, run_id, [running]).error
    assert "There is no session" in resumed(stage, part, run_id, [{"run_id": "another", "events": lines}]).error
    endless = {"run_id": run_id, "events": [], "next": 10**9}
    assert "There is no session" in resumed(stage, part, run_id, [endless]).error
    assert stage.server.requests == []
    half = len(lines) // 2
    other = json.dumps({**json.loads(lines[0]), "run_id": "another"})
    hostile = ["", "[" * 100_000, '{"event": "start"}', other, "\ud800", "NaN"]
    pieces = [
        {"run_id": run_id, "events": [*lines[:half], *hostile[:4]], "next": half},
        {"run_id": run_id, "events": [*lines[half:], hostile[5]], "next": half},
    ]
    executed = resumed(stage, part, run_id, pieces)
    assert executed.status == "ok", executed.error
    assert executed.result["text/plain"] == "done"
    assert [each["since"] for each in part.of("ask_trace")][-2:] == [0, half]
    assert len(stage.server.requests) == 1


def test_a_file_chooses_neither_who_is_asked_nor_where_code_runs(stage: Stage, cut: Trace) -> None:
    start = json.loads(told(cut)[0])
    assert start["payload"]["kind"] == "run"
    (context,) = start["payload"]["contexts"]
    context |= {"value": None, "digest": None, "preview": "?", "expression": "__import__('os').system('touch hostile')"}
    start["payload"] |= {"model": "the-files", "backend": "litellm", "environment": "local", "max_iterations": 500}
    log = stage.folder / "others.jsonl"
    log.write_text("\n".join([json.dumps(start), *told(cut)[1:]]))
    stage.script = says(LOOK, code("print('again')"))
    assert "is not in its trace" in stage.kernel.run(f"%rlm resume {log}").error
    assert not (stage.folder / "hostile").exists()
    context["expression"] = "pile"
    start["payload"]["max_iterations"] = 3
    log.write_text("\n".join([json.dumps(start), *told(cut)[1:]]))
    stage.kernel.ok("pile = ['straw']")
    stage.kernel.ok(f"result = %rlm resume {log}")
    run = stage.kernel.value("result.trace.run.model_dump(include={'backend', 'environment', 'max_iterations'})")
    assert run == {"backend": "openai", "environment": "jupyter", "max_iterations": 3}
    assert {request.model for request in stage.server.requests} != {"the-files"}


def test_a_variable_that_the_user_has_changed_since_is_kept(stage: Stage) -> None:
    stage.kernel.ok("rows = [1, 2, 3]")
    stage.script = says(code("rows.append(4)", "print(rows)"), Reply("no", status=400))
    assert "answered 400" in stage.kernel.run("%rlm How many?").traceback
    stage.kernel.ok("rows = ['an', 'hour']\nrows_before_resume = 'mine'")
    stage.script = says(code("rows.append(4)", "print(rows)"), "FINAL(four)")
    executed = stage.kernel.ok("%rlm resume")
    assert executed.result["text/plain"] == "four"
    said = "".join(each["content"]["text"] for each in executed.of("stream"))
    assert "What it held until now is in rows_before_resume1." in said
    kept = stage.kernel.value("[rows, rows_before_resume, rows_before_resume1]")
    assert kept == [[1, 2, 3, 4], "mine", ["an", "hour"]]
