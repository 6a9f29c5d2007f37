"""``%%rlm --cache``: a cell that is run again costs nothing, and says the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from live_kernel import Executed, LiveKernel
from scripted_server import ChatRequest, Reply, ScriptedServer
from scripts import code, is_root, says, step
from stage import Stage

MODES = ("both", "in", "out", "none")


@pytest.fixture(autouse=True)
def kept(stage: Stage, tmp_path: Path) -> Iterator[Path]:
    """A cache of the test's own."""
    path = tmp_path / "replies.sqlite3"
    stage.kernel.ok(f"import os; os.environ['RLM_JUPYTER_CACHE'] = {str(path)!r}")
    yield path
    stage.kernel.ok("%config RLMMagics.environment_kwargs = dict()\n%config RLMMagics.cache = False")
    stage.kernel.ok("%rlm new")


def in_cell(kernel: LiveKernel, cell_id: str, source: str) -> Executed:
    """Run a notebook's cell, as a front end that tells its id does."""
    content = {"code": source, "silent": False, "store_history": True, "allow_stdin": False, "stop_on_error": False}
    message = kernel.client.session.msg("execute_request", content, metadata={"cellId": cell_id})
    kernel.client.shell_channel.send(message)
    executed = kernel.finish(message["header"]["msg_id"])
    assert executed.status == "ok", executed.traceback
    return executed


def asked_now(request: ChatRequest) -> str:
    """The question that is being answered, with others before it or not."""
    asking = [message["content"] for message in request.messages if message["content"].startswith("## Question")]
    return str(asking[-1]).split("\n")[2]


def family(request: ChatRequest) -> Reply | str:
    """A parent that looks, asks in a batch, has children, keeps variables and answers; its children ask, too."""
    if not is_root(request):
        return f"read {request.prompt}"
    if asked_now(request) == "a child":
        return code("FINAL(llm_query('deep'))")
    steps = [
        code("pieces = [len(each) for each in material]", "SHOW_VARS()"),
        code("read = llm_query_batched([f'piece {size}' for size in pieces])", "read"),
        code("grown = rlm_query_batched(['a child', 'a child'])", "grown"),
        code("counted = globals().get('counted', 0) + 1", "counted"),
        "FINAL_VAR(grown)",
    ]
    return steps[step(request)]


@pytest.mark.parametrize("fresh", ["", "--fresh"])
@pytest.mark.parametrize("mode", MODES)
def test_a_cell_that_is_run_again_costs_nothing(stage: Stage, mode: str, fresh: str) -> None:
    stage.script = family
    stage.kernel.ok("material = ['a', 'bb', 'ccc']; mine = 1")
    options = f"--cache --sync {mode} --max-depth 2 --out result {fresh}"
    if mode in ("none", "out"):
        stage.script = _without_material
    cell = f"%%rlm {options} --context material\nparent"
    first = in_cell(stage.kernel, "cell-1", cell)
    asked = len(stage.server.requests)
    assert asked > 5
    for _ in range(2):
        again = in_cell(stage.kernel, "cell-1", cell)
        assert len(stage.server.requests) == asked, _told_otherwise(stage, asked)
        assert again.result["text/plain"].startswith(first.result["text/plain"].split("\n")[0])
        last = again.of("update_display_data")[-1]["content"]["data"]["text/plain"]
        assert "12 of 12 replies from the cache" in last
    assert stage.kernel.value("result.usage_summary.total_calls") == 0
    assert stage.kernel.value("'counted' in globals()") == (mode in ("both", "out"))


def _without_material(request: ChatRequest) -> Reply | str:
    reply = family(request)
    return reply.replace("in material]", "in context]") if isinstance(reply, str) else reply


def _told_otherwise(stage: Stage, asked: int) -> str:
    new = stage.server.requests[asked]
    old = stage.server.requests[min(len(new.messages) // 2 - 1, asked - 1)]
    return "\n".join(f"{message['content']}" for message in [*old.messages[1:], *new.messages[1:]])


@pytest.mark.parametrize("kwargs", ["kernel_mode='in_process'", "kernel_mode='subprocess'"])
def test_in_a_repl_of_the_models_own_too(stage: Stage, kwargs: str) -> None:
    replies = [code("numbers = [context_0 * 2]", "numbers"), code("numbers += [1]", "numbers"), "FINAL_VAR(numbers)"]
    stage.script = says(*replies)
    stage.kernel.ok(f"given = 21\n%config RLMMagics.environment_kwargs = dict({kwargs})")
    for _ in range(2):
        for cell, asked in (("one", "Double it."), ("two", "Double it again.")):
            in_cell(stage.kernel, cell, f"%%rlm --cache --env ipython --context given\n{asked}")
    assert len(stage.server.requests) == 6
    assert "`context_1` is the current context" in stage.server.requests[3].prompt


def test_a_notebook_that_is_run_again_from_the_start_costs_nothing(stage: Stage, kept: Path) -> None:
    cells = [
        "import os, pathlib; material = ['a', 'bb', 'ccc']",
        "%%rlm --cache --max-depth 2 --context material --out first\nparent",
        "after = len(first.response)",
        "%%rlm --cache --max-depth 2\nparent",
        "%%rlm --cache --sync none --context after\nCount it.",
    ]

    def answer(request: ChatRequest) -> Reply | str:
        if is_root(request) and asked_now(request) == "Count it.":
            return [code("counted = context_0 + 1", "SHOW_VARS()"), "FINAL_VAR(counted)"][step(request)]
        return family(request)

    with ScriptedServer(answer) as server:
        env = {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": server.base_url, "RLM_JUPYTER_CACHE": str(kept)}
        asked = []
        for _ in range(2):
            with LiveKernel(env, cwd=str(stage.folder)) as kernel:
                for number, cell in enumerate(cells):
                    in_cell(kernel, f"cell-{number}", cell)
                asked.append(len(server.requests))
    assert asked[0] == asked[1] > 10


def test_the_next_cell_too_costs_nothing_when_both_are_run_again(stage: Stage) -> None:
    stage.script = says(code("made = 1", "SHOW_VARS()"), "FINAL(an answer)")
    for _ in range(3):
        in_cell(stage.kernel, "one", "%%rlm --cache\nThe first question")
        in_cell(stage.kernel, "two", "%%rlm --cache\nThe second question")
        in_cell(stage.kernel, "three", "%%rlm --cache --sync none\nThe third question")
        in_cell(stage.kernel, "four", "%%rlm --cache --sync none\nThe fourth question")
    assert len(stage.server.requests) == 8
    history = stage.kernel.ok("%rlm history").text
    assert [history.count(f"The {number} question") for number in ("first", "second", "third", "fourth")] == [1] * 4
    assert "The third question" in str(stage.server.requests[-1].messages)


def test_a_question_that_has_changed_is_the_next_one(stage: Stage) -> None:
    stage.script = says("FINAL(ok)")
    in_cell(stage.kernel, "one", "%%rlm --cache\nThe first question")
    in_cell(stage.kernel, "one", "%%rlm --cache\nAnother question")
    assert "The first question" in str(stage.server.requests[-1].messages[:-1])
    assert len(stage.server.requests) == 2


@pytest.mark.parametrize("mode", ["both", "none"])
def test_cells_that_bind_the_same_names_cost_nothing_in_any_order(stage: Stage, mode: str) -> None:
    """The user's `table` is bound anew by both, `found` is made by one and bound anew by the other."""

    def script(request: ChatRequest) -> str:
        more = {
            "one": ["table = table + [1]", "found = 'x'"],
            "two": ["table = table * 2", "found = found * 9; new = 1"],
        }
        return [code(*more[asked_now(request)], "SHOW_VARS()"), "FINAL_VAR(found)"][step(request)]

    options = f"--cache --sync {mode}"
    stage.script = says(code("table = [0]"), "FINAL(ok)")
    in_cell(stage.kernel, "zero", "%%rlm --sync none\nBegin.")
    stage.kernel.ok("table = [0]")
    stage.server.requests.clear()
    stage.script = script
    for cell in ("one", "two", "two", "one", "one", "two"):
        executed = in_cell(stage.kernel, cell, f"%%rlm {options}\n{cell}")
        assert executed.result["text/plain"].startswith("x" if cell == "one" else "xxxxxxxxx")
    assert len(stage.server.requests) == 4
    assert stage.kernel.value("table") == ([0, 1, 0, 1] if mode == "both" else [0])


def test_what_the_user_bound_since_is_told(stage: Stage) -> None:
    stage.script = says(code("made = [1]"), "FINAL(ok)")
    in_cell(stage.kernel, "one", "%%rlm --cache\nGo.")
    stage.kernel.ok("made = {'mine': 1}")
    in_cell(stage.kernel, "one", "%%rlm --cache\nGo.")
    assert len(stage.server.requests) == 4
    assert "- `made`: dict, 1 item" in stage.server.requests[2].prompt
    assert "made" not in stage.server.requests[0].prompt


@pytest.mark.parametrize("mode", ["both", "out"])
def test_what_a_run_does_not_make_again_is_put_back(stage: Stage, mode: str) -> None:
    stage.script = says(code("made = [1]"), "FINAL(ok)")
    in_cell(stage.kernel, "one", f"%%rlm --cache --sync {mode} --out result\nGo.")
    stage.script = says(code("seen = 'made' in globals()"), Reply("no", status=400))
    failing = f"%%rlm --cache --sync {mode} --model other --out result\nGo."
    with pytest.raises(AssertionError, match="ClientError"):
        in_cell(stage.kernel, "one", failing)
    assert stage.kernel.value("[seen, made, result.response]") == [False, [1], "ok"]


def test_a_run_that_was_broken_off_is_gone_on_with_for_nothing(stage: Stage) -> None:
    broken = [True]

    def script(request: ChatRequest) -> Reply | str:
        if step(request) == 2 and broken.pop() is True:
            return Reply("down", status=400)
        return [code("made = 1"), code("more = 2", "SHOW_VARS()"), "FINAL(ok)"][step(request)]

    stage.script = script
    cell = "%%rlm --cache --sync none\nGo."
    assert "BadRequest" in (failed := stage.kernel.run(cell)).traceback or failed.status == "error"
    broken.append(False)
    stage.kernel.ok(cell)
    assert len(stage.server.requests) == 4


def test_without_the_option_the_question_is_asked_again(stage: Stage) -> None:
    stage.script = says("FINAL(ok)")
    stage.kernel.ok("%config RLMMagics.cache = True")
    in_cell(stage.kernel, "one", "%%rlm\nGo.")
    in_cell(stage.kernel, "one", "%%rlm\nGo.")
    assert len(stage.server.requests) == 1
    in_cell(stage.kernel, "one", "%%rlm --no-cache\nGo.")
    assert len(stage.server.requests) == 2
    stage.kernel.ok("%config RLMMagics.cache = False")
    in_cell(stage.kernel, "one", "%%rlm\nGo.")
    assert len(stage.server.requests) == 3


def test_lines_of_a_terminal_are_told_apart_by_their_words_and_options(stage: Stage) -> None:
    stage.script = says("FINAL(ok)")
    stage.kernel.ok("given = 1")
    for _ in range(2):
        stage.kernel.ok("%rlm --cache Go on.")
    assert len(stage.server.requests) == 1
    stage.kernel.ok("%rlm --cache Then this.")
    again = stage.kernel.ok("%rlm --cache Go on.")
    assert len(stage.server.requests) == 2
    assert "asked again in its old place" in shown_live(again)
    assert "asked again" not in shown_live(stage.kernel.ok("%rlm --cache --context given Go on."))
    assert len(stage.server.requests) == 3
    assert "Then this." in str(stage.server.requests[2].messages)


def shown_live(executed: Executed) -> str:
    return str(executed.of("update_display_data")[-1]["content"]["data"]["text/plain"])


def test_a_session_begins_anew_with_new_places(stage: Stage) -> None:
    stage.script = says(code("made = 1", "SHOW_VARS()"), "FINAL(ok)")
    for _ in range(2):
        in_cell(stage.kernel, "one", "%%rlm --cache --sync none\nGo.")
        in_cell(stage.kernel, "two", "%%rlm --cache --sync none\nGo on.")
        stage.kernel.ok("%rlm new")
    assert len(stage.server.requests) == 4


def test_a_file_that_cannot_be_used_is_said_below_the_cell(stage: Stage, kept: Path) -> None:
    kept.write_bytes(b"no database " * 1000)
    stage.script = says(code("llm_query_batched(['a', 'b'])"), "FINAL(ok)")
    executed = stage.kernel.ok("%rlm --cache Go.")
    assert not executed.of("stream")
    told = executed.of("update_display_data")[-1]["content"]["data"]["text/plain"].splitlines()
    assert [line.startswith(f"The cache of replies {kept} cannot be used: ") for line in told] == [False, True]
    kept.unlink()
    stage.kernel.ok("%rlm --cache --quiet Go.")
    kept.write_bytes(b"no database " * 1000)
    stage.kernel.ok("%rlm new")
    (warned,) = stage.kernel.ok("%rlm --cache --quiet --fresh Go.").of("stream")
    assert "cannot be used" in warned["content"]["text"]
    assert "cache.py" not in warned["content"]["text"]
