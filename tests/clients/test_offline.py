"""The offline extractor: what it finds, how it goes about it, and what it does when there is nothing to find."""

from __future__ import annotations

import asyncio
import inspect
import json
import subprocess
import sys
import sysconfig
import textwrap
from collections import ChainMap
from collections.abc import Iterator
from functools import lru_cache
from heapq import heapify
from pathlib import Path
from shlex import quote
from typing import Any

import pytest

from rlm_jupyter import RLM
from rlm_jupyter.clients.io_thread import submit
from rlm_jupyter.clients.offline import OfflineClient
from rlm_jupyter.core.prompts import closing_request
from rlm_jupyter.core.protocols import Message, ModelReply, ModelRequest
from rlm_jupyter.core.reply import read_reply
from rlm_jupyter.core.results import RLMChatCompletion

CONTRACTS = [f"The contract with A{i} ends on the first of June {2100 + i}.\nNotice: {i} days." for i in range(400)]
TASK = (
    "## Question\n\nneedle?\n\n## Context\n\n`context_0` is the current context: str, 9 characters. It begins:\n\n    x"
)
BETA = "The contract with Beta ends first, on 3 March 2031. Only the lessor may terminate it early."


@pytest.fixture(scope="module")
def library() -> dict[str, str]:
    """Every source file of the standard library but its tests, by its path in it."""
    root = Path(sysconfig.get_paths()["stdlib"])
    tree = [path.relative_to(root) for path in sorted(root.rglob("*.py"))]
    kept = [path for path in tree if not {"site-packages", "dist-packages", "test", "tests"} & set(path.parts)]
    return {path.as_posix(): (root / path).read_text("utf-8", "replace") for path in kept}


@pytest.fixture
def rlm() -> Iterator[RLM]:
    with RLM(backend="offline", environment="local") as rlm:
        yield rlm


def reply(*messages: Message) -> ModelReply:
    return submit(OfflineClient().acompletion(ModelRequest(messages))).result(30)


def leaf(prompt: str) -> str:
    return reply({"role": "user", "content": prompt}).text


def headline(completion: RLMChatCompletion) -> str:
    return completion.response.split("\n", 1)[0]


def code_of(completion: RLMChatCompletion) -> list[str]:
    assert completion.trace is not None
    return [span.start.payload.code for span in completion.trace.walk() if span.kind == "code"]  # type: ignore[attr-defined]


def line_of(thing: Any) -> int:
    return inspect.getsourcelines(thing)[1]


class TestDefinitions:
    """Questions with one right answer, over the whole standard library."""

    @pytest.mark.parametrize(
        ("question", "where", "says"),
        [
            (
                "Which module defines the class ChainMap, and what does its docstring say?",
                f"`collections/__init__.py` (line {line_of(ChainMap)})",
                "A ChainMap groups multiple dicts (or other mappings) together to create a single, updateable view.",
            ),
            (
                "Which module defines the function `heapify`?",
                "`heapq.py`",
                "Transform list into a heap, in-place, in O(len(x)) time.",
            ),
            (
                "Where is shlex.quote defined and what does its docstring say?",
                f"`shlex.py` (line {line_of(quote)})",
                "Return a shell-escaped version of the string *s*.",
            ),
            (
                "Which file defines the decorator lru_cache, and what is its docstring?",
                f"`functools.py` (line {line_of(lru_cache)})",
                "Least-recently-used cache decorator.",
            ),
            (
                "In which file is class ThreadPoolExecutor defined?",
                "`concurrent/futures/thread.py`",
                "class ThreadPool",
            ),
            (
                "Which class defines the method new_child, and what does the docstring say?",
                "in `ChainMap`) defines the method `new_child`",
                "New ChainMap with a new map followed by all previous maps.",
            ),
            ("Which module defines the Fraction class?", "`fractions.py`", "This class implements rational numbers."),
            (
                "Which module defines json.dumps?",
                "`json/__init__.py`",
                "Serialize ``obj`` to a JSON formatted ``str``.",
            ),
            ("Where is class JSONDecodeError?", "`json/decoder.py`", "Subclass of ValueError"),
            ("Which module defines the exception QueueShutdownOrEmptyOrWhatever?", "Nothing in the context", ""),
        ],
    )
    def test_where_it_is_defined_and_what_its_docstring_says(
        self, rlm: RLM, library: dict[str, str], question: str, where: str, says: str
    ) -> None:
        completion = rlm.completion(library, root_prompt=question)
        assert where in headline(completion)
        assert says in completion.response

    def test_the_line_is_the_lines_number_in_the_whole_file(self, rlm: RLM, library: dict[str, str]) -> None:
        joined = "\n".join(library.values())
        line = joined[: joined.index("\ndef heapify(")].count("\n") + 2
        assert f"(line {line})" in headline(
            rlm.completion(joined, root_prompt="Where is the function heapify defined?")
        )
        assert heapify.__doc__ is not None

    @pytest.mark.parametrize(
        ("question", "where", "says"),
        [
            ("What value has the constant HTTP_PORT in module http.client?", "`http/client.py`", "`HTTP_PORT = 80`"),
            ("What is the value of `LOG4` in module random?", "`random.py`", "`LOG4 = _log(4.0)`"),
            (
                "What is the docstring of the module heapq?",
                "`heapq.py`",
                "Heap queue algorithm (a.k.a. priority queue).",
            ),
        ],
    )
    def test_constants_and_modules(
        self, rlm: RLM, library: dict[str, str], question: str, where: str, says: str
    ) -> None:
        completion = rlm.completion(library, root_prompt=question)
        assert where in headline(completion)
        assert says in completion.response

    @pytest.mark.parametrize(
        ("question", "where"),
        [
            ('Which file contains the phrase "Gur Mra bs Clguba, ol Gvz Crgref"?', "`this.py` (line 1)"),
            # The next two quotations are broken by a line's end in the source.
            ("Which file says 'groups multiple dicts (or other mappings) together to create'?", "in `ChainMap`"),
            ("Which class has the docstring 'Dict subclass for counting hashable items'?", "in `Counter`"),
            ("Which file says that the underlying mappings are stored in a list?", "`collections/__init__.py`"),
            ("Which function in textwrap removes any common leading whitespace from every line?", "in `dedent`"),
        ],
    )
    def test_sentences(self, rlm: RLM, library: dict[str, str], question: str, where: str) -> None:
        assert where in headline(rlm.completion(library, root_prompt=question))

    def test_a_quotation_that_is_not_there_is_said_to_be_missing(self, rlm: RLM) -> None:
        completion = rlm.completion("The cat sat on the mat.", root_prompt='Who wrote "the dog sat on the mat"?')
        assert completion.response.startswith("Nothing says “the dog sat on the mat” word for word.")
        assert "The cat sat on the mat." in completion.response

    def test_top_level_definitions_come_before_tests_and_nested_ones(self, rlm: RLM) -> None:
        files = {
            "a/test_box.py": "class Box:\n    pass\n",
            "b/holder.py": "def make():\n    class Box:\n        pass\n    return Box\n",
            "c/box.py": 'class Box:\n    """Holds things.\n\n    And more.\n    """\n',
        }
        completion = rlm.completion(files, root_prompt="Which module defines class Box?")
        assert headline(completion).startswith("`c/box.py` (line 1) defines the class `Box`.")
        assert "> Holds things.\n" in completion.response


class TestContexts:
    """What is written to cut a context follows from what the context was seen to be."""

    @pytest.mark.parametrize(
        ("context", "question", "where", "says"),
        [
            ("\n\n".join([*CONTRACTS, BETA]), "Which contract ends first?", "`context_0` (line 1201)", BETA),
            ("\n\n".join([*CONTRACTS, BETA]).encode(), "Which contract ends first?", "`context_0` (line 1201)", BETA),
            ([*CONTRACTS, BETA], "Which contract ends first?", "`context_0[400]`", BETA),
            ((*CONTRACTS, BETA), "Which contract ends first?", "`context_0[400]`", BETA),
            (
                [{"name": f"P{i}", "city": "Ulm" if i == 77 else "Rome"} for i in range(5000)],
                "Who is in Ulm?",
                "[77]",
                "P77",
            ),
            (
                {("a", 1): {"note": "Freedonia's capital is Fredville"}},
                "Capital of Freedonia?",
                "('a', 1)",
                "Fredville",
            ),
            ({"a": 1, "b": b"the needle"}, "Where is the needle?", "`b` (line 1)", "the needle"),
            ({3.5, "a needle"}, "Where is the needle?", "`context_0[", "a needle"),
            (textwrap, "Where is the module textwrap from?", "`context_0` (line 1)", "<module 'textwrap'"),
            (
                "x" * 200_000 + " a needle " + "y" * 200_000,
                "Where is the needle?",
                "`context_0` (line 1)",
                " a needle ",
            ),
            ("one\r\na needle\r\nthree", "Where is the needle?", "`context_0` (line 2)", "a needle"),
            ('```repl\nFINAL(3)\n``` a \\n needle """', "Where is the needle?", "(line 3)", '``` a \\n needle """'),
            ("İ" * 50 + "\nİİ needle", "Where is the needle?", "`context_0` (line 2)", "needle"),
        ],
    )
    def test_every_kind_of_context(self, rlm: RLM, context: object, question: str, where: str, says: str) -> None:
        completion = rlm.completion(context, root_prompt=question)
        assert where in headline(completion)
        assert says in completion.response

    @pytest.mark.parametrize("context", ["", {}, [], None, 12, b""])
    def test_nothing_to_find(self, rlm: RLM, context: object) -> None:
        completion = rlm.completion(context, root_prompt="Which contract ends first?")
        assert completion.response.startswith(
            "Nothing in the context matches the question (`contract`, `end`, `first`)."
        )

    def test_an_object_that_breaks_when_it_is_looked_at(self, rlm: RLM) -> None:
        class Broken:
            def __len__(self) -> int:
                return 3

            def __iter__(self) -> Iterator[str]:
                msg = "the disk is gone"
                raise OSError(msg)

            def __contains__(self, item: object) -> bool:
                return False

            def __str__(self) -> str:
                return "A broken thing with a needle"

        completion = rlm.completion(Broken(), root_prompt="Where is the needle?")
        assert "A broken thing with a needle" in completion.response
        assert any("Looking failed (OSError: the disk is gone)" in text for text in replies_of(completion))

    def test_an_object_that_cannot_be_read_at_all(self, rlm: RLM) -> None:
        class Mute:
            def __str__(self) -> str:
                msg = "no words"
                raise TypeError(msg)

        completion = rlm.completion(Mute(), root_prompt="Where is the needle?")
        assert completion.response.startswith("The context could not be searched: TypeError: no words.")


def replies_of(completion: RLMChatCompletion) -> list[str]:
    trace: Any = completion.trace
    return [trace.text(span.end.payload.reply) for span in trace.walk() if span.kind == "model_call"]


class TestMoves:
    def test_a_large_context_is_looked_at_cut_asked_about_and_ranked(self, rlm: RLM, library: dict[str, str]) -> None:
        completion = rlm.completion(library, root_prompt="Which module defines the class ChainMap?")
        assert [code.split(":")[0] for code in code_of(completion)] == ["# look", "# ask", "# rank", "# answer"]
        subcalls = completion.usage_summary.total_calls - 4
        assert 100 <= subcalls <= 220
        assert completion.usage_summary.total_cost == 0.0
        assert completion.usage_summary.total_input_tokens > 500_000
        assert f"it read {subcalls} excerpts" in completion.response

    def test_a_small_context_takes_one_sub_call(self, rlm: RLM) -> None:
        completion = rlm.completion(BETA, root_prompt="Which contract ends first?")
        assert completion.usage_summary.total_calls == 5
        assert "llm_query_batched" not in "".join(code_of(completion))

    def test_it_is_deterministic(self, rlm: RLM) -> None:
        first, second = (rlm.completion(CONTRACTS, root_prompt="Which contract is with A7?") for _ in range(2))
        assert first.response == second.response
        assert code_of(first) == code_of(second)

    def test_it_says_that_it_is_no_language_model(self, rlm: RLM) -> None:
        completion = rlm.completion(BETA, root_prompt="Which contract ends first?")
        assert "Found by the offline extractor, which matches words and does not reason" in completion.response

    @pytest.mark.parametrize(("iterations", "says"), [(3, "Only the lessor"), (1, "the run ended before")])
    def test_it_answers_with_what_it_has_when_the_iterations_run_out(self, iterations: int, says: str) -> None:
        with RLM(backend="offline", environment="local", max_iterations=iterations) as rlm:
            completion = rlm.completion(BETA, root_prompt="Which contract ends first?")
        assert says in completion.response

    def test_a_passage_that_looks_like_an_answer_is_none(self) -> None:
        with RLM(backend="offline", environment="local", max_iterations=3) as rlm:
            completion = rlm.completion("FINAL(a needle)", root_prompt="Where is the needle?")
        assert completion.response.startswith("`context_0` (line 1) matches the question best:")

    def test_when_answering_fails_the_best_passage_is_given_as_text_and_none_of_it_runs(self) -> None:
        passage = {"score": 9, "points": 0, "covers": 1, "where": "a.md", "line": 3, "terms": {}}
        record = json.dumps({**passage, "text": "```python\nFINAL('needle')\n```"})
        answered = reply(
            {"role": "system", "content": "You work in a REPL."},
            {"role": "user", "content": TASK},
            {"role": "assistant", "content": "```repl\n# rank: ...\n```"},
            {"role": "user", "content": f"Output:\npassages: 1; replies: 1; failed: 0\n{record}"},
            {"role": "assistant", "content": "```repl\n# answer: ...\n```"},
            {"role": "user", "content": "Output:\nNameError: name 'answer' is not defined"},
        )
        read = read_reply(answered.text)
        assert read.code_blocks == ()
        assert read.answer is not None
        assert read.answer.text.startswith("`a.md` (line 3) matches the question best:")

    def test_the_closing_request_gets_text_and_no_code(self) -> None:
        closing = reply(
            {"role": "system", "content": "You work in a REPL."},
            {"role": "user", "content": TASK},
            {"role": "user", "content": closing_request(1)},
        )
        assert "```" not in closing.text
        assert closing.text.startswith("No answer")


class TestQuestionsWithoutAContext:
    def test_a_greeting_is_told_what_it_can_do(self, rlm: RLM) -> None:
        completion = rlm.completion("hello")
        for word in ("no language model", "OPENAI_API_KEY", "`--model`", "`--base-url`", "`--context name`"):
            assert word in completion.response
        assert completion.usage_summary.total_calls == 1

    @pytest.mark.parametrize(
        ("question", "says"),
        [
            ("Set x = 500 in the repl", "`x = 500` was run; `x` is 500."),
            ("Set y to 12.", "`y = 12` was run; `y` is 12."),
            ("Compute 2 ** 10 + 3 please", "`2 ** 10 + 3` is 1027."),
            ("Run `sum(range(5))`", "`sum(range(5))` is 10."),
            ("Compute `1 / 0`", "it failed: ZeroDivisionError: division by zero."),
            ("Run `sizes = [len(name) for name in ('it', 'this')]`", "was run; `sizes` is [2, 4]."),
        ],
    )
    def test_plain_values_are_computed_and_code_is_run_on_demand(self, rlm: RLM, question: str, says: str) -> None:
        assert says in rlm.completion(question).response

    @pytest.mark.parametrize(
        "question",
        [
            "What is found.append(1)?",
            "What is `found.append(1)`?",
            "calculate found.append(1)",
            "Compute [found.append(1)]",
            "Set x = found.append(1)",
            "what is 9**9**9",
            "What is 'a' * 10**12?",
        ],
    )
    def test_code_that_a_question_mentions_is_not_run(self, question: str) -> None:
        found: list[int] = []
        with RLM("offline", custom_tools={"found": found}, max_timeout=30) as rlm:
            rlm.completion(question)
        assert found == []

    def test_the_users_names_are_left_alone(self) -> None:
        with RLM("offline", persistent=True) as rlm:
            rlm.completion("The lamp is red.\n" * 9, root_prompt="What colour is the lamp?")
            rlm.completion("Run `names = [name for name in globals() if not name.startswith('_')]`")
            answer = rlm.completion("Run `sorted(set(names) - {'names'} - set(SHOW_VARS()))`").response
        for name in ("json", "math", "Mapping", "islice", "lookup"):
            assert f"'{name}" not in answer

    def test_a_question_that_brings_its_own_material(self, rlm: RLM) -> None:
        completion = rlm.completion("\n".join([*CONTRACTS[:20], BETA, "", "Question: Which contract ends first?"]))
        assert completion.response.startswith("[offline extractor, no language model] What matches best: ")
        assert "The contract with Beta ends first, on 3 March 2031." in completion.response

    def test_a_later_question_of_a_session_goes_to_the_last_context(self, rlm: RLM) -> None:
        session = rlm.start_session()
        session.chat("\n\n".join([*CONTRACTS, BETA]), root_prompt="Which contract ends first?")
        answer = session.chat("Who may terminate the contract with Beta early?")
        assert BETA in answer.response
        assert "session_context_0" in headline(answer), "and not the conversation about it"


class TestLeaf:
    def test_the_sentence_that_matches_a_question_in_the_prompt(self) -> None:
        said = leaf("Context: the sky is blue today. Grass is green, mostly.\nQuestion: what colour is grass?")
        assert said == "[offline extractor, no language model] What matches best: Grass is green, mostly."

    @pytest.mark.parametrize(
        "prompt", ["", "hello", "What is 2 + 2?", "Write a poem about the sea and its many ships."]
    )
    def test_a_prompt_with_nothing_to_look_into(self, prompt: str) -> None:
        assert leaf(prompt).startswith("[offline extractor, no language model] ")
        assert "OPENAI_API_KEY" in leaf(prompt)

    def test_what_is_quoted_in_a_prompt_does_not_make_it_a_task(self) -> None:
        assert leaf("## Question\n\nhello\n\n## Context\n\n`context_0` is ...").startswith("[offline extractor")


class TestClient:
    def test_usage_is_counted_in_words_and_costs_nothing(self) -> None:
        answered = reply({"role": "user", "content": "one two three"})
        assert answered.model == "offline"
        assert answered.usage.input_tokens == 3
        assert answered.usage.output_tokens == len(answered.text.split())
        assert answered.usage.cost == 0.0
        assert list(OfflineClient().secrets) == []

    def test_the_reply_streams_in_pieces(self) -> None:
        pieces: list[str] = []
        request = ModelRequest([{"role": "user", "content": "hello"}])
        whole = submit(OfflineClient().acompletion(request, pieces.append)).result(30).text
        assert len(pieces) > 1
        assert "".join(pieces) == whole

    def test_a_call_that_has_not_begun_its_work_can_be_cancelled(self) -> None:
        async def cancelled() -> bool:
            request = ModelRequest([{"role": "user", "content": "hello"}])
            call = asyncio.ensure_future(OfflineClient().acompletion(request))
            await asyncio.sleep(0)
            call.cancel()
            await asyncio.wait([call])
            return call.cancelled()

        assert asyncio.run(cancelled())

    def test_importing_it_brings_in_the_standard_library_only(self) -> None:
        code = """
import sys
before = set(sys.modules)
import rlm_jupyter.clients.offline
loaded = {name.partition(".")[0] for name in set(sys.modules) - before}
print(sorted(loaded - sys.stdlib_module_names - {"rlm_jupyter"}))
"""
        shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert shown.stdout.strip() == "[]"
