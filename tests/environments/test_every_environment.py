"""What a cell does in every environment: errors, displays, magics, output, time. See docs/guides/environments.md."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil
import pytest
from every_environment import Place, data, in_every_environment, shown

from rlm_jupyter.core.errors import ConfigurationError
from rlm_jupyter.core.observation import OBSERVATION_LIMIT, observe
from rlm_jupyter.core.results import REPLResult


@in_every_environment
def test_a_traceback_has_the_lines_of_the_cell_and_of_the_functions_of_cells_before(place: Place) -> None:
    place.run("def divide(a, b):\n    return a / b")
    result = place.run("a = 1\ndivide(a, 0)")
    assert result.error is not None
    assert (result.error.name, result.error.message) == ("ZeroDivisionError", "division by zero")
    assert "line 2, in <module>" in result.error.traceback
    assert "divide(a, 0)" in result.error.traceback
    assert "return a / b" in result.error.traceback
    assert "rlm_jupyter" not in result.error.traceback
    assert result.stderr.endswith(result.error.traceback)
    assert result.outputs[-1]["output_type"] == "error"
    assert result.outputs[-1]["ename"] == "ZeroDivisionError"


@in_every_environment
def test_a_syntax_error_says_where(place: Place) -> None:
    result = place.run("fine = 1\nx = = 2")
    assert result.error is not None
    assert result.error.name == "SyntaxError"
    assert "line 2" in result.error.traceback
    assert "x = = 2" in result.error.traceback


@in_every_environment
def test_names_bound_before_an_exception_are_kept_private_ones_too(place: Place) -> None:
    """Defect 3 of the field."""
    place.run("kept, _kept = 1, 2\nraise ValueError('later')\nlost = 3")
    assert shown(place.run("kept, _kept, 'lost' in globals()")) == "(1, 2, False)"


@in_every_environment
def test_a_system_exit_does_not_leave_the_cell(place: Place) -> None:
    result = place.run("import sys\nsys.exit(3)")
    assert result.error is not None
    assert result.error.name == "SystemExit"
    assert shown(place.run("'goes on'")) == "'goes on'"


@in_every_environment
def test_an_interrupt_that_code_raises_itself_leaves_the_environment_usable(place: Place) -> None:
    code = "before = 1\nraise KeyboardInterrupt"
    if place.differs("interrupts"):
        result = place.run(code)
        assert result.error is not None
        assert result.error.name == "KeyboardInterrupt"
    else:
        with pytest.raises(KeyboardInterrupt):
            place.run(code)
    assert shown(place.run("before")) == "1"


@in_every_environment
def test_functions_see_later_bindings(place: Place) -> None:
    place.run("rate = 1\ndef total(x): return x * rate")
    place.run("rate = 10")
    assert shown(place.run("total(2)")) == "20"


@in_every_environment
def test_a_line_magic(place: Place) -> None:
    result = place.run("%time 6 * 7")
    if place.differs("magics"):
        assert result.error is not None
        assert result.error.name == "SyntaxError"
        return
    assert "Wall time" in result.stdout
    assert shown(result) == "42"


@in_every_environment
def test_a_shell_escape(place: Place) -> None:
    result = place.run("!echo from the shell")
    if place.differs("magics"):
        assert result.error is not None
        assert result.error.name == "SyntaxError"
        return
    assert result.stdout.strip() == "from the shell"
    assert shown(place.run("lines = !echo a\nlines[0]")) == "'a'"


@in_every_environment
def test_top_level_await(place: Place) -> None:
    assert shown(place.run("import asyncio\nslept = await asyncio.sleep(0, 'slept')\nslept")) == "'slept'"
    place.run("task = asyncio.create_task(asyncio.sleep(0, 'over'))\nawait asyncio.sleep(0)")
    assert shown(place.run("await task")) == "'over'"


@in_every_environment
def test_a_task_is_started_in_one_cell_and_awaited_in_another(place: Place) -> None:
    begun = place.run("import asyncio\nover = asyncio.sleep(0, 'over')\ntask = asyncio.create_task(over)")
    if place.differs("tasks"):
        assert begun.error is not None
        assert begun.error.message == "no running event loop"
        place.run("over.close()")
    else:
        assert shown(place.run("await task")) == "'over'"


@in_every_environment
def test_the_last_expression_is_shown_and_only_that(place: Place) -> None:
    assert shown(place.run("1\n2")) == "2"
    for quiet in ("None", "3;", "x = 4", "", "# nothing"):
        assert shown(place.run(quiet)) is None
    result = place.run("print('printed')\n'value'")
    assert [each["output_type"] for each in result.outputs] == ["stream", "execute_result"]


@in_every_environment
def test_a_rich_value_is_kept_in_all_its_forms(place: Place) -> None:
    code = "class Bold:\n    def _repr_html_(self): return '<b>bold</b>'\n    def __repr__(self): return 'bold'\nBold()"
    (bundle,) = data(place.run(code))
    assert bundle["text/plain"] == "bold"
    assert bundle.get("text/html") == (None if place.differs("displays") else "<b>bold</b>")


@in_every_environment
def test_a_display_amid_a_cell_is_an_output_of_its_own(place: Place) -> None:
    result = place.run("from IPython.display import HTML, display\ndisplay(HTML('<b>x</b>'))\nprint('after')")
    assert result.error is None
    if place.differs("displays"):
        assert result.stdout == "<IPython.core.display.HTML object>\nafter\n"
        return
    assert [each["output_type"] for each in result.outputs] == ["display_data", "stream"]
    assert result.outputs[0]["data"]["text/html"] == "<b>x</b>"


@in_every_environment
def test_a_figure_is_an_image_in_the_outputs(place: Place) -> None:
    if place.differs("displays"):
        assert "image/png" not in str(place.run("from matplotlib.figure import Figure\nFigure()").outputs)
        return
    result = place.run("%matplotlib inline\nimport matplotlib.pyplot as plt\n_ = plt.plot([1, 2])")
    images = [each["image/png"] for each in data(result) if "image/png" in each]
    assert len(images) == 1
    assert images[0].startswith("iVBOR")


@in_every_environment
def test_output_of_threads_is_the_cells(place: Place) -> None:
    code = (
        "import threading\nthreads = [threading.Thread(target=print, args=[f'thread {n}\\n'], kwargs={'end': ''}) "
        "for n in range(8)]\nfor each in threads: each.start()\nfor each in threads: each.join()"
    )
    result = place.run(code)
    assert result.error is None
    assert sorted(result.stdout.splitlines()) == [f"thread {n}" for n in range(8)]


@in_every_environment
def test_stdout_and_stderr_are_apart_and_in_their_order(place: Place) -> None:
    result = place.run("import sys\nprint('a')\nprint('b', file=sys.stderr)\nprint('c')")
    assert (result.stdout, result.stderr) == ("a\nc\n", "b\n")
    streams = [(each["name"], each["text"]) for each in result.outputs]
    if place.differs("order"):
        assert sorted(streams) in ([("stderr", "b\n"), ("stdout", "a\nc\n")], _IN_ORDER)
        return
    assert sorted(streams) == sorted(_IN_ORDER)
    assert streams == _IN_ORDER


_IN_ORDER = [("stdout", "a\n"), ("stderr", "b\n"), ("stdout", "c\n")]


@in_every_environment
def test_of_long_output_the_model_sees_head_tail_and_traceback(place: Place) -> None:
    """Defect 5 of the field: after 30,000 characters it never saw the traceback."""
    result = place.run("print('first line')\nprint('x' * 100_000)\nprint('last line')\n1 / 0")
    assert len(result.stdout) > 100_000
    seen = observe([result], 1)
    for part in ("first line", "last line", "characters left out", "ZeroDivisionError: division by zero"):
        assert part in seen
    assert len(seen) < OBSERVATION_LIMIT + 1_000


@in_every_environment
def test_variables_persist_and_are_told_by_name(place: Place) -> None:
    with place.make() as repl:
        repl.execute_code("import math\nnumbers = [1, 2]\n_private = 3")
        result: REPLResult = repl.execute_code("numbers.append(math.floor(3.5))\nprint(numbers)")
        assert result.stdout == "[1, 2, 3]\n"
        assert "numbers" in result.locals
        assert "numbers" in repl.locals
        assert [name for name in repl.variables() if name != "math"] == ["numbers"]
        value = repl.variables()["numbers"]
        if place.differs("values"):
            assert (str(value), value.preview) == ("list, 3 items", "[1, 2, 3]")
        else:
            assert value == repl.locals["numbers"] == result.locals["numbers"] == [1, 2, 3]


@in_every_environment
def test_two_environments_know_nothing_of_each_other(place: Place) -> None:
    with place.make(context_payload="one") as one, place.make(context_payload="other") as other:
        one.execute_code("x = 1")
        assert other.execute_code("print(context, 'x' in globals())").stdout == "other False\n"
        assert one.execute_code("print(context, x)").stdout == "one 1\n"


@in_every_environment
def test_input_and_exit_are_refused(place: Place) -> None:
    for code, said in (("input('?')", "nobody is there"), ("exit()", "ends nothing"), ("quit()", "ends nothing")):
        result = place.run(code)
        assert result.error is not None
        assert result.error.name == "ScaffoldError"
        assert said in result.error.message
    place.run("input = lambda prompt: 'mine'")
    assert "ScaffoldError" in place.run("input()").stderr


@in_every_environment
def test_a_cell_that_takes_too_long_is_ended_and_the_session_goes_on(place: Place) -> None:
    with place.make(cell_timeout=0.3) as repl:
        for endless in ("while True: pass", "import time\ntime.sleep(600)", "import asyncio\nawait asyncio.sleep(600)"):
            result: REPLResult = repl.execute_code(f"kept = 1\nprint('begun')\n{endless}")
            assert result.error is not None
            assert result.error.name == "TimeoutError"
            assert "0.3 s" in result.error.message
            assert "cell_timeout" in result.error.message
            assert result.stdout == "begun\n"
        assert repl.execute_code("print(kept)").stdout == "1\n"


@in_every_environment
def test_a_cell_that_asks_its_own_environment_for_another_is_refused(place: Place) -> None:
    refused: list[RuntimeError] = []

    def within(prompt: str, model: str | None) -> str:
        try:
            return str(repl.execute_code("1").stdout)
        except RuntimeError as error:
            refused.append(error)
            raise

    with place.make(subcall_fn=within) as repl:
        result = repl.execute_code("print(rlm_query('a'))")
        assert len(refused) == 1
        assert result.stdout == f"Error: {refused[0]}\n"
        assert "This REPL is running the cell that asks it" in result.stdout
        assert repl.execute_code("print('goes on')").stdout == "goes on\n"


@in_every_environment
def test_cleanup_may_be_called_twice_and_empties_the_environment(place: Place) -> None:
    repl = place.make(context_payload="text", persistent=True)
    repl.execute_code("x = 42")
    assert "x" in repl.locals
    scratch = Path(repl.temp_dir)
    assert scratch.is_dir()
    repl.cleanup()
    repl.cleanup()
    assert dict(repl.locals) == {}
    assert repl.get_context_count() == 0
    assert not scratch.exists()
    with pytest.raises(RuntimeError, match=r"cleaned up\. Make a new one"):
        repl.execute_code("1")


@in_every_environment
def test_set_up_that_fails_leaves_nothing(place: Place) -> None:
    def held() -> tuple[int, int, list[psutil.Process], list[Path]]:
        process = psutil.Process()
        return process.num_threads(), process.num_fds(), process.children(), [*Path(tempfile.gettempdir()).iterdir()]

    def fail() -> None:
        for wrong, said in (
            ({"setup_code": "a = 1\n1 / 0"}, r"(?s)The setup_code failed:.*line 2.*ZeroDivisionError"),
            ({"custom_tools": {"FINAL": 1}}, "reserved"),
            ({"cell_timeout": -1}, "cell_timeout"),
            ({"max_concurrent_subcalls": 0}, "max_concurrent_subcalls"),
        ):
            with pytest.raises(ConfigurationError, match=said):
                place.make(**wrong)

    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", folder)
        fail()
        before = held()
        fail()
        deadline = time.monotonic() + 5
        while (after := held())[:2] > before[:2] and time.monotonic() < deadline:
            time.sleep(0.05)  # a front end that connects to the kernel has sockets in it for a moment
    assert after[0] <= before[0]
    assert after[1] <= before[1]
    assert after[2:] == (before[2], [])


@in_every_environment
def test_work_and_cleanup_leave_no_thread_process_or_file(place: Place) -> None:
    def use() -> None:
        with place.make(context_payload="text", cell_timeout=60, subcall_fn=lambda prompt, model: prompt) as repl:
            code = "import asyncio\nawait asyncio.sleep(0)\nprint(rlm_query('a'), rlm_query_batched(['b', 'c']))"
            assert repl.execute_code(code).stdout == "a ['b', 'c']\n"
            assert repl.temp_dir

    def held() -> tuple[int, int, list[psutil.Process]]:
        process = psutil.Process()
        return threading.active_count(), process.num_fds(), process.children()

    use()
    before = held()
    for _ in range(3):
        use()
    after = held()
    assert after[0] <= before[0]
    assert after[1] <= before[1]
    assert after[2] == before[2]


@in_every_environment
async def test_cells_are_awaited(place: Place) -> None:
    repl = place.shared
    result = await repl.aexecute_code("import asyncio\nawaited = await asyncio.sleep(0, 7)\nawaited")
    assert shown(result) == "7"
    assert shown(await repl.aexecute_code("awaited + 1")) == "8"


def test_the_jupyter_environment_needs_a_live_shell() -> None:
    """The one that cannot be made anywhere."""
    code = "from rlm_jupyter.environments import get_environment; get_environment('jupyter', {})"
    path = os.pathsep.join(filter(None, sys.path))
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "runs in a live IPython or Jupyter kernel, and there is none here. Use 'local'." in ran.stderr
