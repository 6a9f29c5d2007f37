"""Sub-calls from a kernel: over its own connection, from any thread, credited to the cell that asked."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from model_code import Echo, run_blocks

from rlm_jupyter.core.errors import ClientError
from rlm_jupyter.core.results import RLMChatCompletion
from rlm_jupyter.core.usage import UsageSummary
from rlm_jupyter.environments.subprocess import SubprocessREPL

WRONG_PROMPT = (
    "A prompt is a string, a picture, or a list of strings and pictures, and this one is of type set: put it into an "
    "f-string."
)


@pytest.fixture(scope="module")
def repl() -> Iterator[SubprocessREPL]:
    repl = SubprocessREPL()
    yield repl
    repl.cleanup()


class Failing(Echo):
    """Has no answer to what begins with ``bad``."""

    def llm_query(self, prompt: str, model: str | None = None) -> str:
        if prompt.startswith("bad"):
            msg = f"no answer to {prompt}"
            raise ClientError(msg)
        return super().llm_query(prompt, model)

    def llm_query_batched(self, prompts: Sequence[str], model: str | None = None) -> list[str]:
        return [f"Error: {each}" if each.startswith("bad") else self.llm_query(each, model) for each in prompts]


def test_sub_calls(repl: SubprocessREPL) -> None:
    (result,) = run_blocks(
        repl,
        "print(llm_query('a'), llm_query_batched(['b', 'c'], model='small'), rlm_query('d'), rlm_query_batched(['e']))",
    )
    assert result.stdout == "echo: a ['small: b', 'small: c'] echo: d ['echo: e']\n"


def test_a_call_that_fails_raises_and_a_slot_that_fails_says_so(repl: SubprocessREPL) -> None:
    with repl.running(Failing()):
        failed = repl.execute_code("llm_query('bad one')")
        batch = repl.execute_code("print(llm_query_batched(['a', 'bad two']))")
    assert failed.error is not None
    assert (failed.error.name, failed.error.message) == ("ClientError", "no answer to bad one")
    assert failed.error.traceback.splitlines()[-1] == "ClientError: no answer to bad one"
    assert "_ask" not in failed.error.traceback
    assert batch.stdout == "['echo: a', 'Error: bad two']\n"


def test_texts_cross_unchanged_and_large(repl: SubprocessREPL) -> None:
    code = "big = '\\ud800\\r\\n' + 'é' * 3_000_000\nllm_query(big) == 'echo: ' + big"
    (result,) = run_blocks(repl, code)
    assert result.outputs[-1]["data"]["text/plain"] == "True"


def test_a_prompt_that_is_no_plain_value_is_refused(repl: SubprocessREPL) -> None:
    (failed,) = run_blocks(repl, "rlm_query({1, 2})")
    assert failed.error is not None
    assert failed.error.message == WRONG_PROMPT


def test_many_threads_ask_at_once(repl: SubprocessREPL) -> None:
    code = (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor(100) as pool:\n"
        "    replies = list(pool.map(lambda i: llm_query(str(i)), range(1500)))\n"
        "replies == [f'echo: {i}' for i in range(1500)]"
    )
    (result,) = run_blocks(repl, code)
    assert result.error is None, result.error
    assert result.outputs[-1]["data"]["text/plain"] == "True"


def test_sub_calls_are_awaited_in_threads(repl: SubprocessREPL) -> None:
    code = "import asyncio\nawait asyncio.gather(*(asyncio.to_thread(llm_query, str(i)) for i in range(3)))"
    (result,) = run_blocks(repl, code)
    assert result.outputs[-1]["data"]["text/plain"] == "['echo: 0', 'echo: 1', 'echo: 2']"


def test_a_fork_says_that_it_cannot_ask(repl: SubprocessREPL) -> None:
    code = (
        "import os\nreader, writer = os.pipe()\nchild = os.fork()\n"
        "if child == 0:\n"
        "    try:\n        llm_query('x')\n"
        "    except BaseException as error:\n        os.write(writer, str(error).encode())\n"
        "    os._exit(0)\n"
        "os.waitpid(child, 0)\nprint(os.read(reader, 1000).decode())"
    )
    (result,) = run_blocks(repl, code)
    assert "this is a fork of it" in result.stdout


def call(prompt: Any, model: str | None) -> RLMChatCompletion:
    return RLMChatCompletion("fake", prompt, f"<{prompt}>", UsageSummary(), 0.001)


def test_by_hand_calls_are_answered_by_a_function_and_are_in_the_result() -> None:
    with SubprocessREPL(subcall_fn=call) as repl:
        result = repl.execute_code("print(rlm_query('a'), rlm_query_batched(['b', 'c']))")
        other = repl.execute_code("1")
    assert result.stdout == "<a> ['<b>', '<c>']\n"
    assert sorted(each.prompt for each in result.rlm_calls) == ["a", "b", "c"]
    assert other.rlm_calls == []


def test_by_hand_without_anybody_calls_give_an_error() -> None:
    with SubprocessREPL() as repl:
        assert repl.execute_code("print(rlm_query('a'))").stdout.startswith("Error: No language model is attached")
        repl.update_handler_address(("127.0.0.1", 1))
        assert repl.lm_handler_address == ("127.0.0.1", 1)
        assert repl.execute_code("print(llm_query('a'))").stdout.startswith("Error:")


def test_a_query_is_answered_in_the_context_of_its_cell(repl: SubprocessREPL) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")

    class Telling(Echo):
        def llm_query(self, prompt: str, model: str | None = None) -> str:
            return variable.get()

    with repl.running(Telling()):
        variable.set("first")
        assert repl.execute_code("print(llm_query('?'))").stdout == "first\n"
        variable.set("second")
        assert repl.execute_code("print(llm_query('?'))").stdout == "second\n"


def test_a_late_answer_is_not_credited_to_another_cell() -> None:
    asked, go_on = threading.Event(), threading.Event()

    def late(prompt: Any, model: str | None) -> RLMChatCompletion:
        if prompt == "late":
            asked.set()
            assert go_on.wait(60)
        return call(prompt, model)

    code = "import threading\nt = threading.Thread(target=lambda: print(rlm_query('late')))\nt.start()"
    with SubprocessREPL(subcall_fn=late) as repl:
        first = repl.execute_code(code)
        assert asked.wait(60)
        go_on.set()
        second = repl.execute_code("t.join()\nprint(rlm_query('mine'))")
    assert first.rlm_calls == []
    assert [each.prompt for each in second.rlm_calls] == ["mine"]
    assert second.stdout == "<late>\n<mine>\n"


def test_a_thread_that_outlives_its_run_is_told_so(repl: SubprocessREPL) -> None:
    run_blocks(
        repl,
        "import threading\ngo_on = threading.Event()\ntold = []\n"
        "def ask():\n    go_on.wait()\n    try:\n        llm_query('x')\n"
        "    except Exception as error:\n        told.append(str(error))\n"
        "t = threading.Thread(target=ask)\nt.start()",
    )
    (result,) = run_blocks(repl, "go_on.set()\nt.join()\nprint(told)")
    assert result.stdout == "['The run has ended: no further model call is made.']\n"


def test_running_code_in_the_repl_that_asks_is_refused_and_does_not_hang() -> None:
    repls: list[SubprocessREPL] = []

    def again(prompt: Any, model: str | None) -> str:
        return repls[0].execute_code("1").stdout

    with SubprocessREPL(subcall_fn=again) as repl:
        repls.append(repl)
        result = repl.execute_code("print(rlm_query('a'), rlm_query_batched(['b']))")
        assert result.stdout.count("Error: This REPL is running the cell that asks it") == 2
        assert repl.execute_code("print('goes on')").stdout == "goes on\n"


def test_a_query_may_take_so_long_and_no_longer() -> None:
    go_on = threading.Event()

    def slow(prompt: Any, model: str | None) -> RLMChatCompletion:
        assert go_on.wait(60)
        return call(prompt, model)

    with SubprocessREPL(subcall_fn=slow, subcall_timeout=0.2) as repl:
        failed = repl.execute_code("rlm_query('a')")
        batch = repl.execute_code("print(rlm_query_batched(['a', 'b']))")
        go_on.set()
    assert failed.error is not None
    assert (failed.error.name, "0.2 s" in failed.error.message) == ("TimeoutError", True)
    assert batch.stdout.count("Error: No answer came within the 0.2 s") == 2
