"""Output goes to the cell that made it, and to nobody else; afterwards all is as it was."""

from __future__ import annotations

import contextlib
import io
import sys
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from model_code import Echo, run_blocks

from rlm_jupyter.environments.cells.capture import capture
from rlm_jupyter.environments.cells.sink import Sink
from rlm_jupyter.environments.local import LocalREPL


@pytest.fixture(autouse=True)
def _all_is_put_back() -> Iterator[None]:
    """Whatever a test does, the streams and threads of the process are as they were."""
    before = sys.stdout, sys.stderr, threading.Thread.start
    yield
    assert (sys.stdout, sys.stderr, threading.Thread.start) == before


def test_sixteen_environments_in_parallel_never_mix() -> None:
    """Defect 2 of the field: children held each other's output, and the parent's was lost."""
    rounds, lines = 25, 20
    ready = threading.Barrier(16)
    block = f"for i in range({lines}):\n    print(name, i)\n    print(name, i, file=sys.stderr)"

    def child(name: str) -> None:
        environment = LocalREPL()
        environment.offer({"name": name, "sys": sys})
        with environment.running(Echo()):
            for _ in range(rounds):
                ready.wait()
                result = environment.execute_code(block)
                assert result.stdout == result.stderr == "".join(f"{name} {i}\n" for i in range(lines))
        environment.cleanup()

    parent = io.StringIO()
    with contextlib.redirect_stdout(parent), ThreadPoolExecutor(16) as pool:
        futures = [pool.submit(child, f"child {number}") for number in range(16)]
        for number in range(200):
            print("parent", number)
        for future in futures:
            future.result()
    assert parent.getvalue() == "".join(f"parent {number}\n" for number in range(200))


def test_a_child_prints_into_itself_and_its_parent_into_its_own(local: LocalREPL) -> None:
    child = LocalREPL()
    results = []

    def run_child() -> str:
        results.extend(run_blocks(child, "print('child')"))
        return "answer"

    local.offer({"run_child": run_child})
    (result,) = run_blocks(local, "print('before')\nprint(run_child())\nprint('after')")
    assert result.stdout == "before\nanswer\nafter\n"
    assert results[0].stdout == "child\n"


def test_threads_print_into_the_cell_that_started_them(local: LocalREPL, capsys: pytest.CaptureFixture[str]) -> None:
    (result,) = run_blocks(
        local,
        "import threading\nfrom concurrent.futures import ThreadPoolExecutor\n"
        "t = threading.Thread(target=print, args=['from a thread'])\nt.start()\nt.join()\n"
        "with ThreadPoolExecutor(2) as pool:\n    list(pool.map(print, 'ab'))",
    )
    assert sorted(result.stdout.splitlines()) == ["a", "b", "from a thread"]
    assert capsys.readouterr() == ("", "")


def test_a_thread_that_outlives_its_cell_prints_into_the_next_one(
    local: LocalREPL, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = run_blocks(
        local,
        "import threading\ngo = threading.Event()\n"
        "def late():\n    go.wait()\n    print('late')\nt = threading.Thread(target=late)\nt.start()\nprint('first')",
        "go.set()\nt.join()\nprint('second')",
    )
    assert first.stdout == "first\n"
    assert second.stdout == "late\nsecond\n"
    assert capsys.readouterr() == ("", "")


def test_threads_of_the_host_print_where_they_did(local: LocalREPL, capsys: pytest.CaptureFixture[str]) -> None:
    begun, go, said = threading.Event(), threading.Event(), threading.Event()

    def host() -> None:
        begun.wait()
        print("host")
        said.set()

    thread = threading.Thread(target=host)
    thread.start()
    local.offer({"begun": begun, "go": go, "said": said})
    (result,) = run_blocks(local, "begun.set()\nsaid.wait()\nprint('cell')")
    thread.join()
    assert result.stdout == "cell\n"
    assert capsys.readouterr().out == "host\n"


def test_inside_redirect_stdout(local: LocalREPL) -> None:
    buffer = io.StringIO()
    with contextlib.redirect_stdout(buffer), contextlib.redirect_stderr(buffer):
        print("before")
        (result,) = run_blocks(local, "print('cell')")
        print("after")
    assert result.stdout == "cell\n"
    assert buffer.getvalue() == "before\nafter\n"


def test_a_cell_may_redirect_its_own_output(local: LocalREPL) -> None:
    (result,) = run_blocks(
        local,
        "import contextlib, io\nb = io.StringIO()\n"
        "with contextlib.redirect_stdout(b):\n    print('kept')\nprint('shown')\nb.getvalue()",
    )
    assert result.stdout == "shown\n"
    assert result.outputs[-1]["data"]["text/plain"] == r"'kept\n'"


@pytest.mark.parametrize(
    "ending", ["", "1 / 0", "raise SystemExit", "sys.stdout.close()", "del sys.stdout, sys.stderr"]
)
def test_streams_that_a_cell_replaced_come_back(
    local: LocalREPL, capsys: pytest.CaptureFixture[str], ending: str
) -> None:
    _, after = run_blocks(local, f"import io, sys\nsys.stdout = sys.stderr = io.StringIO()\n{ending}", "print('heard')")
    print("the host is heard as well")
    assert after.stdout == "heard\n"
    assert capsys.readouterr().out == "the host is heard as well\n"


def test_warnings_are_output(local: LocalREPL) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = _show  # type: ignore[assignment] # pytest would record them
        (result,) = run_blocks(local, "import warnings\nwarnings.warn('careful')")
    assert "UserWarning: careful" in result.stderr
    assert "warnings.warn('careful')" in result.stderr


def _show(message: Warning | str, category: type[Warning], filename: str, lineno: int, *_: object) -> None:
    sys.stderr.write(warnings.formatwarning(message, category, filename, lineno))


BARS = {
    "a progress bar": ("for i in range(3): print(f'{i}/3', end='\\r')\nprint('done')", "done\n"),
    "one that stands still": ("print('10%', end='\\r')\nprint('20%', end='\\r')", "20%\r"),
    "lines of Windows": ("print('a\\r\\nb')", "a\r\nb\n"),
    "after other lines": ("print('begin')\nprint('1', end='')\nprint('\\r2')\nprint('end')", "begin\n2\nend\n"),
}


@pytest.mark.parametrize(("code", "shown"), BARS.values(), ids=BARS.keys())
def test_what_was_overwritten_is_not_shown(local: LocalREPL, code: str, shown: str) -> None:
    (result,) = run_blocks(local, code)
    assert result.stdout == shown


def test_endless_printing_is_bounded_and_keeps_head_and_tail(local: LocalREPL) -> None:
    (result,) = run_blocks(local, "print('begin')\nfor i in range(60): print(str(i % 10) * 99_999)\nprint('end')")
    assert len(result.stdout) < 2_100_000
    assert result.stdout.startswith("begin\n0000")
    assert result.stdout.endswith("9999\nend\n")
    assert "characters left out" in result.stdout


def test_one_huge_text_keeps_its_tail(local: LocalREPL) -> None:
    (result,) = run_blocks(local, "print('begin' + 'x' * 5_000_000 + 'end')")
    assert result.stdout.startswith("begin")
    assert result.stdout.endswith("xend\n")
    assert "[... 3,000,009 characters left out ...]" in result.stdout


def test_many_small_pieces_behind_a_huge_one(local: LocalREPL) -> None:
    (result,) = run_blocks(local, "print('x' * 2_500_000)\nfor i in range(100_000): print(i)")
    assert result.stdout.endswith("\n99998\n99999\n")
    assert len(result.stdout) < 2_100_000


def test_endless_changes_of_stream_are_bounded(local: LocalREPL) -> None:
    (result,) = run_blocks(local, "import sys\nfor i in range(5_000):\n    print(i)\n    print(i, file=sys.stderr)")
    assert len(result.outputs) <= 501
    assert result.stdout == result.stderr == "".join(f"{i}\n" for i in range(5_000))


def test_endless_displays_are_bounded() -> None:
    sink = Sink()
    for number in range(2_000):
        sink.display({"text/plain": str(number)}, {}, None, update=False)
    outputs = sink.take()
    assert len(outputs) == 501
    assert outputs[-1]["text"] == "[... 1,500 displays left out ...]\n"
    assert sink.take() == []


def test_binary_displays_are_base64() -> None:
    sink = Sink()
    sink.display({"image/png": b"\x89PNG"}, {}, None, update=False)
    assert sink.take()[0]["data"] == {"image/png": "iVBORw=="}


def shown(data: dict[str, Any]) -> dict[str, Any]:
    """Return what is kept of a display's data."""
    sink = Sink()
    sink.display({}, {}, "id", update=False)
    sink.display(data, {}, "id", update=True)
    sink.display(data, {}, None, update=False)
    sink.result(data, {})
    first, second, third = (each["data"] for each in sink.take())
    assert first == second == third
    return dict(first)


@pytest.mark.parametrize("mime", ["text/plain", "text/markdown"])
def test_long_texts_are_kept_by_head_and_tail(mime: str) -> None:
    text = shown({mime: f"begin{'x' * 20_000_000}end"})[mime]
    assert len(text) < 201_000
    assert text.startswith("beginx")
    assert text.endswith("xend")
    assert "characters left out" in text


LARGE: dict[str, Any] = {
    "image/png": b"\x89" * 6_000_000,
    "image/jpeg": "A" * 6_000_000,
    "text/html": "<b>" * 2_000_000,
    "application/json": {"rows": [{"a": "x" * 1_000}] * 6_000},
    "application/vnd.plotly.v1+json": {"x": list(range(2_000_000))},
}


@pytest.mark.parametrize(("mime", "value"), LARGE.items(), ids=LARGE.keys())
def test_what_is_too_large_and_cannot_be_cut_is_left_out_with_a_word(mime: str, value: Any) -> None:
    told = f"[... {mime} left out: over 5,000,000 characters or bytes ...]"
    assert shown({mime: value}) == {"text/plain": told}
    assert shown({"text/plain": "Figure", mime: value}) == {"text/plain": f"Figure\n{told}"}
    small = value[:1_000] if isinstance(value, bytes | str) else {"a": [1, "b"]}
    assert set(shown({mime: small})) == {mime}


def test_a_large_value_is_shown_by_head_and_tail(local: LocalREPL) -> None:
    local.load_context({number: str(number) * 500_000 for number in range(10, 30)})
    (result,) = run_blocks(local, "context")
    text = result.outputs[-1]["data"]["text/plain"]
    assert len(text) < 201_000
    assert text.startswith("{10: '1010")
    assert text.endswith("2929'}")


def test_clearing_and_updating() -> None:
    sink = Sink()
    sink.write("stdout", "gone")
    sink.clear(wait=False)
    sink.display({"text/plain": "1"}, {}, "id", update=False)
    sink.display({"text/plain": "2"}, {}, "id", update=True)
    assert [each["data"] for each in sink.take()] == [{"text/plain": "2"}]
    sink.write("stdout", "stays until something new comes")
    sink.clear(wait=True)
    assert len(sink.take()) == 1
    sink.write("stdout", "a new cell begins")
    assert sink.take() == [{"output_type": "stream", "name": "stdout", "text": "a new cell begins"}]


def test_nothing_is_left_behind_when_what_is_captured_fails() -> None:
    with pytest.raises(ZeroDivisionError), capture(Sink()), capture(Sink()):
        1 / 0  # noqa: B018


def test_the_streams_look_as_streams_do(local: LocalREPL) -> None:
    (result,) = run_blocks(
        local,
        "import sys\nprint(sys.stdout.isatty(), sys.stdout.writable(), sys.stdout.encoding.lower(), flush=True)\n"
        "sys.stdout.writelines(['a', 'b'])\nsys.stdout.write('c')",
    )
    assert result.error is None
    assert result.stdout == "False True utf-8\nabc"


def test_the_working_directory_is_nobodys_to_change() -> None:
    """Defect 2 of the field: environments ran each in a directory of its own, which is the process's."""
    import os

    before = os.getcwd()  # noqa: PTH109
    environment = LocalREPL()
    (result,) = run_blocks(environment, "import os\nprint(os.getcwd())")
    environment.cleanup()
    assert result.stdout == f"{before}\n"
