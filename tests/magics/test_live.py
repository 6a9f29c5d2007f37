"""The display that follows a run."""

from __future__ import annotations

import base64
import json
import re

from live_kernel import Executed
from scripted_server import Reply
from scripts import code, says
from stage import Stage

from rlm_jupyter.trace.artifacts.bundle import RUN_MIME_TYPE
from rlm_jupyter.trace.artifacts.shapes import LiveBundle

PAUSE = 0.25  # seconds between pieces: longer than between two states of the display
PHRASE = "correct horse battery staple"
LINES = "first half of it\nsecond half of it"
KEY = [base64.b64encode(bytes([number] * 48)).decode() for number in range(20)]


def shown(executed: Executed) -> str:
    return "\n".join(json.dumps(m["content"]["data"]) for m in executed.of("display_data", "update_display_data"))


def test_a_secret_of_several_words_is_not_shown_while_it_is_written(stage: Stage) -> None:
    stage.kernel.ok(f"import os\nos.environ.update(DB_PASSWORD={PHRASE!r}, VAULT_PASSPHRASE={LINES!r})")
    text = f"It is {PHRASE} and then comes {LINES} which is all there is"
    stage.script = says(Reply(chunks=[*re.findall(r"\S+\s*", text), "\nFINAL(done)"], pause=PAUSE))
    try:
        seen = shown(stage.kernel.ok("%rlm Go."))
    finally:
        stage.kernel.ok("del os.environ['DB_PASSWORD'], os.environ['VAULT_PASSPHRASE']")
    assert "[redacted DB_PASSWORD] and" in seen
    assert "[redacted VAULT_PASSPHRASE] which" in seen
    for word in (*PHRASE.split(), "half of"):
        assert word not in seen


def test_a_key_that_is_longer_than_what_is_shown_is_not_shown(stage: Stage) -> None:
    begin, end = "-----BEGIN RSA PRIVATE KEY-----\n", "-----END RSA PRIVATE KEY-----\n"
    pieces = [f"Look:\n{begin}", *("\n".join(KEY[at : at + 4]) + "\n" for at in range(0, len(KEY), 4)), end]
    stage.script = says(Reply(chunks=[*pieces, "and so on, ", "that was all ", "\nFINAL(done)"], pause=PAUSE))
    seen = shown(stage.kernel.ok("%rlm Go."))
    assert "and so on" in seen
    assert not [line for line in KEY if line[:16] in seen]


LIVE = "application/vnd.rlm-jupyter.live+json"


def test_a_front_end_with_our_renderer_learns_the_same_and_which_run_it_is(stage: Stage) -> None:
    stage.script = says(Reply(chunks=["I look ", "for <b>it</b> ", "now\n", "FINAL(done)"], pause=PAUSE))
    executed = stage.kernel.ok("%rlm Go.")
    shown = [message["content"]["data"] for message in executed.of("display_data", "update_display_data")]
    states = [data[LIVE] for data in shown if LIVE in data]
    assert states[0] == {"version": 1, "run_id": "", "status": None, "lines": states[0]["lines"], "tail": ""}
    assert "I look for <b>it</b>" in [state["tail"] for state in states]
    assert (states[-1]["run_id"], states[-1]["status"]) == (executed.result[RUN_MIME_TYPE]["run_id"], "ok")
    for data in shown:
        if LIVE in data:
            assert LiveBundle.model_validate(data[LIVE]).model_dump() == data[LIVE]
            assert data["text/plain"] == "\n".join(data[LIVE]["lines"])


def test_what_fails_before_it_begins_is_shown_as_failed(stage: Stage) -> None:
    executed = stage.kernel.run("%rlm --env nowhere Go.")
    assert executed.error.startswith("ConfigurationError")
    last = executed.of("update_display_data")[-1]["content"]["data"]
    assert last["text/plain"].startswith("failed · ")
    assert "error-color" in last["text/html"]


# Events as a run's recorder hands them on, to a display that is shown where it stands at the end.
FOLLOW = """
from rlm_jupyter.magics.live import LiveDisplay
from rlm_jupyter.trace.recorder import Recorder
from rlm_jupyter.trace.redaction import Redactor
from rlm_jupyter.trace.schema import *

def start_run(parent=None, most=9):
    return recorder.start(RunStart(question="q", model="m", backend="b", environment="e", max_iterations=most), parent)

def call(parent, purpose="answer"):
    return recorder.start(ModelCallStart(model="m", purpose=purpose), parent)

with LiveDisplay(updates=False) as live:
    recorder = Recorder(Redactor(environ={{}}), [live.observe])
    root = start_run()
    iteration = recorder.start(IterationStart(number=2), root)
    code = recorder.start(CodeStart(code="go()", index=1), iteration)
    {steps}
"""

CHILDREN = """
    live.text("the root is writing")
    usage = UsageRecord(input_tokens=10, output_tokens=1)
    children = [start_run(code, 5) for number in range(7)]
    for number, child in enumerate(children):
        inside = recorder.start(IterationStart(number=7, closing=True), child)
        recorder.end(call(inside), ModelCallEnd(usage=usage))
        recorder.end(recorder.start(SubcallStart(model="m", prompt=""), inside), SubcallEnd(usage=usage))
        if number < 5:
            recorder.end(inside, IterationEnd())
            recorder.end(child, RunEnd(answer="it"), "ok" if number else "error")
"""


def followed(stage: Stage, steps: str) -> str:
    executed = stage.kernel.ok(FOLLOW.format(steps=steps.strip()))
    (data,) = (message["content"]["data"] for message in executed.of("display_data"))
    return f"{data['text/plain']}\n{data['text/html']}"


def test_the_iterations_of_children_are_not_taken_for_the_roots(stage: Stage) -> None:
    told = followed(stage, CHILDREN)
    facts = "m · iteration 2 of 9 · children: 4 done, 1 failed, 2 running · sub-calls: 7 done · 140 tokens in, 14 out"
    assert told.startswith(facts)
    assert "the root is" in told  # a child's call does not wipe what the root writes


def test_a_reply_that_is_asked_for_anew_takes_back_what_was_written(stage: Stage) -> None:
    told = followed(
        stage, "    live.text('the first try is lost ')\n    live.text(None)\n    live.text('the second one ')"
    )
    assert "the second one" in told
    assert "the first try" not in told


def test_a_child_that_ends_does_not_end_the_display(stage: Stage) -> None:
    told = followed(stage, f"{CHILDREN}\n    recorder.end(root, RunEnd(answer='done'), 'limit')")
    assert told.startswith("m · stopped at a limit after 2 iterations · children: 4 done, 3 failed · sub-calls: 7 done")


def test_a_conversation_that_is_summed_up_is_told(stage: Stage) -> None:
    assert followed(stage, "call(iteration, 'compaction')").startswith("m · summing up the conversation · ")
    assert followed(stage, "recorder.end(call(root, 'compaction'), ModelCallEnd())").startswith("m · iteration 2 of 9")


def test_a_wait_for_an_overloaded_server_is_told_while_it_lasts(stage: Stage) -> None:
    refusals = [Reply("busy", status=429, headers={"Retry-After": "2"})]
    stage.script = lambda request: refusals.pop() if refusals else "FINAL(x)"
    executed = stage.kernel.ok("%rlm Go.")
    states = [message["content"]["data"]["text/plain"] for message in executed.of("update_display_data")]
    told = "\n".join(states)
    assert re.search(r"iteration 1 of \d+ · waiting [23] s: 127\.0\.0\.1\S* answered 429 · ", told)
    assert "waiting" not in states[-1]


def test_replies_that_were_cut_off_are_counted(stage: Stage) -> None:
    cut = Reply("half a repl", finish_reason="length")
    first = Reply("I look at", finish_reason="length")
    stage.script = says(first, code("llm_query_batched(['a', 'b'])"), "FINAL(x)", sub=cut)
    last = stage.kernel.ok("%rlm Go.").of("update_display_data")[-1]["content"]["data"]["text/plain"]
    assert "3 replies cut off at the length limit" in last
    stage.script = says("FINAL(x)")
    assert "cut off" not in shown(stage.kernel.ok("%rlm Go."))
