"""Typed answers: what is asked for, what goes back to the model, and the object in the end."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from pydantic import BaseModel, field_validator
from scripted_server import ScriptedServer
from scripts import Script, code, says, step

from rlm_jupyter import RLM
from rlm_jupyter.core.errors import AnswerFormatError, ConfigurationError
from rlm_jupyter.runs.typed import AnswerFormat


class Row(BaseModel):
    name: str
    size: int
    since: dt.date | None = None


class Even(BaseModel):
    number: int

    @field_validator("number")
    @classmethod
    def is_even(cls, number: int) -> int:
        if number % 2:
            msg = f"{number} is odd"
            raise ValueError(msg)
        return number


@dataclass
class Point:
    x: int


SCHEMA = {"type": "object", "properties": {"size": {"type": "integer"}}, "required": ["size"]}

READINGS: dict[str, tuple[Any, str, Any]] = {
    "JSON": (Row, '{"name": "a", "size": 1}', Row(name="a", size=1)),
    "a Python literal": (Row, "{'name': 'a', 'size': 1, 'since': None}", Row(name="a", size=1)),
    "fenced JSON": (Row, 'It is:\n```json\n{"name": "a", "size": 1}\n```\nSo it is.', Row(name="a", size=1)),
    "fences of other kinds": (Row, '````\n```\n````\n~~~ js\r\n{"name": "a", "size": 1}\r\n~~~', Row(name="a", size=1)),
    "a fence that none closes": (Row, '~~~\n```json\n{"name": "a", "size": 1}\n```', Row(name="a", size=1)),
    "a date in JSON": (
        Row,
        '{"name": "a", "size": 1, "since": "2024-02-29"}',
        Row(name="a", size=1, since=dt.date(2024, 2, 29)),
    ),
    "a list": (list[Row], '[{"name": "a", "size": 1}]', [Row(name="a", size=1)]),
    "a tuple for a list": (list[int], "(1, 2)", [1, 2]),
    "a set": (set[int], "{1, 2}", {1, 2}),
    "keys that are no strings": (dict[int, str], "{1: 'a'}", {1: "a"}),
    "a dataclass": (Point, '{"x": 1}', Point(1)),
    "a number": (int, " 42\n", 42),
    "a truth": (bool, "True", True),
    "prose": (str, 'He said "no".', 'He said "no".'),
    "digits as a string": (str, "42", "42"),
    "one of several words": (Literal["yes", "no"], "yes", "yes"),
    "a date alone": (dt.date, "2024-02-29", dt.date(2024, 2, 29)),
    "by a JSON schema": (SCHEMA, "{'size': 3, 'more': [None]}", {"size": 3, "more": [None]}),
    "a string by a JSON schema": ({"type": "string"}, "some words", "some words"),
    "by a reference": ({"$ref": "#/$defs/n", "$defs": {"n": {"type": "integer"}}}, "3", 3),
}


@pytest.mark.parametrize(("response_model", "answer", "parsed"), READINGS.values(), ids=READINGS.keys())
def test_what_an_answer_is_read_as(response_model: Any, answer: str, parsed: Any) -> None:
    answer_format = AnswerFormat(response_model)
    assert answer_format.complaint(answer) is None
    assert answer_format.parse(answer) == parsed


COMPLAINTS: dict[str, tuple[Any, str, str]] = {
    "what is missing": (Row, '{"name": "a"}', "- size: Field required"),
    "where it is": (list[Row], '[{"name": "a", "size": "b"}]', "- 0.size: Input should be a valid integer"),
    "what a validator says": (Even, '{"number": 3}', "- number: Value error, 3 is odd"),
    "no JSON": (Row, "It is a.", "It is neither JSON nor a Python literal"),
    "nothing": (Row, "", "It is neither JSON nor a Python literal"),
    "what words there are": (Literal["yes", "no"], "maybe", "Input should be 'yes' or 'no'"),
    "by a JSON schema": (SCHEMA, '{"size": "b"}', "- size: 'b' is not of type 'integer'"),
    "what a JSON schema wants": (SCHEMA, "{}", "'size' is a required property"),
}


@pytest.mark.parametrize("fence", ["```json\n", "~~~ a\n```` b\n", "```json\n{\n```\n"])
def test_a_very_long_answer_is_read_line_by_line(fence: str) -> None:
    """Looking from each fence for its end to the end of the answer, this would take minutes."""
    answer = f'{fence * 50_000}~~~~\n{{"name": "a", "size": 1}}\n~~~~'
    assert AnswerFormat(Row).parse(answer) == Row(name="a", size=1)


@pytest.mark.parametrize(("response_model", "answer", "said"), COMPLAINTS.values(), ids=COMPLAINTS.keys())
def test_what_is_said_of_an_answer_that_does_not_fit(response_model: Any, answer: str, said: str) -> None:
    assert said in (AnswerFormat(response_model).complaint(answer) or "")


def test_what_is_said_stays_short_however_much_is_wrong() -> None:
    complaint = AnswerFormat(list[int]).complaint(str(["x" * 10_000] * 1_000)) or ""
    assert "980 more errors" in complaint
    assert len(complaint) < 10_000
    assert len(AnswerFormat({"type": "integer"}).complaint(repr("x" * 100_000)) or "") < 1_000


UNUSABLE: dict[str, tuple[Any, str]] = {
    "a schema with a wrong word": ({"type": "nonsense"}, r"no valid JSON schema: at \$\.type"),
    "a schema that refers to nothing": ({"$ref": "#/$defs/none"}, r"refers to what is not in it"),
    "a schema that refers to the network": ({"$ref": "https://example.invalid/s"}, r"refers to what is not in it"),
    "a reference further down": ({"items": {"$ref": "#/$defs/none"}}, r"refers to what is not in it"),
    "a schema that is no JSON": ({"default": object()}, r"no JSON schema"),
    "an object": (Row(name="a", size=1), r"response_model takes a pydantic model"),
    "a name": ("Row", r"it is a string"),
    "a class that pydantic does not know": (type("Unknown", (), {}), r"response_model takes a pydantic model"),
}


@pytest.mark.parametrize(("response_model", "said"), UNUSABLE.values(), ids=UNUSABLE.keys())
def test_what_cannot_be_asked_for_is_refused_before_anything_is_asked(response_model: Any, said: str) -> None:
    with asking(says("FINAL(1)")) as (rlm, server):
        with pytest.raises(ConfigurationError, match=said):
            rlm.completion("Go.", response_model=response_model)
        assert not server.requests


@contextmanager
def asking(script: Script, **arguments: Any) -> Iterator[tuple[RLM, ScriptedServer]]:
    """An ``RLM`` and the server that answers it."""
    with ScriptedServer(script) as server:
        backend = {"model_name": "scripted", "base_url": server.base_url, "api_key": "for-the-scripted-server"}
        with RLM("openai", backend, **arguments) as rlm:
            yield rlm, server


WAYS: dict[str, str] = {
    "as text": """FINAL({"name": "a", "size": 1})""",
    "as an object": code("FINAL({'name': 'a', 'size': 1})"),
    "as JSON text": code(
        "import json", "answer['content'] = json.dumps({'name': 'a', 'size': 1})", "answer['ready'] = 1"
    ),
    "by a variable": code("found = {'name': 'a', 'size': 1}", "FINAL_VAR('found')"),
}


@pytest.mark.parametrize("reply", WAYS.values(), ids=WAYS.keys())
def test_the_result_holds_the_object(reply: str) -> None:
    with asking(says(reply)) as (rlm, server):
        completion = rlm.completion("Which is it?", response_model=Row)
        assert completion.parsed == Row(name="a", size=1)
        assert len(server.requests) == 1


def test_without_a_type_there_is_no_object() -> None:
    with asking(says('FINAL({"name": "a"})')) as (rlm, server):
        assert rlm.completion("Which is it?").parsed is None
        assert "## Answer format" not in server.requests[0].prompt


def test_the_model_is_told_the_schema_after_the_question() -> None:
    with asking(says("FINAL({'size': 1})")) as (rlm, server):
        rlm.completion("some context", "How large?", response_model=SCHEMA)
        prompt = server.requests[0].prompt
    assert prompt.startswith("## Question\n\nHow large?")
    assert '"required": [\n    "size"\n  ]' in prompt[prompt.index("## Answer format") :]


def test_what_was_wrong_goes_back_to_the_model_until_it_is_right() -> None:
    replies = [
        code("print('so far')", "answer['content'] = {'name': 'a'}", "answer['ready'] = True"),
        code("print(answer['ready'], answer['content'])"),
        "FINAL(I do not know)",
        code("answer['content']['size'] = 1", "answer['ready'] = True"),
    ]
    with asking(says(*replies)) as (rlm, server):
        completion = rlm.completion("Which is it?", response_model=Row)
        told = [request.prompt for request in server.requests]
    assert completion.parsed == Row(name="a", size=1)
    assert told[1].startswith("Output:\nso far\n\nYour answer was not accepted.")
    assert "- size: Field required" in told[1]
    assert told[2] == "Output:\nFalse {'name': 'a'}"
    assert "neither JSON nor a Python literal" in told[3]
    assert (completion.metadata or {})["iterations"] == 4


def test_an_answer_that_never_fits_is_an_error_that_carries_it() -> None:
    with asking(says("FINAL(one)", "FINAL(two)", "three", "four"), max_iterations=2) as (rlm, server):
        with pytest.raises(AnswerFormatError, match="neither JSON") as caught:
            rlm.completion("How many?", response_model=int)
        assert len(server.requests) == 4
        assert "as JSON in the answer format" in server.requests[2].prompt
    assert caught.value.partial_answer == "four"
    assert caught.value.trace is not None
    assert "four" in caught.value.trace.to_markdown()


def test_the_closing_reply_may_be_mended_once() -> None:
    with asking(says("Hm.", "It is three.", "```json\n3\n```"), max_iterations=1) as (rlm, _):
        assert rlm.completion("How many?", response_model=int).parsed == 3


def test_a_plain_model_call_is_typed_too() -> None:
    with asking(lambda request: ["Three.", "3"][len(request.messages) // 2], max_depth=0) as (rlm, server):
        assert rlm.completion("How many?", response_model=int).parsed == 3
        assert "JSON schema" in server.requests[0].prompt
        assert [message["role"] for message in server.requests[1].messages] == ["user", "assistant", "user"]


def test_typed_turns_of_a_conversation() -> None:
    with asking(lambda request: "FINAL(7)" if step(request) else "FINAL(seven)") as (rlm, server):
        session = rlm.start_session()
        assert session.chat("How many?", response_model=int).parsed == 7
        assert session.chat("And in words?").parsed is None
        assert len(server.requests) == 3
        assert [turn.completion.parsed for turn in session.history] == [7, None]


def test_typed_answers_to_asynchronous_questions() -> None:
    async def ask(rlm: RLM) -> list[Any]:
        completion = await rlm.acompletion("How many?", response_model=int)
        turn = await rlm.start_session().achat("How many?", response_model=int)
        return [completion.parsed, turn.parsed]

    with asking(says("FINAL(seven)", "FINAL(7)")) as (rlm, _):
        assert asyncio.run(ask(rlm)) == [7, 7]


def test_the_offline_extractor_reads_its_question_as_ever() -> None:
    context, question = "A carpenter.\nThe walrus wept.", "Where does it speak of a walrus?"
    with RLM("offline") as rlm:
        assert "The walrus wept." in rlm.completion(context, question, response_model=str).parsed
        with pytest.raises(AnswerFormatError) as caught:
            rlm.completion(context, question, response_model=int)
    assert "The walrus wept." in (caught.value.partial_answer or "")
