"""What a person sees who asks a question in a notebook."""

from __future__ import annotations

import json

import pytest
from scripts import code, says, step
from stage import Stage

STATE = """
import builtins, sys, threading, warnings
from rlm_jupyter.observers import observers

def everything():
    shell = get_ipython()
    return {
        "streams": [sys.stdin, sys.stdout, sys.stderr],
        "hooks": [sys.displayhook, sys.excepthook, builtins.input, warnings.showwarning, threading.Thread.start],
        "shell": [shell.display_pub, shell.displayhook, shell._showtraceback, shell.ask_exit, shell.user_ns],
        "transformers": list(shell.input_transformer_manager.token_transformers),
        "cleanup": list(shell.input_transformer_manager.cleanup_transforms),
        "events": {name: list(called) for name, called in shell.events.callbacks.items()},
        "configurables": list(shell.configurables),
        "magics": {kind: sorted(each) for kind, each in shell.magics_manager.magics.items()},
        "registry": sorted(shell.magics_manager.registry),
        "observers": list(observers),
        "threads": sorted(thread.name for thread in threading.enumerate()),
    }
"""
RUN = "application/vnd.rlm-jupyter.run+json"


def test_the_cell_is_the_question_word_for_word(stage: Stage) -> None:
    stage.script = says("FINAL(ok)")
    question = "What's in {braces}, $dollars and `ticks`?\n\n  Indented -- line, --context too"
    stage.kernel.ok(f"%%rlm\n{question}\n")
    assert question in stage.server.requests[0].prompt


def test_a_line_may_hold_an_apostrophe_and_options(stage: Stage) -> None:
    stage.script = says("FINAL(ok)")
    stage.kernel.ok("limit = 3")
    stage.kernel.ok("%rlm --max-iterations 4 --model other What's the limit's value, {limit} or $limit?")
    request = stage.server.requests[0]
    assert "What's the limit's value, {limit} or $limit?" in request.prompt
    assert request.model == "other"


def test_the_model_works_on_the_users_own_objects(stage: Stage) -> None:
    stage.script = says(code("contracts.append('c')", "longest = max(contracts, key=len)"), "FINAL_VAR(longest)")
    stage.kernel.ok("contracts = ['a', 'bbb']; same = contracts")
    executed = stage.kernel.ok("%%rlm --context contracts\nWhich is the longest?")
    assert executed.result["text/plain"] == "bbb"
    assert stage.kernel.value("same") == ["a", "bbb", "c"]
    assert stage.kernel.value("longest") == "bbb"
    assert "`context_0` is the current context: list, 2 items" in stage.server.requests[0].prompt
    assert "- `contracts`: list, 2 items" in stage.server.requests[0].prompt


def test_the_result_reads_everywhere_and_is_kept_under_a_name(stage: Stage) -> None:
    stage.script = says("FINAL(**Bold** <script>alert(1)</script>)")
    executed = stage.kernel.ok("%%rlm --out kept\nSay it.")
    bundle = executed.result
    assert set(bundle) == {"text/plain", "text/markdown", "text/html", RUN}
    assert "<strong>Bold</strong>" in bundle["text/html"]
    assert "<script" not in bundle["text/html"]
    assert bundle[RUN]["question"] == "Say it."
    assert bundle[RUN]["status"] == "ok"
    assert stage.kernel.value("kept.response") == "**Bold** <script>alert(1)</script>"


def test_the_live_display_ends_with_what_happened_and_what_changed(stage: Stage) -> None:
    stage.script = says(code("made = llm_query_batched(['a', 'b', 'c'])", "old = 2", "del gone"), "FINAL(done)")
    stage.kernel.ok("old = 1; gone = 1; touched = [1]")
    executed = stage.kernel.ok("%%rlm\nGo.")
    updates = executed.of("update_display_data")
    last = updates[-1]["content"]["data"]["text/plain"]
    assert "answered after 2 iterations" in last
    assert "sub-calls: 3 done" in last
    assert "created made" in last
    assert "rebound old" in last
    assert "deleted gone" in last
    assert len(executed.of("display_data")) == 1


def test_quiet_shows_the_answer_alone(stage: Stage) -> None:
    stage.script = says("FINAL(quietly)")
    executed = stage.kernel.ok("%%rlm --quiet\nWell?")
    assert "display_data" not in executed.types
    assert executed.result["text/plain"] == "quietly"


def test_a_question_knows_the_earlier_ones_unless_it_is_fresh(stage: Stage) -> None:
    stage.script = says("FINAL(the first answer)")
    stage.kernel.ok("%rlm The first question")
    stage.kernel.ok("%rlm The second question")
    stage.kernel.ok("%rlm --fresh The third question")
    stage.kernel.ok("%rlm new")
    stage.kernel.ok("%rlm The fourth question")
    first, second, third, fourth = stage.server.requests
    assert "the first answer" not in str(first.messages)
    assert [m["content"] for m in second.messages[1:3]] == ["The first question", "the first answer"]
    assert "The first question" not in str(third.messages)
    assert "The first question" not in str(fourth.messages)


def test_history_sessions_and_trace_tell_of_the_conversation(stage: Stage) -> None:
    stage.script = says(code("6 * 7"), "FINAL(42)")
    stage.kernel.ok("%rlm Six times seven?")
    assert "Six times seven?" in stage.kernel.ok("%rlm history").text
    assert "42" in stage.kernel.ok("%rlm history").text
    assert "(current)" in stage.kernel.ok("%rlm sessions").text
    trace = stage.kernel.ok("%rlm trace").of("display_data")[0]["content"]["data"]["text/markdown"]
    assert "6 * 7" in trace
    status = stage.kernel.ok("%rlm").text
    assert "gpt-5-mini" in status
    assert "1 question so far" in status
    assert str(stage.notebook) in status


def test_every_command_that_help_names_works(stage: Stage) -> None:
    stage.script = says("FINAL(ok)")
    stage.kernel.ok("%rlm Something\n%rlm new\n%rlm Something else")
    told = stage.kernel.ok("%rlm help").text
    names = [line.split()[1] for line in told.splitlines() if line.startswith("%rlm ") and "question" not in line[:30]]
    every = "status config sessions new resume reset history trace replay save models cost help"
    assert set(names) == set(every.split())
    for name in sorted(names, key="reset".__eq__):
        assert stage.kernel.ok(f"%rlm {name}").text.strip()


def test_a_word_that_names_a_command_may_begin_a_question(stage: Stage) -> None:
    stage.script = says("FINAL(ok)")
    asked = ("history of Rome?", "cost of 'it' --fresh", "models used?", "resume - or not?")
    for question in asked:
        stage.kernel.ok(f"%rlm {question}")
    stage.kernel.ok("%rlm --quiet trace the path")
    assert len(stage.server.requests) == len(asked) + 1
    for question, request in zip([*asked, "trace the path"], stage.server.requests, strict=True):
        assert question in request.messages[-1]["content"]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("cost now", "cost is a command, which does not take 'now'"),
        ("config environment", "does not take 'environment'"),
        ("sessions --all", "does not take '--all'"),
        ("trace --format html", "does not take '--format'"),
        ("trace 1 --format=html", "does not take '--format=html'"),
        ("--model other cost", "does not take '--model other'"),
        ("--quiet trace 1", "does not take '--quiet': %rlm trace [N]"),
        ("cost -- of what?", "does not take '-- of what?'"),
        ("resume --max-tokens 9 the work", "does not take 'the work': %rlm resume [ID|PATH] [options]"),
        ("resume --fresh", "takes no --fresh"),
        ("resume --all", "unrecognized arguments: --all"),
        ("resume 01a2 --max-tokens", "expected one argument"),
        ("resume --review=always", "takes no value"),
        ("--max-tokens 9 resum", "Did you mean %rlm resume"),
    ],
)
def test_what_a_command_does_not_take_is_no_question(stage: Stage, line: str, told: str) -> None:
    failed = stage.kernel.run(f"%rlm {line}")
    assert failed.error.startswith("UsageError")
    assert told in failed.error
    assert stage.server.requests == []


def test_a_question_mark_ends_a_question_whose_answer_is_assigned(stage: Stage) -> None:
    stage.script = says("FINAL(this)")
    executed = stage.kernel.ok("answer = %rlm What is this?\nif answer:\n    again = %rlm --quiet And what's that?")
    assert "not found" not in executed.text
    assert stage.kernel.value("[answer.response, again.response]") == ["this", "this"]
    assert "And what's that?" in stage.server.requests[1].prompt
    assert "payload" in stage.kernel.ok("%rlm?").reply["content"]


def test_none_is_a_context_like_any_other(stage: Stage) -> None:
    stage.script = says(code("context is None"), "FINAL(ok)")
    stage.kernel.ok("empty = None")
    stage.kernel.ok("%rlm --context empty What is in it?")
    assert "`context_0` is the current context: NoneType" in stage.server.requests[0].prompt
    assert stage.server.requests[1].prompt == "Output:\nTrue"


def test_sync_modes_of_the_magic(stage: Stage) -> None:
    stage.script = says(
        code("made = 1", "sorted(name for name in SHOW_VARS() if name in ('mine', 'other', 'made'))"), "FINAL(ok)"
    )

    def seen(options: str) -> str:
        stage.server.requests.clear()
        stage.kernel.ok("%rlm reset")
        stage.kernel.ok("%reset -f")
        stage.kernel.ok("mine = other = 0")
        stage.kernel.ok(f"%%rlm {options}\nGo.")
        return str(stage.server.requests[1].prompt).removeprefix("Output:\n")

    assert (seen("--sync none"), stage.kernel.value("'made' in globals()")) == ("['made']", False)
    assert (seen("--sync out"), stage.kernel.value("made")) == ("['made']", 1)
    assert (seen("--sync in"), stage.kernel.value("'made' in globals()")) == ("['made', 'mine', 'other']", False)
    assert (seen("--vars mine"), stage.kernel.value("'made' in globals()")) == ("['made', 'mine']", False)
    assert (seen("--sync both"), stage.kernel.value("made")) == ("['made', 'mine', 'other']", 1)


def test_several_contexts_come_as_a_dict(stage: Stage) -> None:
    stage.script = says(code("sorted(context), context['b[1:]']"), "FINAL(ok)")
    stage.kernel.ok("a = 'A'; b = [1, 2, 3]")
    stage.kernel.ok('%%rlm --context a --context "b[1:]"\nGo.')
    assert stage.server.requests[1].prompt == "Output:\n(['a', 'b[1:]'], [2, 3])"


def test_depth_zero_is_a_plain_model_call(stage: Stage) -> None:
    stage.script = lambda request: f"{len(request.messages)} message: {request.prompt}"
    executed = stage.kernel.ok("%rlm --max-depth 0 Hello?")
    assert executed.result["text/plain"] == "1 message: Hello?"
    assert stage.kernel.value("type(_).__name__") == "RLMChatCompletion"


def test_the_offline_extractor_answers_where_nothing_is_configured(stage: Stage) -> None:
    stage.kernel.ok("import os; saved = os.environ.pop('OPENAI_API_KEY')")
    try:
        stage.kernel.ok("text = 'A carpenter.\\nThe walrus wept.\\nSand.'")
        executed = stage.kernel.ok("%%rlm --context text\nWhere does it speak of a walrus?")
        assert "walrus wept" in executed.result["text/plain"]
        assert "offline extractor" in executed.of("update_display_data")[-1]["content"]["data"]["text/plain"]
    finally:
        stage.kernel.ok("os.environ['OPENAI_API_KEY'] = saved")
    assert not stage.server.requests


def test_defaults_are_traitlets(stage: Stage) -> None:
    stage.script = says("FINAL(ok)")
    stage.kernel.ok("%config RLMMagics.model = 'configured'")
    try:
        stage.kernel.ok("%rlm Go.")
    finally:
        stage.kernel.ok("%config RLMMagics.model = None")
    assert stage.server.requests[0].model == "configured"


def test_the_magic_documents_itself(stage: Stage) -> None:
    payload = stage.kernel.ok("%%rlm?").reply["content"]["payload"]
    text = json.dumps(payload)
    for (
        option
    ) in "--context --vars --sync --model --base-url --fresh --max-iterations --timeout --out --no-trace".split():
        assert option in text


def test_unloading_puts_everything_back(stage: Stage) -> None:
    stage.script = says("FINAL(ok)")
    state = "[type(m).__name__ for m in get_ipython().configurables]"
    stage.kernel.ok("%rlm Go.")  # the one I/O thread of the process runs from now on, for the library as well
    stage.kernel.ok("%unload_ext rlm_jupyter")
    stage.kernel.ok(STATE)
    stage.kernel.ok("before = everything()")
    stage.kernel.ok("%load_ext rlm_jupyter")
    stage.script = says(code("print(1)", "display(2)", "import asyncio; await asyncio.sleep(0)"), "FINAL(ok)")
    stage.kernel.ok("%rlm Go?")
    stage.kernel.ok("%rlm --sync none Go.")
    stage.kernel.ok("assert everything() != before")
    stage.kernel.ok("%unload_ext rlm_jupyter")
    try:
        stage.kernel.ok("after = everything()")
        assert stage.kernel.value("{what: str(each) for what, each in after.items() if each != before[what]}") == {}
        assert "RLMMagics" not in stage.kernel.value(state)
        assert "not found" in stage.kernel.run("%rlm status").text + stage.kernel.run("%rlm status").error
    finally:
        stage.kernel.ok("%load_ext rlm_jupyter")
    assert stage.kernel.value(state).count("RLMMagics") == 1
    stage.kernel.ok("%reload_ext rlm_jupyter")
    assert stage.kernel.value(state).count("RLMMagics") == 1


def test_loading_prints_nothing(stage: Stage) -> None:
    stage.kernel.ok("%unload_ext rlm_jupyter")
    executed = stage.kernel.ok("%load_ext rlm_jupyter")
    assert set(executed.types) <= {"status", "execute_input"}


def test_steps_are_counted_from_the_last_question(stage: Stage) -> None:
    stage.script = lambda request: code("1") if step(request) == 0 else "FINAL(ok)"
    for _ in range(3):
        stage.kernel.ok("%rlm Again")
    assert len(stage.server.requests) == 6


def test_a_slip_of_the_finger_is_no_question(stage: Stage) -> None:
    told = stage.kernel.run("%rlm histroy")
    assert "Did you mean %rlm history?" in told.traceback + told.text + str(told.of("stream"))
    assert told.status == "error"
    assert not stage.server.requests


def test_a_trace_can_be_saved_to_a_path_with_spaces(stage: Stage) -> None:
    stage.script = says("FINAL(ok)")
    stage.kernel.ok("%rlm Go on.")
    stage.kernel.ok('%rlm save "a copy.trace.ipynb"')
    assert (stage.folder / "a copy.trace.ipynb").exists()


def test_running_out_of_iterations_is_told_apart(stage: Stage) -> None:
    stage.script = says(code("answer['content'] = 'what I have'"))
    executed = stage.kernel.ok("%%rlm --max-iterations 2\nGo.")
    assert executed.result["text/plain"] == "what I have"
    assert "out of iterations" in executed.of("update_display_data")[-1]["content"]["data"]["text/plain"]
    assert "out of iterations" in executed.result["text/html"]


def test_an_unknown_notebook_is_said_once(stage: Stage) -> None:
    stage.script = says("FINAL(ok)")
    stage.kernel.ok("import os; told = os.environ.pop('JPY_SESSION_NAME')")
    try:
        first, second = (
            stage.kernel.ok("%rlm Go on.").of("update_display_data")[-1]["content"]["data"]["text/plain"]
            for _ in range(2)
        )
    finally:
        stage.kernel.ok("os.environ['JPY_SESSION_NAME'] = told")
    assert "No trace notebook is written" in first
    assert "No trace notebook is written" not in second


def test_a_notebook_that_was_renamed_is_said_once_where_it_can_be_read(stage: Stage) -> None:
    stage.script = says("FINAL(ok)")
    stage.kernel.ok("import os; was = os.environ['JPY_SESSION_NAME']\n%rlm Go on.")
    stage.kernel.ok("os.rename(was, was + '.moved')")
    try:
        stage.kernel.ok("%rlm --quiet Go on.")
        first, second = (str(stage.kernel.ok("%rlm Go on.").messages) for _ in range(2))
    finally:
        stage.kernel.ok("os.rename(was + '.moved', was)")
    assert ".ipynb is not there any more" in first
    assert "No trace notebook is written" not in second


def test_a_default_that_was_refused_does_not_break_reloading(stage: Stage) -> None:
    stage.kernel.run("%config RLMMagics.timeout = 'abc'")
    stage.kernel.ok("%reload_ext rlm_jupyter")
    stage.script = says("FINAL(ok)")
    stage.kernel.ok("%rlm Go on.")
