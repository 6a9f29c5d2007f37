"""Code that breaks its kernel, forges messages or floods them harms its own cell, and not the run."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from model_code import Echo, run_blocks

from rlm_jupyter.environments.subprocess import SubprocessREPL


@pytest.fixture
def repl() -> Iterator[SubprocessREPL]:
    repl = SubprocessREPL()
    yield repl
    repl.cleanup()


FORGE = (
    "from IPython import get_ipython\nkernel = get_ipython().kernel\n"
    "def forge(kind, content, *buffers):\n"
    "    kernel.session.send(kernel.iopub_socket, kind, content, buffers=list(buffers), parent=kernel.get_parent())\n"
    "cell = kernel.get_parent()['header']['msg_id']\n"
)

FORGED = [
    "forge('rlm_report', {'cell': cell})",
    "forge('rlm_report', {'cell': [cell]}, b'{}')",
    "forge('rlm_query', {'query': '1', 'kind': 'llm_query', 'cell': [1]}, b'{}')",
    "forge('rlm_query', {}, b'{}')",
    "forge('rlm_query', {'query': '1', 'kind': 'llm_query', 'cell': cell})",
    "forge('rlm_query', {'query': 'none', 'kind': 'llm_query'}, b'no JSON')",
    "forge('stream', {})",
    "forge('stream', {'name': 'elsewhere', 'text': 'x'})",
    "forge('stream', {'name': 'stdout', 'text': 5})",
    "forge('display_data', {'data': 5, 'metadata': {}})",
    "forge('display_data', {'data': {'text/plain': 5}, 'metadata': {}})",
    "forge('display_data', {'data': {}, 'metadata': {}, 'transient': {'display_id': []}})",
    "forge('execute_result', {'data': {'text/plain': 'x'}})",
    "forge('status', b'[]')",
    "forge('clear_output', b'5')",
    "forge('stream', b'no JSON')",
    "forge('stream', b'[' * 100_000)",
]


def test_messages_of_no_shape_are_dropped_and_the_run_goes_on(
    repl: SubprocessREPL, capfd: pytest.CaptureFixture[str]
) -> None:
    first, second = run_blocks(repl, FORGE + "\n".join(FORGED) + "\nprint('sent')", "print(llm_query('a'))")
    assert first.error is None, first.error
    assert first.stdout == "sent\n"
    assert [each["output_type"] for each in first.outputs] == ["stream"]
    assert second.stdout == "echo: a\n"
    assert capfd.readouterr().err == ""


REPORT = '{"notes": [], "so_far": null, "ready": false, "variables": {}, "error": null}'
REPORTS = {
    "no JSON": "no JSON",
    "a list": "[]",
    "an answer that is no text": REPORT.replace('"so_far": null', '"so_far": {}'),
    "a variable without summary": REPORT.replace('"variables": {}', '"variables": {"x": 5}'),
    "a summary of numbers": REPORT.replace('"variables": {}', '"variables": {"x": [1, 2, 3, 4]}'),
    "an error that is text": REPORT.replace('"error": null', '"error": "x"'),
    "notes that are a number": REPORT.replace('"notes": []', '"notes": 5'),
}


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS.keys())
def test_a_report_that_cannot_be_read_is_an_error_of_the_cell(repl: SubprocessREPL, report: str) -> None:
    breaking = (
        f"{FORGE}def late(result):\n"
        f"    forge('rlm_report', {{'cell': cell}}, {report.encode()!r})\n"
        "    get_ipython().events.unregister('post_run_cell', late)\n"
        "get_ipython().events.register('post_run_cell', late)"
    )
    with repl.running(Echo()):
        repl.execute_code("answer['content'] = 'so far'")
        result = repl.execute_code(breaking)
        assert repl.answer_so_far() == "so far"
        assert repl.execute_code("print('goes on')").stdout == "goes on\n"
    assert result.error is not None
    assert result.error.name == "BrokenKernelError"
    assert result.final_answer is None


def test_notes_are_kept_short(repl: SubprocessREPL) -> None:
    report = "'{\"notes\": [\"' + 'x' * 10**7 + '\"]' + rest"
    rest = REPORT[len('{"notes": []') :]
    (result,) = run_blocks(
        repl,
        f"{FORGE}rest = {rest!r}\ndef late(result):\n"
        f"    forge('rlm_report', {{'cell': cell}}, ({report}).encode())\n"
        "get_ipython().events.register('post_run_cell', late)",
    )
    assert [len(note) for note in result.notes] == [2_000]


class Counting(Echo):
    """Holds its answers back, and knows how many it was asked for."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.asked = 0
        self.most_threads = 0

    def llm_query(self, prompt: str, model: str | None = None) -> str:
        self.asked += 1
        self.most_threads = max(self.most_threads, threading.active_count())
        if prompt == "open":
            self.go_on.set()
        assert self.go_on.wait(60)
        return super().llm_query(prompt, model)


FLOOD = FORGE + (
    "import json\ntext = json.dumps({'prompt': 'x', 'model': None}).encode()\n"
    "for number in range(3000):\n"
    "    forge('rlm_query', {'query': f'forged {number}', 'kind': 'llm_query', 'cell': cell}, text)\n"
)


def test_a_flood_of_queries_is_answered_by_few_threads_and_ends_with_the_run(repl: SubprocessREPL) -> None:
    counting = Counting()
    before = threading.active_count()
    with repl.running(counting):
        assert repl.execute_code(FLOOD).error is None
        assert repl.execute_code("print('goes on')").stdout == "goes on\n"
        assert threading.active_count() <= before + 64
    counting.go_on.set()
    with repl.running(Echo()):
        assert repl.execute_code("print(llm_query('a'))").stdout == "echo: a\n"
    assert counting.asked <= 64


def test_queries_that_wait_when_their_cell_is_ended_are_not_put_to_the_model() -> None:
    counting = Counting()
    flood = FLOOD.replace("3000", "200")
    with SubprocessREPL(cell_timeout=4) as repl, repl.running(counting):
        result = repl.execute_code(flood + "import time\ntime.sleep(60)")
        assert result.error is not None
        assert result.error.name == "TimeoutError"
        counting.go_on.set()
        assert repl.execute_code("print(llm_query('a'))").stdout == "echo: a\n"
    assert counting.asked <= 65


def test_endless_printing_is_ended_with_its_head_and_its_tail_and_the_kernel_lives() -> None:
    code = "x = 1\nprint('the head')\ntry:\n    while True:\n        print('y' * 1000)\nfinally:\n    print('the tail')"
    with SubprocessREPL(cell_timeout=2) as repl:
        result = repl.execute_code(code)
        after = repl.execute_code("print(x)")
    assert result.error is not None
    assert result.error.name == "TimeoutError"
    assert result.stdout.startswith("the head\nyyy")
    assert result.stdout.endswith("the tail\n")
    assert "characters left out ...]" in result.stdout
    assert len(result.stdout) < 2_000_000
    assert after.stdout == "1\n"
    assert after.notes == []


def test_what_is_printed_within_bounds_arrives_whole(repl: SubprocessREPL) -> None:
    long, _, short = run_blocks(repl, "print('z' * 1_500_000)", "print('z' * 1_500_000)", "print('short')")
    assert long.stdout == "z" * 1_500_000 + "\n"
    assert short.stdout == "short\n"


def test_a_fork_ends_with_its_cell(repl: SubprocessREPL) -> None:
    forked, failed, after = run_blocks(
        repl,
        "import os\nchild = os.fork()\nif child:\n    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))",
        "child = os.fork()\nif not child:\n    1 / 0\nprint(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))",
        "print('goes on', llm_query('a'))",
    )
    assert forked.error is None
    assert forked.stdout == "0\n"
    assert failed.error is None
    assert failed.stdout.endswith("1\n")
    assert after.stdout == "goes on echo: a\n"
