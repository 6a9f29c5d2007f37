"""What a person sees who asks a question in a notebook."""

from __future__ import annotations

import json

from scripts import code, says, step
from stage import Stage

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
    stage.kernel.ok("%rlm Something")
    told = stage.kernel.ok("%rlm help").text
    names = [line.split()[1] for line in told.splitlines() if line.startswith("%rlm ") and "[options]" not in line]
    assert set(names) == set("status config sessions new reset history trace save models help".split())
    for name in sorted(names, key="reset".__eq__):
        assert stage.kernel.ok(f"%rlm {name}").text.strip()


def test_a_word_that_names_a_command_may_begin_a_question(stage: Stage) -> None:
    stage.script = says("FINAL(ok)")
    stage.kernel.ok("%rlm history of Rome?")
    assert "history of Rome?" in stage.server.requests[0].prompt


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
    stage.kernel.ok("%rlm Go.")
    stage.kernel.ok("%unload_ext rlm_jupyter")
    try:
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
