"""``verbose=True`` prints a line for each step of a run, and of its children where they begin and end."""

from __future__ import annotations

import io
import re
import threading

import pytest

from rlm_jupyter.environments.local import LocalREPL
from rlm_jupyter.trace.recorder import Recorder
from rlm_jupyter.trace.redaction import Redactor
from rlm_jupyter.trace.schema import (
    CodeEnd,
    CodeStart,
    ErrorRecord,
    IterationEnd,
    IterationStart,
    ModelCallEnd,
    ModelCallStart,
    RunEnd,
    RunStart,
    SubcallEnd,
    SubcallStart,
    UsageRecord,
)
from rlm_jupyter.trace.verbose import VerbosePrinter

PRINTED = """\
RLM · gpt-test (openai, local): What is in the contracts?
  Iteration 1 · 1,000 tokens in, 10 out · T
    3 sub-calls · 1 failed · 3,000 tokens in, 30 out
    Code Block 1 · NameError: name 'x' is not defined · T
  The answer was not accepted: year: an integer is needed
  the conversation was summed up · 1,000 tokens in, 10 out · T
  Iteration 2 · 1,000 tokens in, 10 out · T
    child 1 · gpt-test (openai, local): the first half
    child 2 · gpt-test (openai, local): the second half
        child 2.1 · gpt-test (openai, local): a quarter
        child 2.1 · answered · 0 iterations · 0 sub-calls · tokens unknown · T: a quarter → q
    child 2 · answered · 1 iteration · 0 sub-calls · 1 child run · 1,000 tokens in, 10 out · T: the second half → two
    child 1 · failed · 0 iterations · 0 sub-calls · tokens unknown · T: the first half → ClientError: gone
    Code Block 1 · ok · T
RLM · answered · 2 iterations · 3 sub-calls · 3 child runs · 7,000 tokens in, 70 out · T
RLM · answer: Both. Red.
"""
USAGE = UsageRecord(input_tokens=1_000, output_tokens=10)


def recorder_to(printer: VerbosePrinter) -> Recorder:
    ticks = iter(range(1_700_000_000, 1_800_000_000))
    return Recorder(Redactor(environ={}), [printer], clock=lambda: float(next(ticks)))


def start_run(recorder: Recorder, question: str, parent: str | None = None) -> str:
    payload = RunStart(question=question, model="gpt-test", backend="openai", environment="local", max_iterations=3)
    return recorder.start(payload, parent)


def iterate(recorder: Recorder, run: str, number: int = 1) -> tuple[str, str]:
    iteration = recorder.start(IterationStart(number=number), run)
    recorder.end(recorder.start(ModelCallStart(model="gpt-test"), iteration), ModelCallEnd(usage=USAGE))
    return iteration, recorder.start(CodeStart(code="go()", index=1), iteration)


def test_a_run_reads_from_top_to_bottom() -> None:
    stream = io.StringIO()
    recorder = recorder_to(VerbosePrinter(stream))
    root = start_run(recorder, "What is in the contracts?\nAll of them.")
    iteration, code = iterate(recorder, root)
    for status in ("ok", "ok", "error"):
        call = recorder.start(SubcallStart(model="m", prompt="", batch="b1", index=0), code)
        recorder.end(call, SubcallEnd(usage=USAGE), status)
    recorder.end(code, CodeEnd(error=ErrorRecord(name="NameError", message="name 'x' is\nnot defined")), "error")
    recorder.end(iteration, IterationEnd(rejected="year: an integer is needed"))
    compaction = recorder.start(ModelCallStart(model="gpt-test", purpose="compaction"), root)
    recorder.end(compaction, ModelCallEnd(usage=USAGE))
    iteration, code = iterate(recorder, root, 2)
    first, second = start_run(recorder, "the first half", code), start_run(recorder, "the second half", code)
    recorder.end(start_run(recorder, "a quarter", iterate(recorder, second)[1]), RunEnd(answer="q"))
    recorder.end(second, RunEnd(answer="two"))
    recorder.end(first, RunEnd(error=ErrorRecord(name="ClientError", message="gone")), "error")
    recorder.end(code, CodeEnd())
    recorder.end(iteration, IterationEnd(answered=True))
    recorder.end(root, RunEnd(answer="Both.\n\x1b[31mRed."))
    text = re.sub(r"[\d.]+ s\b|\d+ min \d+ s", "T", stream.getvalue())
    assert text.replace(" · gpt-test ·", " ·").replace(" · cost unknown", "") == PRINTED


def test_it_prints_to_the_standard_error_of_the_moment(capsys: pytest.CaptureFixture[str]) -> None:
    printer = VerbosePrinter()
    recorder = recorder_to(printer)
    recorder.end(start_run(recorder, "What?"), RunEnd(error=ErrorRecord(name="ClientError", message="gone")), "error")
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.splitlines()[:2] == ["RLM · gpt-test (openai, local): What?", "RLM · ClientError: gone"]


def test_what_is_printed_while_a_cell_runs_is_no_output_of_the_cell(capsys: pytest.CaptureFixture[str]) -> None:
    recorder = recorder_to(VerbosePrinter())
    root = start_run(recorder, "What?")

    def ask() -> str:
        recorder.end(start_run(recorder, "and in a thread?", root), RunEnd(answer="there"))
        return "asked"

    def ask_in_a_thread() -> None:
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()

    with LocalREPL(custom_tools={"ask": ask, "ask_in_a_thread": ask_in_a_thread}) as environment:
        result = environment.execute_code("print(ask())\nask_in_a_thread()")
    assert (result.stdout, result.stderr) == ("asked\n", "")
    assert capsys.readouterr().err.count("and in a thread?") == 4


def test_children_that_run_at_the_same_time_are_told_apart() -> None:
    stream = io.StringIO()
    recorder = recorder_to(VerbosePrinter(stream))
    root = start_run(recorder, "What?")
    _, code = iterate(recorder, root)

    def child(number: int) -> None:
        recorder.end(start_run(recorder, f"question {number}", code), RunEnd(answer=f"answer {number}"))

    threads = [threading.Thread(target=child, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    recorder.end(root, RunEnd(answer="done"))
    lines = stream.getvalue().splitlines()
    for number in range(16):
        begun, ended = (line for line in lines if f"question {number} " in f"{line} ")
        assert begun.split(" · ")[0] == ended.split(" · ")[0]
        assert ended.endswith(f"→ answer {number}")
