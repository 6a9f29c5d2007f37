"""``%%rlm --cache``: what other cells do between two askings of a question, and what of it the question costs again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from live_kernel import Executed, LiveKernel
from scripts import code, says
from stage import Stage

SETUP = """\
class Table:
    shape = (10, 2)
doc, df = 'x' * 5, Table()
"""


@pytest.fixture(autouse=True)
def kept(stage: Stage, tmp_path: Path) -> Iterator[None]:
    """A cache of the test's own, and a notebook with a text and a table."""
    stage.kernel.ok(f"import os; os.environ['RLM_JUPYTER_CACHE'] = {str(tmp_path / 'replies')!r}\n{SETUP}")
    yield
    stage.kernel.ok("%rlm new")


def in_cell(kernel: LiveKernel, cell_id: str | None, source: str) -> Executed:
    """Run a notebook's cell, as a front end does that tells its id, or that tells none."""
    content = {"code": source, "silent": False, "store_history": True, "allow_stdin": False, "stop_on_error": False}
    metadata = {"cellId": cell_id} if cell_id is not None else {}
    message = kernel.client.session.msg("execute_request", content, metadata=metadata)
    kernel.client.shell_channel.send(message)
    executed = kernel.finish(message["header"]["msg_id"])
    assert executed.status == "ok", executed.traceback
    return executed


def asked(stage: Stage, cell: str, cell_id: str | None = "a cell") -> int:
    """Ask, and return how many requests it took."""
    before = len(stage.server.requests)
    in_cell(stage.kernel, cell_id, cell)
    return len(stage.server.requests) - before


ADDED = "other = 'x' * 10\nfor i in range(3): pass"
BETWEEN = [  # options, what another cell does, and the requests of the second asking
    ("", ADDED, 0),
    ("", "doc = 'y' * 5", 0),
    ("", "%rlm --model m --out result --fresh Something else.", 0),
    ("", "%rlm --model m --out result --cache Something else.", 0),
    ("", "doc = 'x' * 6", 2),
    ("", "doc = 1", 2),
    ("", "del doc", 2),
    ("", "df.shape = (11, 2)", 2),
    ("", "named = 1", 2),  # the question names it
    ("--fresh", ADDED, 0),
    ("--fresh", "del doc", 2),
    ("--sync in", ADDED, 0),
    ("--sync in", "doc = 'x' * 6", 2),
    ("--sync none", "doc = 'x' * 6", 0),
    ("--vars df", "doc = 'x' * 6", 0),
    ("--vars df", "df.shape = (10, 3)", 2),
    ("--context df", ADDED, 0),
    ("--context doc", "doc = 'x' * 6", 2),
    ("--context doc", "doc = 'y' * 5", 2),  # its beginning is told
]


@pytest.mark.parametrize("cell_id", ["a cell", None])
@pytest.mark.parametrize(("options", "between", "requests"), BETWEEN)
def test_what_was_added_costs_nothing_and_what_was_changed_is_told(
    stage: Stage, options: str, between: str, requests: int, cell_id: str | None
) -> None:
    stage.script = says(code("seen = 1"), "FINAL(ok)")
    cell = f"%%rlm --cache {options}\nWhat is in it, is it named?"
    assert asked(stage, cell, cell_id) == 2
    stage.kernel.ok(between)
    assert asked(stage, cell, cell_id) == requests
    assert asked(stage, cell, cell_id) == 0


def test_what_is_as_it_was_again_costs_nothing(stage: Stage) -> None:
    stage.script = says(code("seen = 1"), "FINAL(ok)")
    assert asked(stage, "%%rlm --cache\nGo.") == 2
    stage.kernel.ok("doc = 'x' * 6; other = 1")
    assert asked(stage, "%%rlm --cache\nGo.") == 2
    assert "- `doc`: str, 6 characters" in stage.server.requests[-1].messages[1]["content"]
    assert "- `other`: int" in stage.server.requests[-1].messages[1]["content"]
    stage.kernel.ok("doc = 'x' * 5")
    assert asked(stage, "%%rlm --cache\nGo.") == 0


@pytest.mark.parametrize("options", ["", "--sync in", "--vars df"])
@pytest.mark.parametrize(
    ("between", "requests"), [("", 0), ("df.shape = (10, 4)", 2), ("df = Table(); df.shape = (10, 3)", 2)]
)
def test_what_a_run_changed_itself_costs_nothing(stage: Stage, options: str, between: str, requests: int) -> None:
    """The run adds a column to the user's table; what the user does with the table since is the user's."""
    stage.script = says(code("df.shape = (10, 3)"), "FINAL(ok)")
    assert asked(stage, f"%%rlm --cache {options}\nGo.") == 2
    assert stage.kernel.value("df.shape") == [10, 3]
    stage.kernel.ok(between)
    assert asked(stage, f"%%rlm --cache {options}\nGo.") == requests


def test_what_later_runs_changed_costs_nothing_and_what_earlier_ones_did_is_told(stage: Stage) -> None:
    stage.script = says(code("df.shape = (10, df.shape[1] + 1) if df.shape[1] < 4 else df.shape"), "FINAL(ok)")
    one, two = "%%rlm --cache\nThe first", "%%rlm --cache\nThe second"
    assert [asked(stage, one, "one"), asked(stage, two, "two")] == [2, 2]
    assert [asked(stage, one, "one"), asked(stage, two, "two")] == [0, 0]
    stage.kernel.ok("df.shape = (10, 2)")
    assert [asked(stage, two, "two"), asked(stage, one, "one")] == [2, 0]


def test_earlier_contexts_are_told_as_they_are(stage: Stage) -> None:
    stage.script = says("FINAL(ok)")
    asked(stage, "%%rlm --cache --context df --sync none\nThe first", "one")
    second = "%%rlm --cache --sync none\nThe second"
    assert asked(stage, second, "two") == 1
    assert asked(stage, second, "two") == 0
    stage.kernel.ok("df.shape = (11, 2)")
    assert asked(stage, second, "two") == 1
    assert "`session_context_0`: Table, 11 rows x 2 columns" in stage.server.requests[-1].prompt


@pytest.mark.parametrize("mode", ["none", "out", "in", "both"])
def test_a_fresh_question_disturbs_no_other(stage: Stage, mode: str) -> None:
    stage.script = says(code("made = object()"), "FINAL(ok)")
    lasting, fresh = (f"%%rlm --cache --sync {mode} {option}\nGo." for option in ("", "--fresh"))
    assert [asked(stage, cell) for cell in (lasting, lasting)] == [2, 0]
    asked(stage, fresh, "another")
    assert [asked(stage, cell) for cell in (lasting, fresh)] == [0, 0]


def test_what_runs_replaced_is_let_go_when_the_conversation_is(stage: Stage) -> None:
    stage.script = says(code("df = 1; made = 2"), "FINAL(ok)")
    stage.kernel.ok("import gc, weakref; user = weakref.ref(df)")
    asked(stage, "%%rlm --cache\nGo.")
    assert stage.kernel.value("user() is not None")
    stage.kernel.ok("%rlm reset")
    assert stage.kernel.value("gc.collect() >= 0 and user() is None")


def test_of_many_questions_the_first_are_not_known_any_more(stage: Stage) -> None:
    stage.script = says(code("df = 1"), "FINAL(ok)")
    stage.kernel.ok("import gc, weakref; user = weakref.ref(df)")
    asked(stage, "%rlm --cache --fresh --no-trace Replace it.")
    stage.script = says("FINAL(ok)")
    stage.kernel.ok(
        "for number in range(100):\n"
        "    get_ipython().run_line_magic('rlm', f'--cache --fresh --quiet --no-trace Question {number}')"
    )
    assert stage.kernel.value("gc.collect() >= 0 and user() is None")
