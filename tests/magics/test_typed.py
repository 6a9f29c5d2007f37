"""``%%rlm --as NAME``: the notebook's own types."""

from __future__ import annotations

import json

import pytest
from scripts import code, says
from stage import Stage

ROW = "from pydantic import BaseModel\nclass Row(BaseModel):\n    name: str\n    size: int"


def test_the_cell_gives_the_object_that_was_asked_for(stage: Stage) -> None:
    stage.script = says(code("FINAL({'name': 'a'})"), code("FINAL({'name': 'a', 'size': 1})"))
    stage.kernel.ok(ROW)
    stage.kernel.ok("%%rlm --as Row\nWhich is it?")
    assert stage.kernel.value("[type(_.parsed).__name__, _.parsed.size]") == ["Row", 1]
    assert "## Answer format" in stage.server.requests[0].prompt
    assert "- size: Field required" in stage.server.requests[1].prompt


def test_out_binds_the_object(stage: Stage) -> None:
    stage.script = says("FINAL([{'name': 'a', 'size': 1}])")
    stage.kernel.ok(ROW)
    stage.kernel.ok("%rlm --as list[Row] --out rows Which are there?")
    assert stage.kernel.value("[rows[0].name, _.response]") == ["a", "[{'name': 'a', 'size': 1}]"]


def test_a_json_schema_of_the_notebook_will_do(stage: Stage) -> None:
    stage.script = says("FINAL([1, 2])")
    stage.kernel.ok("numbers = {'type': 'array', 'items': {'type': 'integer'}}")
    stage.kernel.ok("%rlm --as numbers --out found Which?")
    assert stage.kernel.value("found") == [1, 2]


@pytest.mark.parametrize(
    ("expression", "said"),
    [("Nowhere", "--as Nowhere"), ("1+", "no Python expression"), ("None", "None"), ("3", "response_model takes")],
)
def test_what_is_no_type_is_said_before_anything_is_asked(stage: Stage, expression: str, said: str) -> None:
    executed = stage.kernel.run(f"%%rlm --as {expression}\nGo.")
    assert executed.status == "error"
    assert said in executed.traceback + executed.text + str(executed.of("stream"))
    assert not stage.server.requests


def test_an_answer_that_never_fits_fails_the_cell(stage: Stage) -> None:
    stage.script = says("FINAL(no number)")
    executed = stage.kernel.run("%%rlm --as int --max-iterations 2\nHow many?")
    assert executed.error.startswith("AnswerFormatError")
    assert "neither JSON nor a Python literal" in executed.error


def test_the_options_tell_of_it(stage: Stage) -> None:
    payload = json.dumps(stage.kernel.ok("%%rlm?").reply["content"]["payload"])
    assert "--as" in payload
    assert "with --as, the object" in payload


def test_compaction_is_a_default_of_the_magics(stage: Stage) -> None:
    replies = iter([code("print('word ' * 3_000)"), "A summary.", "FINAL(done)", "FINAL(again)"])
    stage.script = lambda request: next(replies)
    stage.kernel.ok("%config RLMMagics.compaction = True\n%config RLMMagics.context_window = 3_000")
    try:
        executed = stage.kernel.ok("%%rlm --sync none\nGo.")
    finally:
        stage.kernel.ok("%config RLMMagics.compaction = False\n%config RLMMagics.context_window = None")
    assert executed.result["text/plain"] == "done"
    assert [len(request.messages) for request in stage.server.requests] == [2, 4, 4]
    assert stage.server.requests[2].messages[2]["content"] == "A summary."
    stage.server.requests.clear()
    stage.kernel.ok("%%rlm --sync none\nGo.")
    assert "`history`" not in stage.server.requests[0].messages[0]["content"]
