"""What cannot be done says what to do instead, fails its cell, and leaves the session usable."""

from __future__ import annotations

import pytest
from scripted_server import Reply
from scripts import code, says
from stage import Stage

NOTHING_LISTENS = "http://127.0.0.1:9"


@pytest.mark.parametrize(
    ("cell", "told"),
    [
        ("%%rlm --no-such-option\nGo.", "--no-such-option"),
        ("%%rlm --max-iterations many\nGo.", "--max-iterations"),
        ("%%rlm --max-iterations 0\nGo.", "max_iterations must be a whole number of at least 1"),
        ("%%rlm --max-depth -1\nGo.", "max_depth must be a whole number of at least 0"),
        ("%%rlm --timeout -1\nGo.", "max_timeout must be a number above 0"),
        ("%%rlm --sync sideways\nGo.", "invalid choice"),
        ("%%rlm --env nowhere\nGo.", "There is no environment named 'nowhere'. There are: ipython, jupyter, local"),
        ("%%rlm --backend nobody\nGo.", "There is no backend 'nobody'. There are:"),
        ("%%rlm --context undefined_name\nGo.", "name 'undefined_name' is not defined"),
        ("%%rlm --context a b\nGo.", "the question goes into the cell below"),
        ("%%rlm --context 1+\nGo.", "is no Python expression"),
        ("%%rlm --vars undefined_name\nGo.", "sync_vars names what the notebook does not define: undefined_name"),
        ("%%rlm --out not-a-name\nGo.", "--out takes the name of a variable"),
        ("%%rlm\n   \n", "The question is empty"),
        ("%rlm --fresh", "There is no question"),
        (
            "%%rlm --cache=replies.db\nGo.",
            "--cache takes no value: name the file with %config RLMMagics.cache = 'PATH'",
        ),
        ("%rlm --fresh=1 Go.", "--fresh takes no value: write --fresh alone"),
        ("%rlm --env local --vars mine Go.", "are about the notebook's variables"),
        ("%rlm --env local --sync out Go.", "are about the notebook's variables"),
        ("%rlm --vars mine --sync out Go.", "--sync out shows it nothing"),
        ("%rlm trace 99", "%rlm trace takes the number of a run"),
    ],
)
def test_options(stage: Stage, cell: str, told: str) -> None:
    stage.script = says("FINAL(still here)")
    stage.kernel.ok("%rlm A first question")
    executed = stage.kernel.run(cell)
    assert executed.status == "error"
    assert told in executed.traceback + executed.text + executed.error + _stderr(executed)
    assert stage.kernel.ok("%rlm And now?").result["text/plain"] == "still here"


@pytest.mark.parametrize("command", ["%rlm", "%rlm status", "%rlm models", "%rlm A question"])
def test_a_setting_that_cannot_be_is_told_of_briefly(stage: Stage, command: str) -> None:
    stage.kernel.ok("%config RLMMagics.backend = 'nobody'")
    try:
        executed = stage.kernel.run(command)
    finally:
        stage.kernel.ok("%config RLMMagics.backend = None")
    assert executed.status == "error"
    assert executed.traceback.startswith("ConfigurationError: There is no backend 'nobody'. There are:")
    assert len(executed.traceback.splitlines()) == 1


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (Reply(status=401, body=b'{"error": {"message": "Incorrect API key provided"}}'), "OPENAI_API_KEY"),
        (Reply(status=404, body=b'{"error": {"message": "no such model"}}'), "gpt-5-mini"),
        (
            Reply(status=400, body=b'{"error": {"message": "temperature is not supported"}}'),
            "temperature is not supported",
        ),
        (Reply(status=500, body=b"boom"), "500"),
        (Reply(body=b"<html>not an API</html>"), "127.0.0.1"),
        (Reply("half of a rep", chunks=["half ", "of a ", "rep"], cut_after=2), "cut the connection"),
    ],
    ids=["401", "404", "400", "500", "garbage", "cut stream"],
)
def test_servers(stage: Stage, reply: Reply, told: str) -> None:
    stage.script = says(code("found = 'something'", "answer['content'] = found"), reply)
    executed = stage.kernel.run("%rlm What fails half-way?", timeout=90)
    assert executed.status == "error"
    assert executed.error.startswith("ClientError")
    assert told in executed.traceback
    assert "The answer so far: something" in executed.traceback
    assert "rlm_jupyter/" not in executed.traceback
    trace = stage.trace.read_text()
    assert "What fails half-way?" in trace
    assert "found = 'something'" in trace
    stage.script = says("FINAL(still here)")
    assert stage.kernel.ok("%rlm And now?").result["text/plain"] == "still here"


def test_no_server(stage: Stage) -> None:
    executed = stage.kernel.run(f"%rlm --base-url {NOTHING_LISTENS}/v1 --model m Go.", timeout=90)
    assert executed.status == "error"
    assert NOTHING_LISTENS.removeprefix("http://") in executed.traceback


def test_a_missing_key_names_three_ways_out(stage: Stage) -> None:
    stage.kernel.ok("import os\nsaved = {k: os.environ.pop(k) for k in ('OPENAI_API_KEY', 'OPENAI_BASE_URL')}")
    try:
        executed = stage.kernel.run("%rlm --model gpt-5-mini Go.")
    finally:
        stage.kernel.ok("os.environ.update(saved)")
    assert executed.status == "error"
    for way_out in ("OPENAI_API_KEY", "base_url", "offline"):
        assert way_out in executed.traceback


def test_a_failed_slot_of_a_batch_says_why(stage: Stage) -> None:
    stage.script = says(
        code("replies = llm_query_batched(['good', 'bad', 'good'])", "replies"),
        "FINAL(ok)",
        sub=lambda request: (
            Reply(status=400, body=b'{"error": {"message": "too bad"}}') if request.prompt == "bad" else "fine"
        ),
    )
    stage.kernel.ok("%rlm Go.")
    first, second, third = stage.kernel.value("replies")
    assert (first, third) == ("fine", "fine")
    assert second.startswith("Error: ")
    assert "too bad" in second


def _stderr(executed: object) -> str:
    return "".join(m["content"]["text"] for m in executed.of("stream") if m["content"]["name"] == "stderr")  # type: ignore[attr-defined]
