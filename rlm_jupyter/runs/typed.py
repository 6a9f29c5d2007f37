"""Typed answers: what the model is told of the type, and the object that its answer is read as."""

from __future__ import annotations

import ast
import json
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from rlm_jupyter.core.errors import ConfigurationError
from rlm_jupyter.core.observation import head_and_tail

if TYPE_CHECKING:
    from referencing import Registry, Resource

__all__ = ["AnswerFormat"]

_FENCE = re.compile(r"[ \t]*(?P<fence>`{3,}|~{3,})(?P<label>[^`]*)")
_ERRORS_SHOWN = 20
_ERROR_LIMIT = 300  # characters of one error's message: some quote all of the value

_Read: TypeAlias = Callable[[str], Any]
"""Returns the object that a JSON text stands for, or raises ``_Misfit``."""


class _Misfit(ValueError):
    """A JSON text does not fit; the message lists what is wrong, a line each."""


class AnswerFormat:
    """What answers have to be: a pydantic model, any other type that pydantic knows (``list[Row]``), or a JSON schema.

    Raises ``ConfigurationError`` when it is none of these.
    """

    def __init__(self, response_model: Any) -> None:
        schema, self._read = (
            _by_schema(response_model) if isinstance(response_model, Mapping) else _by_type(response_model)
        )
        self.schema = json.dumps(schema, indent=2, ensure_ascii=False)
        """The JSON schema, as text."""

    def complaint(self, answer: str) -> str | None:
        """Return what is wrong with an answer, for the model that gave it, or None when it fits."""
        try:
            self.parse(answer)
        except ValueError as error:
            return str(error)
        return None

    def parse(self, answer: str) -> Any:
        """Return the object that an answer stands for: JSON or a Python literal, in a fence or not, or plain text.

        Raises ``ValueError`` that says what is wrong.
        """
        first: _Misfit | None = None
        for candidate in _readings(answer):
            try:
                return self._read(candidate)
            except _Misfit as misfit:
                first = first or misfit
        try:
            return self._read(json.dumps(answer.strip()))  # the answer is the string itself
        except _Misfit as misfit:
            told = "It is neither JSON nor a Python literal, and as a string it does not fit the JSON schema"
            msg = f"{told}:\n{misfit}" if first is None else f"It does not fit the JSON schema:\n{first}"
            raise ValueError(msg) from None


def _readings(answer: str) -> Iterator[str]:
    """Yield the JSON texts that an answer may be meant as, the likeliest first."""
    for text in (answer.strip(), *_fenced(answer)):
        for reading in (_as_json, _as_literal):
            if (found := reading(text)) is not None:
                yield found
                break


def _fenced(answer: str) -> Iterator[str]:
    """Yield the texts between fences; a fence that none closes is a line like any other."""
    lines = answer.split("\n")
    fences = {number: fence for number, line in enumerate(lines) if (fence := _FENCE.fullmatch(line))}
    closing: dict[str, list[int]] = {}
    for number, fence in fences.items():
        if not fence["label"].strip():
            closing.setdefault(fence["fence"], []).append(number)
    over = -1
    for number, fence in fences.items():
        ends = closing.get(fence["fence"], [])
        end = bisect_right(ends, number)
        if number > over and end < len(ends):
            over = ends[end]
            yield "\n".join(lines[number + 1 : over]).strip()


def _as_json(text: str) -> str | None:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return None
    return text


def _as_literal(text: str) -> str | None:
    """Return a Python literal as JSON: the text form of a dict is one, and models write them."""
    try:
        return json.dumps(ast.literal_eval(text), default=_plain)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


def _plain(value: object) -> object:
    if isinstance(value, set | frozenset):
        return list(value)
    if isinstance(value, bytes):
        return value.decode("utf-8")
    msg = f"JSON has no {type(value).__name__}."
    raise TypeError(msg)


def _by_type(response_model: Any) -> tuple[dict[str, Any], _Read]:
    from pydantic import BaseModel, TypeAdapter, ValidationError
    from pydantic.errors import PydanticUndefinedAnnotation, PydanticUserError

    if isinstance(response_model, str):  # pydantic would look for a type of that name in the code that calls it
        raise _no_type(response_model, "it is a string")
    if isinstance(response_model, BaseModel):  # which some versions of pydantic take for its own type
        raise _no_type(response_model, f"it is an object of the type {type(response_model).__name__}")
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(response_model)
        schema = adapter.json_schema()
    except (PydanticUserError, PydanticUndefinedAnnotation, TypeError) as error:
        raise _no_type(response_model, str(error).split("\n", maxsplit=1)[0]) from None

    def read(text: str) -> Any:
        try:
            return adapter.validate_json(text)
        except ValidationError as error:
            found = error.errors(include_url=False, include_context=False, include_input=False)
            raise _misfit([(".".join(map(str, each["loc"])), each["msg"]) for each in found]) from None

    return schema, read


def _no_type(response_model: Any, reason: str) -> ConfigurationError:
    msg = (
        "response_model takes a pydantic model, another type that pydantic can describe by a JSON schema, such as "
        f"list[Row], or a JSON schema as a dict. {response_model!r} is none of these: {reason}"
    )
    return ConfigurationError(msg)


def _by_schema(schema: Mapping[str, Any]) -> tuple[dict[str, Any], _Read]:
    from jsonschema import SchemaError
    from jsonschema.validators import Draft202012Validator, validator_for
    from referencing import Registry, Resource
    from referencing.exceptions import Unresolvable
    from referencing.jsonschema import DRAFT202012

    plain = dict(schema)
    try:
        kind = validator_for(plain, default=Draft202012Validator)
        kind.check_schema(plain)
        resource = Resource.from_contents(plain, default_specification=DRAFT202012)
        registry: Registry[Any] = Registry()
        _check_references(resource, registry)
        json.dumps(plain)
    except SchemaError as error:
        msg = f"response_model is no valid JSON schema: at {error.json_path}: {error.message[:_ERROR_LIMIT]}"
        raise ConfigurationError(msg) from None
    except Unresolvable as error:
        msg = (
            f"response_model is a JSON schema that refers to what is not in it: {error.ref!r}. Put that into its $defs."
        )
        raise ConfigurationError(msg) from None
    except (TypeError, ValueError) as error:
        msg = f"response_model is a dict, but no JSON schema: {error}"
        raise ConfigurationError(msg) from None
    validator = kind(plain, registry=registry)  # with a registry of its own it asks no network

    def read(text: str) -> Any:
        value = json.loads(text)
        found = sorted(validator.iter_errors(value), key=lambda error: error.json_path)
        if found:
            raise _misfit([(error.json_path.removeprefix("$").removeprefix("."), error.message) for error in found])
        return value

    return plain, read


def _check_references(schema: Resource[Any], registry: Registry[Any]) -> None:
    """Raise ``Unresolvable`` for a reference that leads nowhere."""
    pending = [(schema, registry.resolver_with_root(schema))]
    while pending:
        resource, resolver = pending.pop()
        contents = resource.contents
        if isinstance(contents, Mapping) and isinstance(contents.get("$ref"), str):
            resolver.lookup(contents["$ref"])
        pending += [(inner, resolver.in_subresource(inner)) for inner in resource.subresources()]


def _misfit(errors: list[tuple[str, str]]) -> _Misfit:
    lines = [f"- {place or 'the value itself'}: {head_and_tail(said, _ERROR_LIMIT)}" for place, said in errors]
    more = [f"- and {len(lines) - _ERRORS_SHOWN:,} more errors"] if len(lines) > _ERRORS_SHOWN else []
    return _Misfit("\n".join([*lines[:_ERRORS_SHOWN], *more]))
