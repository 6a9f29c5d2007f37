"""What a page is told when a block of it does not run, and does not say why."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from pages.reader import problems

Told: TypeAlias = Callable[..., list[str]]


@pytest.fixture
def told(reading: Path, tmp_path: Path) -> Told:
    """Reads a page that holds these lines, and returns what is wrong with it."""

    def read(*lines: str) -> list[str]:
        page = tmp_path / "page.md"
        page.write_text("\n".join(lines), "utf-8")
        return problems(page, reading)

    return read


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["```", "ls", "```"], "line 1: it has no info string"),
        (["# A page", "", "    ls"], "line 3: an indented block"),
        (["```ruby", "puts 1", "```"], "line 1: nobody runs ```ruby"),
        (["```{code-block} python", "1 / 0", "```"], "line 1: write code as"),
        (["````{tab-item} One", "```ruby", "puts 1", "```", "````"], "line 2: nobody runs ```ruby"),
        (["```json", '{"a": 1,}', "```"], "line 1: it is no json"),
        (["```toml", "a =", "```"], "line 1: it is no toml"),
        (["```yaml", "a: b: c", "```"], "line 1: it is no yaml"),
        (["<!-- not run: needs an account -->", "```python", "a b", "```"], "line 2: it is no python"),
        (["```sh", "if", "```"], "line 1: it is no sh"),
        (["<!-- not run: too dull -->", "```sh", "ls", "```"], "line 2: 'too dull' is no reason"),
        (["<!-- not run -->", "```sh", "ls", "```"], "line 2: `<!-- not run -->` is no mark"),
        (["<!-- not run: run by tests/test_no.py -->", "```sh", "ls", "```"], "line 2: there is no tests/test_no.py"),
        (["<!-- severed -->", "```sh", "ls", "```"], "line 2: `<!-- severed -->` is no mark"),
        (["<!-- served -->", "", "Words.", "", "```sh", "ls", "```"], "line 3: the comment before"),
        (["<!-- served -->", "```text", "ls", "```"], "line 2: its marks are for a block that runs"),
        (["<!-- exits: 1 -->", "```python", "1 / 0", "```"], "line 2: `exits` is for shell scripts"),
        (["<!-- output -->", "```text", "1", "```"], "line 2: an `output` is a ```text block behind"),
        (["```sh", "echo 1", "```", "<!-- output -->", "```text", "2", "```"], "line 5: the block before shows"),
        (["```sh", "ls", "exit 3", "```"], "line 1: it failed with 3"),
        (["<!-- exits: 3 -->", "```sh", "ls", "```"], "line 2: it was to fail with 3 and it did not"),
        (["<!-- run first (sh): false -->", "```sh", "ls", "```"], "line 2: it failed with 1:\nls\n\nWhat runs before"),
    ],
)
def test_what_does_not_run_is_told_with_its_line(told: Told, lines: list[str], said: str) -> None:
    (wrong,) = told(*lines)
    assert wrong.startswith(said)


def test_cells_run_in_one_kernel_and_are_told_apart_by_their_errors(told: Told) -> None:
    page = ["<!-- run first:", "a = 1", "b = 2", "-->", "```python", "print(a)", "a + b", "```"]
    page += ["<!-- output -->", "```text", "1", "3", "```"]
    page += ["<!-- raises: ZeroDivisionError -->", "```python", "a / 0", "```"]
    page += ["<!-- output -->", "```text", "...", "ZeroDivisionError: division by zero", "```"]
    assert told(*page) == []
    (wrong,) = told(*page, "```ipython", "%load_ext rlm_jupyter", "c", "```", "```python", "d", "```")
    assert wrong.startswith("line 23: it failed with NameError:\n%load_ext rlm_jupyter\nc\n")
    assert "name 'c' is not defined" in wrong


def test_only_what_is_served_finds_a_server(told: Told, reading: Path) -> None:
    ask = 'jupyter rlm run "Where is the walrus?" --context a.txt --model ollama:a --quiet --no-trace'
    page = ["```sh", "echo The walrus is asleep. >a.txt", "```"]
    served = ["<!-- served -->", "```sh", ask, "```", "<!-- output -->", "```text", "...walrus is asleep...", "```"]
    address = "os.environ.get('OPENAI_BASE_URL')"
    cell = ["<!-- run first: import os -->", "<!-- served -->", "```python", address, "```"]
    cell += ["<!-- output -->", "```text", "'http://127.0.0.1:.../v1'", "```", "```python", address, "```"]
    cell += ["<!-- output -->", "```text", "```"]
    assert told(*page, *served, *cell) == []
    assert (reading / "a.txt").read_text() == "The walrus is asleep.\n"


def test_a_server_answers_as_it_is_told_and_in_the_form_that_is_asked_for(told: Told) -> None:
    ask = ["```ipython", "%%rlm --model gpt-5 --as Contract --no-trace", "Which contract?", "```"]
    ask += ["```python", "_.parsed", "```", "<!-- output -->", "```text"]
    acme = '<!-- served: {"party": "Acme", "ends": 2031} -->'
    page = ["```ipython", "%load_ext rlm_jupyter", "import pydantic", "class Contract(pydantic.BaseModel):"]
    page += ["    party: str", "    ends: int", "```"]
    page += ["<!-- served -->", *ask, "Contract(party='a text', ends=1)", "```"]
    page += [acme, *ask, "Contract(party='Acme', ends=2031)", "```"]
    assert told(*page) == []
