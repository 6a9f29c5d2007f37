"""``%%rlm --review``: the user is asked in the cell before code runs; and how the display tells of steering."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty

import nbformat
import pytest
from live_kernel import Executed, Message
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from scripted_server import ChatRequest, ScriptedServer
from scripts import code, says
from stage import Stage

PROMPT = "Run this block? [y]es, [n]o, [e]dit, [s]top: "


@dataclass
class Front:
    """A front end with somebody at the keyboard."""

    stage: Stage
    prompts: list[str] = field(default_factory=list)

    def send(self, cell: str) -> str:
        return str(self.stage.kernel.client.execute(cell, allow_stdin=True, stop_on_error=False))

    def prompt(self) -> str:
        """Wait until something is asked, and return it."""
        try:
            request = self.stage.kernel.client.get_stdin_msg(timeout=20)
        except Empty:
            msg = f"Nothing more was asked after {self.prompts}."
            raise AssertionError(msg) from None
        self.prompts.append(str(request["content"]["prompt"]))
        return self.prompts[-1]

    def run(self, cell: str, *answers: str) -> Executed:
        """Run a cell, and type these answers to what it asks."""
        message_id = self.send(cell)
        for answer in answers:
            self.prompt()
            self.stage.kernel.client.input(answer)
        return self.stage.kernel.finish(message_id)


@pytest.fixture
def front(stage: Stage) -> Front:
    return Front(stage)


def told(stage: Stage) -> list[str]:
    return [request.prompt for request in stage.server.requests[1:]]


def shown(executed: Executed) -> list[str]:
    """Every text that a display of the cell ever had, in order."""
    return [m["content"]["data"]["text/plain"] for m in executed.of("display_data", "update_display_data")]


def test_blocks_are_approved_changed_and_rejected(front: Front, stage: Stage) -> None:
    stage.script = says(code("step = 1"), code("step = 2"), code("step = 3"), code("FINAL(step)"), sub="never asked")
    answers = ["y", "No", "Not two.", "e", "for _ in [1]:", "    step = 'mine'", ".", "hm?", "", "yes"]
    executed = front.run("%%rlm --review --out done\nWhich step?", *answers)
    assert executed.status == "ok", executed.traceback
    assert executed.result["text/plain"] == "mine"
    assert [prompt for prompt in front.prompts if "Run this" in prompt] == [PROMPT] * 6
    assert stage.kernel.value("step") == "mine"
    assert told(stage)[1] == "Output:\nNote: The user rejected this block: it was not run. The user says: Not two."
    assert "This is what ran:\n\nfor _ in [1]:\n    step = 'mine'" in told(stage)[2]
    texts = shown(executed)
    assert any(text.endswith("1  step = 1") for text in texts)
    for line in (
        "Block 1 of iteration 1: approved",
        "Block 1 of iteration 2: rejected",
        "Block 1 of iteration 3: edited",
        "Block 1 of iteration 4: approved",
    ):
        assert line in texts
    reviews = "[span.start.payload.review for span in done.trace.walk() if span.kind == 'code']"
    assert stage.kernel.value(reviews) == ["approved", "rejected", "edited", "approved"]
    notebook = nbformat.read(stage.trace, as_version=4)
    nbformat.validate(notebook)
    codes = [cell.source for cell in notebook.cells if cell.cell_type == "code" and "role-code" in cell.metadata.tags]
    assert codes[-3:] == ["step = 1", "for _ in [1]:\n    step = 'mine'", "FINAL(step)"]
    assert any("rejected by the user" in cell.source and "step = 2" in cell.source for cell in notebook.cells)


def test_what_is_shown_is_what_runs(front: Front, stage: Stage) -> None:
    """Code shows as text, also where it is written so that it would look like something else."""
    stage.script = says(code("x = '<img src=x onerror=alert(1)>\u202e\x1b[2K'"), "FINAL(done)")
    executed = front.run("%%rlm --review\nGo.", "n", "")
    assert executed.result["text/plain"] == "done"
    bundles = [message["content"]["data"] for message in executed.of("display_data")]
    (proposed,) = [bundle for bundle in bundles if "onerror" in bundle["text/plain"]]
    assert "<img" not in proposed["text/html"]
    assert r"\u{202e}\u{1b}[2K" in proposed["text/plain"]
    assert told(stage) == ["Output:\nNote: The user rejected this block: it was not run."]


def test_stop_at_the_prompt_ends_the_run(front: Front, stage: Stage) -> None:
    stage.script = says(code("step = 1"), code("step = 2"))
    executed = front.run("%%rlm --review\nGo.", "y", "s")
    assert executed.error == "InterruptedRun: The run was stopped at block 1 of iteration 2."
    assert stage.kernel.value("step") == 1
    assert len(stage.server.requests) == 2


def test_the_stop_button_at_the_prompt_ends_the_run(front: Front, stage: Stage) -> None:
    stage.script = says(code("step = 1"))
    message_id = front.send("%%rlm --review\nGo.")
    assert front.prompt() == PROMPT
    until_shown(stage, message_id, "waiting for your decision below")
    stage.kernel.interrupt()
    executed = stage.kernel.finish(message_id, timeout=10)
    assert "interrupted" in executed.error
    assert stage.kernel.value("'step' in globals()") is False
    assert len(stage.server.requests) == 1


def test_the_time_limit_holds_at_the_prompt(front: Front, stage: Stage) -> None:
    stage.script = says(code("step = 1"))
    message_id = front.send("%%rlm --review --timeout 3\nGo.")
    assert front.prompt() == PROMPT
    executed = stage.kernel.finish(message_id, timeout=20)
    assert executed.error.startswith("TimeoutExceededError")
    assert len(stage.server.requests) == 1


def test_blocks_of_children_are_asked_about_too(front: Front, stage: Stage) -> None:
    def script(request: ChatRequest) -> str:
        child = "the child's" in str(request.messages[1]["content"]).split("## Context")[0]
        if child:
            return code("FINAL('the child ran')") if request.messages[-1]["content"].startswith("## Q") else "FINAL(no)"
        return code("FINAL(rlm_query(\"the child's\" + ' question'))")

    stage.script = script
    executed = front.run("%%rlm --review --max-depth 2\nGo.", "y", "y")
    assert executed.status == "ok", executed.traceback
    assert executed.result["text/plain"] == "the child ran"
    assert any("Block 1 of iteration 1 of a child run" in text for text in shown(executed))
    executed = front.run("%%rlm --review --max-depth 2\nGo.", "y", "n", "")
    assert executed.result["text/plain"] == "no"


def test_the_time_limit_holds_at_the_prompt_of_a_child(front: Front, stage: Stage) -> None:
    stage.script = says(code("print(rlm_query('a'))"))
    message_id = front.send("%%rlm --review --max-depth 2 --timeout 3\nGo.")
    front.prompt()
    stage.kernel.client.input("y")
    assert front.prompt() == PROMPT
    assert stage.kernel.finish(message_id, timeout=20).error.startswith("TimeoutExceededError")
    assert front.run("print(input('still '))", "here").stdout == "here\n"


def test_code_that_was_let_in_cannot_answer_for_the_user(front: Front, stage: Stage) -> None:
    stage.script = says(code("import builtins", "builtins.input = lambda prompt='': 'y'"), code("step = 2"))
    executed = front.run("%%rlm --review\nGo.", "y", "s")
    assert "stopped at block 1 of iteration 2" in executed.error
    assert stage.kernel.value("'step' in globals()") is False


def test_review_can_be_the_default(front: Front, stage: Stage) -> None:
    stage.script = says(code("step = 1"), "FINAL(done)")
    stage.kernel.ok("%config RLMMagics.review = True")
    try:
        assert front.run("%rlm Go.", "y").status == "ok"
    finally:
        stage.kernel.ok("%config RLMMagics.review = False")
    assert front.run("%rlm Go.").status == "ok"
    assert len(front.prompts) == 1


def test_without_anybody_to_ask_nothing_is_asked_of_a_model(stage: Stage) -> None:
    executed = stage.kernel.run("%%rlm --review\nGo.")
    assert executed.error.startswith("UsageError: --review needs someone to ask")
    assert "nbclient" in executed.error
    assert not stage.server.requests


def test_nbclient_gets_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer(["FINAL(never asked)"]) as server:
        monkeypatch.setenv("OPENAI_API_KEY", "k")
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        cells = [nbformat.v4.new_code_cell(text) for text in ("%load_ext rlm_jupyter", "%%rlm --review\nGo.")]
        client = NotebookClient(nbformat.v4.new_notebook(cells=cells), resources={"metadata": {"path": str(tmp_path)}})
        with pytest.raises(CellExecutionError, match="--review needs someone to ask"):
            client.execute()
        assert not server.requests


def test_an_end_of_input_ends_the_run(front: Front, stage: Stage) -> None:
    stage.script = says(code("step = 1"))
    executed = front.run("%%rlm --review\nGo.", "\x04")
    assert "nobody answered whether to run it" in executed.error
    assert stage.kernel.value("'step' in globals()") is False


def until_shown(stage: Stage, message_id: str, text: str) -> list[Message]:
    """Wait until a display of the cell shows this, and return what it has published by then."""
    messages: list[Message] = []
    while not any(text in each for each in shown(Executed({}, messages))):
        message = stage.kernel.client.get_iopub_msg(timeout=20)
        messages += [message] if message["parent_header"].get("msg_id") == message_id else []
    return messages


LINK = "link = get_ipython().magics_manager.registry['RLMMagics'].link\n"
PRESENT = "get_ipython().magics_manager.registry['RLMMagics'].link.hear({'type': 'reviewer', 'present': %s})"


def test_who_decides_at_the_server_is_asked_first_and_the_cell_when_they_go(front: Front, stage: Stage) -> None:
    stage.script = says(code("step = 1"), code("step = 2"), "FINAL(done)")
    gone = stage.folder / "gone"
    stage.kernel.ok(PRESENT % True)
    stage.kernel.ok(
        f"""
import threading
from pathlib import Path

def leave(shell=get_ipython()):
    while not Path({str(gone)!r}).exists():
        threading.Event().wait(0.02)
    shell.magics_manager.registry['RLMMagics'].link.hear({{'type': 'reviewer', 'present': False}})

threading.Thread(target=leave, daemon=True).start()
"""
    )
    assert stage.kernel.run("%%rlm --review --no-trace\nGo.").error.startswith("UsageError: --review needs someone")
    assert not stage.server.requests
    message_id = front.send("%%rlm --review\nGo.")
    until_shown(stage, message_id, "waiting for a decision about a block")
    gone.touch()
    for _ in range(2):
        assert front.prompt() == PROMPT
        stage.kernel.client.input("y")
    assert stage.kernel.finish(message_id).result["text/plain"] == "done"
    assert stage.kernel.value("step") == 2


def test_when_the_last_one_goes_a_cell_that_cannot_ask_ends(stage: Stage) -> None:
    """Nobody at all is left who could decide: a run that waited for ever would hang papermill."""
    leave = f"__import__('IPython').{PRESENT % False}"
    stage.script = says(code("step = 1"), code(leave), code("step = 3"))
    stage.kernel.ok(PRESENT % True)
    stage.kernel.ok(APPROVE)
    executed = stage.kernel.run("%%rlm --review\nGo.")
    assert executed.error.startswith("InterruptedRun: The run was stopped at block 1 of iteration 3: whoever was to")
    assert stage.kernel.value("step") == 1


APPROVE = """
import rlm_jupyter.runs.steering as steering
from rlm_jupyter.core.steering import Decision

def approve(run_id, state):
    if state.review is not None:
        steering.under_way[run_id].decide(state.review.review_id, Decision("approved"))

steering.observers.append(approve)
"""


@pytest.mark.parametrize(("told", "kept"), [(False, False), (True, True)])
def test_a_new_server_knows_who_is_there(stage: Stage, told: bool, kept: bool) -> None:
    """Who was there for an earlier server is not taken for granted; what the new one says before its welcome holds."""
    stage.kernel.ok(LINK + PRESENT % True)
    assert stage.kernel.value("link.reviewer_present") is True
    stage.kernel.ok("link.hear({'type': 'introduce'})")
    if told:
        stage.kernel.ok(PRESENT % True)
    for _ in range(2):  # a notebook that is known later is another welcome
        stage.kernel.ok("link.hear({'type': 'welcome', 'load_id': link._load_id})")
        assert stage.kernel.value("link.reviewer_present") is kept
    stage.kernel.ok(PRESENT % False)


def test_where_no_decision_arrives_while_a_cell_runs_the_cell_asks(stage: Stage) -> None:
    stage.kernel.ok(LINK + PRESENT % True + "\nreach, link.reach = link.reach, 'shell'")
    assert stage.kernel.run("%%rlm --review\nGo.").error.startswith("UsageError: --review needs someone to ask")
    stage.kernel.ok("link.reach = reach\n" + PRESENT % False)


def test_a_message_that_cannot_be_heeded_is_dropped(stage: Stage) -> None:
    stage.kernel.ok(
        LINK
        + """
import logging
logged = []
link._journal().stored = lambda run_id: 1 / 0
kept = logging.Handler()
kept.emit = logged.append
logging.getLogger('rlm_jupyter.magics.server_link').addHandler(kept)
link.hear({'type': 'stored', 'run_id': 'r', 'events': 1})
link.hear({'type': 'notebook', 'path': 'after.ipynb'})
found = link.notebook, link.notebook, len(logged), logged[0].exc_info[0].__name__
del link._journal().stored
logging.getLogger('rlm_jupyter.magics.server_link').removeHandler(kept)
"""
    )
    assert stage.kernel.value("list(found)") == ["after.ipynb", "after.ipynb", 1, "ZeroDivisionError"]


# How the display tells of steering


STEER = """
import threading
from pathlib import Path
from rlm_jupyter.runs.steering import under_way

def steer(now, later, told):
    (steering,) = under_way.values()

    def act(actions):
        for name, *arguments in actions:
            getattr(steering, name)(*arguments)

    def wait():
        while not Path(told).exists():
            threading.Event().wait(0.02)
        act(later)

    act(now)
    threading.Thread(target=wait, daemon=True).start()
"""


def steered(stage: Stage, now: Sequence[Sequence[str]], later: Sequence[Sequence[str]], until: str) -> Executed:
    """Have the first reply's code ask for something, and for more once the display has said ``until``."""
    told = stage.folder / f"told-{len(list(stage.folder.iterdir()))}"
    stage.kernel.ok(STEER)
    stage.script = says(code(f"steer({now!r}, {later!r}, {str(told)!r})"), code("x = 1"), "FINAL(done)")
    message_id = stage.kernel.send("%%rlm\nGo.")
    messages = until_shown(stage, message_id, until)
    told.touch()
    rest = stage.kernel.finish(message_id)
    return Executed(rest.reply, [*messages, *rest.messages])


def test_the_display_says_that_the_run_is_paused(stage: Stage) -> None:
    executed = steered(stage, [("pause",), ("note", "Hm.")], [("resume",)], "· paused ·")
    assert executed.status == "ok", executed.traceback
    assert executed.result["text/plain"] == "done"
    assert any("1 note for the model" in text for text in shown(executed))
    assert stage.server.requests[1].prompt.endswith("The user says: Hm.")
    assert "paused" not in shown(executed)[-1]


def test_a_run_that_is_stopped_fails_its_cell(stage: Stage) -> None:
    executed = steered(stage, [("pause",)], [("stop",)], "· paused ·")
    assert executed.error == "InterruptedRun: The run was stopped after iteration 1."
    assert "The run was stopped after iteration 1." in executed.traceback
    assert len(stage.server.requests) == 1
