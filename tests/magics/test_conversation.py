"""What outlives a question, and what is made anew: the session, the model's REPL, the client."""

from __future__ import annotations

from scripted_server import ChatRequest, Reply
from scripts import code, says
from stage import Stage

COUNT = code("x = globals().get('x', 0) + 1", "x")


def counts(stage: Stage) -> list[str]:
    """What the model saw of ``x``, question by question."""
    prompts = [request.prompt for request in stage.server.requests]
    return [prompt.removeprefix("Output:\n") for prompt in prompts if prompt.startswith("Output:\n")]


def test_a_key_that_was_corrected_is_used_at_once(stage: Stage) -> None:
    def script(request: ChatRequest) -> Reply:
        right = request.headers["Authorization"] == "Bearer the-right-key-0815"
        return Reply("FINAL(let in)") if right else Reply("Incorrect API key provided", status=401)

    stage.script = script
    stage.kernel.ok("import os; before = os.environ['OPENAI_API_KEY']")
    try:
        assert "OPENAI_API_KEY" in stage.kernel.run("%rlm Go.").traceback
        stage.kernel.ok("os.environ['OPENAI_API_KEY'] = 'the-right-key-0815'")
        assert stage.kernel.ok("%rlm Go.").result["text/plain"] == "let in"
    finally:
        stage.kernel.ok("os.environ['OPENAI_API_KEY'] = before")


def test_connections_are_used_again(stage: Stage) -> None:
    stage.script = says("FINAL(ok)")
    stage.kernel.ok("%rlm One")
    stage.kernel.ok("%rlm Two")
    assert len({request.connection for request in stage.server.requests}) == 1


def test_the_models_variables_are_there_whatever_model_and_limits_the_next_question_has(stage: Stage) -> None:
    stage.script = says(COUNT, "FINAL(ok)")
    for options in ("", "--max-iterations 5", "--model other", "--timeout 60 --max-tokens 100000", ""):
        stage.kernel.ok(f"%rlm --sync none {options} Count.")
    assert counts(stage) == ["1", "2", "3", "4", "5"]
    assert stage.server.requests[-1].model == "gpt-5-mini"


def test_limits_hold_for_their_own_question(stage: Stage) -> None:
    stage.script = says(COUNT, COUNT, COUNT, "FINAL(ok)")
    stage.kernel.ok("%rlm --sync none --max-iterations 1 Count.")
    assert counts(stage)[0].startswith("1\n\n")  # and then what asks for the answer
    stage.kernel.ok("%rlm --sync none Count.")
    assert counts(stage)[-3:] == ["2", "3", "4"]


def test_no_hidden_repls_and_clients_pile_up(stage: Stage) -> None:
    stage.script = says("FINAL(ok)")
    alive = "sum(type(each).__name__ == {kind!r} for each in __import__('gc').get_objects())"
    for number in range(1, 8):
        stage.kernel.ok(f"%rlm --sync none --max-iterations {number} Go.")
    stage.kernel.ok("import gc; gc.collect()")
    assert stage.kernel.value(alive.format(kind="JupyterREPL")) == 1
    assert stage.kernel.value(alive.format(kind="OpenAIClient")) == 1


def test_a_new_session_is_new(stage: Stage) -> None:
    stage.kernel.ok("first, second = 'the first context', 'the second context'")
    stage.script = says(COUNT, "FINAL(ok)")
    stage.kernel.ok("%rlm --sync none --context first An early question")
    stage.kernel.ok("%rlm --sync none --context second Another early question")
    stage.kernel.ok("%rlm new")
    stage.server.requests.clear()
    stage.script = says(code("sorted(n for n in globals() if 'context_' in n or 'history' in n)"), COUNT, "FINAL(ok)")
    stage.kernel.ok("%rlm --sync none A late question")
    names, count = counts(stage)
    assert names == "['context_0', 'context_history', 'session_context_0', 'session_history']"
    assert count == "1"
    assert "early" not in str(stage.server.requests[0].messages)
    assert "context_1" not in stage.server.requests[0].prompt
    assert "An early question" in stage.kernel.ok("%rlm sessions").text


def test_a_session_cannot_be_left_from_within(stage: Stage) -> None:
    stage.script = says(code("x = 1"), code("%rlm new"), code("x"), "FINAL(ok)")
    stage.kernel.ok("%rlm --sync none Go.")
    assert "is being answered" in stage.server.requests[2].prompt
    assert "1" in stage.server.requests[3].prompt
